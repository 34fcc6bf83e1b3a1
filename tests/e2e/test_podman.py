"""podman and conmon with ptylaunch for their runtime."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from podman_user import Podman, podman
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def user() -> Iterator[Podman]:
    with podman() as made:
        yield made


@pytest.fixture
def container(user: Podman) -> Iterator[Podman]:
    """Have a container ``c`` that runs and has said ``ready``."""
    user.do(*user.box("--detach", "--name=c"), "sh", "-c", "echo ready; exec sleep 1000")
    yield user
    user.do("rm", "--force", "--time=0", "c")


def on_terminal(user: Podman, *words: str) -> tuple[str, int]:
    """Run podman on a terminal; return what it showed and its status."""
    pty_fd, tty_fd = pty.openpty()
    command = [*user.command, *words]
    with subprocess.Popen(
        command, env=user.env, stdin=tty_fd, stdout=tty_fd, stderr=tty_fd
    ) as process:
        os.close(tty_fd)
        shown = b""
        try:
            while data := os.read(pty_fd, 4096):
                shown += data
        except OSError:  # EIO: podman has closed the other end
            pass
        os.close(pty_fd)
    return shown.decode().replace("\0", ""), process.returncode


def inspect(user: Podman, name: str) -> Any:
    return json.loads(user.do("inspect", name))[0]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("sh", "-c", "exit 9"), 9),
        (("nosuch",), 127),
        (("/usr",), 126),
    ],
)
def test_run_exits_as_the_program_does(user: Podman, words: tuple[str, ...], status: int) -> None:
    """And as docker when there is none."""
    assert user.run(*user.box("--rm"), *words).returncode == status


def test_run_shows_both_streams(user: Podman) -> None:
    """Apart, and reads standard input."""
    done = user.run(
        *user.box("--rm", "--interactive"), "sh", "-c", "cat; echo no >&2", stdin=None, input="in"
    )

    assert (done.stdout, done.stderr) == ("in", "no\n")


def test_run_has_a_terminal(user: Podman) -> None:
    """By conmon's console socket."""
    shown, status = on_terminal(user, *user.box("--rm", "-it"), "sh", "-c", "tty; exit 4")

    assert (shown.strip(), status) == ("/dev/pts/0", 4)


def test_container_lives_in_the_background(user: Podman) -> None:
    """logs, stop, its exit status, rm."""
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    user.do(*user.box("--detach", "--name=c"), "sh", "-c", script)
    wait_until(lambda: user.do("logs", "c") == "ready\n")
    user.do("stop", "c")
    status = inspect(user, "c")["State"]["ExitCode"]
    user.do("rm", "c")

    assert status == 3


def test_killed_container_is_137(container: Podman) -> None:
    """kill sends KILL, and wait hears of it."""
    container.do("kill", "c")

    assert container.do("wait", "c") == "137\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [(("sh", "-c", "exit 5"), 5), (("nosuch",), 127), (("/usr",), 126)],
)
def test_exec_exits_as_its_program_does(
    container: Podman, words: tuple[str, ...], status: int
) -> None:
    """Or as docker when there is none."""
    assert container.run("exec", "c", *words).returncode == status


def test_exec_takes_its_flags(container: Podman) -> None:
    """User, folder and environment."""
    words = ("--user=5:6", "--workdir=/tmp", "--env=X=y")

    said = container.do("exec", *words, "c", "sh", "-c", "echo $(id -u) $(id -g) $PWD $X")

    assert said == "5 6 /tmp y\n"


def test_exec_has_a_terminal(container: Podman) -> None:
    """Of its own, in the container's devpts."""
    shown, status = on_terminal(container, "exec", "-it", "c", "sh", "-c", "tty; exit 3")

    assert (shown.strip(), status) == ("/dev/pts/0", 3)


def test_container_is_paused_and_resumed(container: Podman) -> None:
    """podman believes it, and exec waits for the end of it."""
    container.do("pause", "c")
    status = inspect(container, "c")["State"]["Status"]
    container.do("unpause", "c")

    assert status == "paused"
    assert container.do("exec", "c", "echo", "on") == "on\n"


def test_container_is_looked_at(container: Podman) -> None:
    """top and stats find its cgroup and its processes."""
    top = container.do("top", "c", "pid", "args")
    stats = container.do("stats", "--no-stream", "--format={{.PIDs}}", "c")

    assert "sleep 1000" in top
    assert stats == "1\n"


def test_limits_are_changed(container: Podman) -> None:
    """podman update writes a file for ptylaunch update."""
    container.do("update", "--memory=64m", "c")

    assert "67108864" in container.do("exec", "c", "sh", "-c", memory_limit())


def memory_limit() -> str:
    """Print the box's own limit, in v1's place or in v2's."""
    files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    return f"cat {files} 2>/dev/null; true"


def test_limits_hold_from_the_start(user: Podman) -> None:
    """--memory, --pids-limit and --cpus."""
    words = ("--rm", "--memory=64m", "--pids-limit=50", "--cpus=0.5")
    script = f"{memory_limit()}; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max"

    said = user.run(*user.box(*words), "sh", "-c", script).stdout.split()

    assert said[0] == str(64 << 20)
    assert "50" in said


@pytest.mark.parametrize(
    ("words", "script", "said"),
    [
        (("--user=1000:1000",), "echo $(id -u) $(id -g)", "1000 1000"),
        (("--hostname=hh",), "hostname", "hh"),
        (("--cap-drop=all",), "grep CapBnd /proc/self/status", "CapBnd:\t" + "0" * 16),
        (("--read-only",), "touch /y 2>/dev/null; echo $?; touch /tmp/x && echo ok", "1\nok"),
        (("--tmpfs=/x:size=1m",), "df -k /x | tail -1 | tr -s ' ' | cut -d' ' -f2", "1024"),
        (("--network=host",), "readlink /proc/self/ns/net", os.readlink("/proc/self/ns/net")),
        (("--network=none",), "ls /sys/class/net", "lo"),
        (("--systemd=false",), "cat /proc/1/comm", "sh"),
        (("--cgroups=disabled",), "ls /sys/fs/cgroup | wc -l", "0"),
        (("--init",), "cat /proc/1/comm", "podman-init"),
        (("--security-opt=no-new-privileges",), "grep NoNew /proc/self/status", "NoNewPrivs:\t1"),
        (("--device=/dev/zero:/dev/nil",), "stat -c %t:%T /dev/nil", "1:5"),
        (("--oom-score-adj=500",), "cat /proc/self/oom_score_adj", "500"),
        (("--sysctl=kernel.msgmax=9000",), "cat /proc/sys/kernel/msgmax", "9000"),
        (("--privileged",), "mount -t tmpfs x /tmp && echo mounted", "mounted"),
    ],
)
def test_options_of_run_are_kept(
    user: Podman, words: tuple[str, ...], script: str, said: str
) -> None:
    """What podman writes for each into config.json is understood."""
    done = user.run(*user.box("--rm", *words), "sh", "-c", script)

    assert (done.stdout.strip(), done.stderr) == (said.strip(), "")


def test_ids_are_mapped(user: Podman) -> None:
    """In a user namespace; the root has to be its root's, who makes what is missing in it."""
    for path in (user.folder / "rootfs", *(user.folder / "rootfs").rglob("*")):
        os.chown(path, 100_000, 100_000, follow_symlinks=False)

    said = user.do(*user.box("--rm", "--uidmap=0:100000:99"), "cat", "/proc/self/uid_map")

    assert said.split() == ["0", "100000", "99"]


def test_volume_is_shared(user: Podman) -> None:
    """Written inside, seen outside."""
    shared = user.folder / "shared"
    shared.mkdir()
    user.do(*user.box("--rm", f"--volume={shared}:/shared"), "sh", "-c", "echo hi >/shared/f")

    assert (shared / "f").read_text() == "hi\n"


@pytest.mark.parametrize(
    "option", ["--cpu-rt-runtime=1000", "--device-read-bps=/dev/null:1mb"], ids=["rt", "bps"]
)
def test_a_limit_that_cannot_be_kept_is_an_error(user: Podman, option: str) -> None:
    """No realtime was given to the cgroups, and /dev/null is no disk; podman shows the line."""
    done = user.run(*user.box("--rm", option), "true")

    assert done.returncode == 126
    assert "OCI runtime error: ptylaunch: cgroup: " in done.stderr
