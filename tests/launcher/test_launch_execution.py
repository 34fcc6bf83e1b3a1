"""exec: a second program in a container, as podman, conmon and people ask for it."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from oci_user import Runtime, runtime, users
from waiting import is_alive, wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """Make a container ``c`` that runs."""
    with runtime(request.param) as made:
        made.script("exec sleep 1000")
        made.do("run", "--detach", "c")
        yield made
        made.do("delete", "--force", "c")


def end(pid: int) -> None:
    """Kill and reap a detached program: it is ours now, and pid 1 does not end before it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def status_of(oci: Runtime, *words: str) -> dict[str, str]:
    text = oci.do("exec", *words, "c", "cat", "/proc/self/status")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def test_program_runs_in_the_container(oci: Runtime) -> None:
    """In its namespaces and its cgroup, with the container's environment and folder."""
    oci_pid = oci.pid("c")
    script = "echo $$ $HOME; readlink /proc/self/ns/pid /proc/1/ns/pid; pwd; cat /proc/self/cgroup"

    own, *namespaces, folder = oci.do("exec", "c", "sh", "-c", script).splitlines()[:4]

    assert own.endswith("/root")
    assert namespaces[0] == namespaces[1] == os.readlink(f"/proc/{oci_pid}/ns/pid")
    assert folder == "/"


def test_status_is_the_programs(oci: Runtime) -> None:
    """And 128 plus the signal that killed it; the container goes on."""
    exited = oci.run("exec", "c", "sh", "-c", "exit 7")
    killed = oci.run("exec", "c", "sh", "-c", "kill -9 $$")

    assert (exited.returncode, exited.stderr) == (7, "")
    assert (killed.returncode, killed.stderr) == (137, "")
    assert oci.state("c")["status"] == "running"


@pytest.mark.parametrize(
    ("command", "status", "line"),
    [
        ("nosuch", 127, "exec: nosuch in PATH: No such file or directory"),
        ("/no/such", 127, "exec: /no/such: No such file or directory"),
        ("/usr", 126, "exec: /usr is a directory: Permission denied"),
        ("/etc/passwd", 126, "exec: /etc/passwd: Permission denied"),
    ],
)
def test_program_that_cannot_run_is_told_in_one_line(
    oci: Runtime, command: str, status: int, line: str
) -> None:
    """With docker's exit codes, detached or not: podman knows them by these words."""
    stays = oci.run("exec", "c", command)
    leaves = oci.run("exec", "--detach", "--pid-file", "pid", "c", command)

    assert (stays.returncode, stays.stderr) == (status, f"ptylaunch: {line}\n")
    assert (leaves.returncode, leaves.stderr) == (status, f"ptylaunch: {line}\n")
    assert not (oci.bundle / "pid").exists()


def test_flags_say_what_differs(oci: Runtime) -> None:
    """--env adds to the container's environment, --cwd replaces its folder."""
    words = ("--env", "A=one two", "-e", "TERM=dumb", "--cwd", "/usr")

    said = oci.do("exec", *words, "c", "sh", "-c", 'echo "$A $TERM $PWD"; echo ${PATH:+path}')

    assert said == "one two dumb /usr\npath\n"


def test_user_is_taken_by_number(oci: Runtime) -> None:
    """The ordinary user's container has but one id, which is all that it can be."""
    wanted = "5:6" if oci.uid == 0 else "0:0"

    said = oci.do("exec", "--user", wanted, "c", "sh", "-c", "echo $(id -u):$(id -g)")

    assert said == wanted + "\n"


def test_user_is_looked_up_by_name_inside(oci: Runtime) -> None:
    """In the container's own /etc/passwd; one that is not there is refused."""
    known = oci.do("exec", "--user", "root", "c", "id", "-u")
    unknown = oci.run("exec", "--user", "nobody-here", "c", "true")
    broken = oci.run("exec", "--user", "1:2:3", "c", "true")

    assert known == "0\n"
    assert unknown.returncode == 125
    assert "nobody-here is not in /etc/passwd of the box" in unknown.stderr
    assert "it looks like USER or USER:GROUP" in broken.stderr


def test_privileges_are_the_containers(oci: Runtime) -> None:
    """The same capabilities, filter and no_new_privs as pid 1, unless more is asked for by name."""
    pid_1 = oci.do("exec", "c", "cat", "/proc/1/status")
    wanted = dict(line.split(":\t", 1) for line in pid_1.splitlines())
    given = status_of(oci)
    more = status_of(oci, "--cap", "CAP_SYS_CHROOT")

    keys = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    assert {key: given[key] for key in keys} == {key: wanted[key] for key in keys}
    assert int(more["CapEff"], 16) == int(given["CapEff"], 16) | 1 << 18
    assert given["CapInh"] == "0" * 16


def test_process_file_says_everything(oci: Runtime) -> None:
    """What it leaves out of the privileges is the container's; a broken one is refused."""
    process = {"args": ["sh", "-c", "pwd; echo $A"], "cwd": "/usr", "env": ["A=b", "PATH=/bin"]}
    (oci.bundle / "p.json").write_text(json.dumps(process))
    (oci.bundle / "broken.json").write_text('{"args": ')
    (oci.bundle / "bad.json").write_text('{"args": ["x"], "cwd": "here"}')

    assert oci.do("exec", "--process", "p.json", "c") == "/usr\nb\n"
    (oci.bundle / "p.json").write_text(
        json.dumps({**process, "args": ["cat", "/proc/self/status"]})
    )
    assert "NoNewPrivs:\t1\n" in oci.do("exec", "-p", "p.json", "c")
    for name, words in (
        ("broken.json", "Expecting value"),
        ("bad.json", "process.cwd"),
        ("none", "N"),
    ):
        done = oci.run("exec", "--process", name, "c")
        assert done.returncode in (1, 125)
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_detached_program_is_left_running(oci: Runtime) -> None:
    """Its pid is in the file, and ps knows it."""
    oci.do("exec", "--detach", "--pid-file", "pid", "c", "sleep", "1000")
    pid = int((oci.bundle / "pid").read_text())

    assert is_alive(pid)
    assert str(pid) in oci.do("ps", "--format", "json", "c")
    end(pid)


def test_terminal_goes_to_the_console_socket(oci: Runtime) -> None:
    """As conmon has it: one message, with the terminal's one fd."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(oci.bundle / "sock"))
        (oci.bundle / "sock").chmod(0o777)
        listener.listen()
        words = ("--tty", "--console-socket", "sock", "--detach", "--pid-file", "pid")
        oci.do("exec", *words, "c", "sh", "-c", "tty; exec sleep 1000")
        listener.settimeout(30)
        connection, _ = listener.accept()
        with connection:
            _, (pty_fd,), _, _ = socket.recv_fds(connection, 64, 4)
    with open(pty_fd, "rb", buffering=0) as terminal:
        assert terminal.read(64) == b"/dev/pts/0\r\n"
    end(int((oci.bundle / "pid").read_text()))


def test_detached_terminal_wants_a_console_socket(oci: Runtime) -> None:
    """Nobody would hold it; and a socket wants a terminal."""
    without = oci.run("exec", "--tty", "--detach", "c", "sleep", "1000")
    useless = oci.run("exec", "--console-socket", "sock", "c", "true")

    assert without.stderr == (
        "ptylaunch: spec: process.terminal is true: --console-socket is needed\n"
    )
    assert useless.stderr == "ptylaunch: spec: --console-socket wants process.terminal\n"
    pids = json.loads(oci.do("ps", "--format", "json", "c"))
    assert len(pids) == 1


def test_preserved_fds_are_handed_on_and_no_others(oci: Runtime) -> None:
    """``--preserve-fds 1`` passes fd 3; the test's other open fds stay outside."""
    reading, writing = os.pipe()
    os.write(writing, b"handed\n")
    os.close(writing)
    prefix = ("bash", "-c", f'exec 3<&{reading} 9<&{reading}; exec "$@"', "bash")
    script = "cat <&3; ls /proc/self/fd | wc -l"
    words = ("exec", "--preserve-fds", "1", "c", "sh", "-c", script)

    done = oci.run(*words, prefix=prefix, pass_fds=[reading])
    os.close(reading)

    assert (done.returncode, done.stdout) == (0, "handed\n5\n")


def test_signals_are_passed_on(oci: Runtime) -> None:
    """A foreground exec stands for its program."""
    script = "trap 'exit 9' TERM; touch /dev/shm/ready; while :; do sleep 0.01; done"
    process = oci.popen("exec", "c", "sh", "-c", script)
    wait_until(lambda: oci.run("exec", "c", "test", "-e", "/dev/shm/ready").returncode == 0)
    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 9


@pytest.mark.parametrize("flag", ["--apparmor", "--process-label", "--cgroup"])
def test_what_is_not_supported_is_refused_by_name(oci: Runtime, flag: str) -> None:
    """Never passed over."""
    done = oci.run("exec", flag, "x", "c", "true")

    assert (done.returncode, done.stderr) == (1, f"ptylaunch: {flag} is not supported\n")


def test_only_a_live_container_is_joined(oci: Runtime) -> None:
    """Not one that has ended, nor one that does not exist."""
    pid = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(pid)
    ended = oci.run("exec", "c", "true")
    missing = oci.run("exec", "d", "true")

    assert ended.stderr == "ptylaunch: container c is stopped: exec wants a running one\n"
    assert missing.stderr == "ptylaunch: container d does not exist\n"
