"""``ptyd run --runtime runc``: the same container, its box in the hands of another OCI runtime."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from cgroups import stale
from ptycli.engine import find_runtime
from ptyd_user import PROGRAMS
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Container, Ptyd

RUNC = ("--runtime", "runc")
WAITING = (*RUNC, "sh", "-c", "echo up; exec sleep infinity")
REFUSES = """#!/bin/sh
while [ $# -gt 0 ]; do
    [ "$1" = --log ] && log=$2
    shift
done
echo '{"level":"error","msg":"cgroups in hybrid mode not supported"}' > "$log"
exit 1
"""
"""What crun does here: it is not installed on every host, and does not run on this one."""


def runtime_folders(container: Container) -> list[str]:
    """Return the containers that the runtime knows of."""
    root = f"{os.path.dirname(container.described['Paths']['State'])}/runtime/root"
    return os.listdir(root) if os.path.isdir(root) else []


def test_status_and_streams_are_the_programs(anybody: Ptyd) -> None:
    """Output, errors, input and exit code, three pipes; nothing is left of it."""
    script = "cat; echo err >&2; exit 7"
    done = anybody("run", "--rm", "--network", "none", *RUNC, "sh", "-c", script, stdin=b"in\n")

    assert done == (7, b"in\n", "err\n")
    assert anybody.left() == []


def test_what_cannot_be_executed_is_one_line_with_dockers_code(anybody: Ptyd) -> None:
    """127 and 126 as with the native engine, and no container stays."""
    for words, code in ((["no-such"], 127), (["/etc/passwd"], 126)):
        done = anybody("run", "--network", "none", *RUNC, *words)

        assert (done.code, len(done.err.splitlines())) == (code, 1)
        assert "runc" in done.err
    assert anybody.left() == []


def test_a_terminal_is_resized_left_and_taken_up_again(anybody: Ptyd) -> None:
    """A person's way, on a terminal that runc has opened and sent."""
    words = ("run", "--name", "day", "--network", "none", *RUNC, "bash", "--norc")
    with anybody.terminal("ptyd", *words) as user:
        user.sees("# ")
        user.type("echo $(id -u) $(stty size)\r")
        user.sees("0 24 80\r\n")
        user.type("\x10\x11")

        assert user.finish() == 0
    with anybody.terminal("ptyc", "day", size=(30, 100)) as user:
        user.sees("0 24 80")
        user.type("stty size\r")
        user.sees("30 100")
        user.type("exit 4\r")

        assert user.finish() == 4


def test_exec_runs_a_second_program(anybody: Ptyd) -> None:
    """On pipes as another user, on a terminal, and with the codes of what cannot be run."""
    container = anybody.start("--network", "none", *WAITING)
    script = "cat; echo $HOME >&2; id -un; exit 3"
    pipes = anybody("exec", "-u", "nobody", container.name, "sh", "-c", script, stdin=b"in\n")
    missing = anybody("exec", container.name, "no-such")
    with anybody.terminal("ptyd", "exec", "-it", container.name, "sh", size=(30, 90)) as user:
        user.type("stty size; exit 5\r")
        user.sees("30 90\r\n")

        assert user.finish() == 5
    assert pipes == (3, b"in\nnobody\n", "/nonexistent\n")
    assert (missing.code, len(missing.err.splitlines())) == (127, 1)


def test_stop_and_signals_reach_the_program(anybody: Ptyd) -> None:
    """It is pid 1 and has a handler; without one SIGKILL ends it, as under any runtime."""
    script = "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done"
    container = anybody.start("--no-tty", "--network", "none", *RUNC, "sh", "-c", script)
    wait_until(lambda: b"up" in container.journal())
    stopped = anybody("stop", container.name)

    assert stopped.code == 0
    assert container.wait_for_status() == 6
    assert runtime_folders(container) == []


def test_a_killed_server_is_replaced_and_nothing_is_lost(anybody: Ptyd) -> None:
    """The program goes on, the client resumes, byte-exact."""
    script = "stty raw -echo; while read go; do seq 1 5000; done"
    container = anybody.start("--network", "none", *RUNC, "sh", "-c", script)
    program = container.pid
    printed = b"".join(b"%d\n" % number for number in range(1, 5001))
    client = container.attach(container.link())
    client.type("\n")
    client.wait_until(lambda: len(client.output) == len(printed))
    container.replace_server()
    client.close()
    client = container.attach(container.link())
    client.wait_until(lambda: len(client.output) == len(printed))

    assert client.output == printed
    assert container.pid == program
    client.close()


@pytest.mark.parametrize("words", [("ps",), ("rm", "-f")], ids=" ".join)
def test_a_killed_keepers_container_is_deleted(anybody: Ptyd, words: tuple[str, ...]) -> None:
    """The program dies with its keeper; what runc keeps of it goes with the next ps or rm."""
    container = anybody.start("--network", "none", *WAITING)
    program = container.pid
    os.kill(container.keeper_pid, signal.SIGKILL)
    wait_for_end(program)
    done = anybody(*words, *([container.id] if words[0] == "rm" else []))

    assert done.code == 0
    assert runtime_folders(container) == []


def test_what_is_held_dies_with_its_keeper(ptyd: Ptyd) -> None:
    """A signal does not end what the freezer of cgroups (version 1) holds."""
    container = ptyd.start("--network", "none", *WAITING)
    folder = container.state()["runtime"]["folder"]
    name = container.state()["runtime"]["id"]
    subprocess.run([find_runtime("runc"), "--root", f"{folder}/root", "pause", name], check=True)
    program = container.pid
    os.kill(container.keeper_pid, signal.SIGKILL)
    wait_for_end(program)

    assert ptyd("ps").code == 0
    assert runtime_folders(container) == []


def test_a_limit_is_runcs_to_keep(ptyd: Ptyd) -> None:
    """Of memory and of processes; who was killed for memory is told so; no cgroup stays."""
    script = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $x | wc -c"
    container = ptyd.start("--memory", "64m", "--no-tty", *RUNC, "sh", "-c", script)
    status = container.wait_for_status()
    many = "n=0; while [ $n -lt 40 ]; do sleep 60 & n=$((n+1)); done"  # runc's own threads count
    done = ptyd("run", "--rm", "--pids-limit", "20", *RUNC, "sh", "-c", many)

    assert status == 137
    assert container.state()["oom_killed"]
    assert "fork" in done.err.lower()
    assert [each for each in stale() if container.id in each] == []


def test_a_box_of_runc_reaches_the_world_and_not_the_host(ptyd: Ptyd) -> None:
    """By the same helper and behind the same wall."""
    script = "cat /proc/net/route | wc -l; cat /sys/class/net/*/address | sort | head -1"
    private = ptyd("run", "--rm", "--network", "private", *RUNC, "sh", "-c", script)
    none = ptyd("run", "--rm", "--network", "none", *RUNC, "sh", "-c", script)

    assert int(private.out.split()[0]) > 1
    assert none.out.split() == [b"1", b"00:00:00:00:00:00"]


def test_our_own_launcher_serves_as_a_runtime_too(ptyd: Ptyd) -> None:
    """By its command line, as podman uses it: streams, a second program, a terminal, the codes."""
    launcher = ("--network", "none", "--runtime", str(PROGRAMS / "ptylaunch"))
    container = ptyd.start(*launcher, "sh", "-c", "exec sleep infinity")
    second = ptyd("exec", container.name, "sh", "-c", "cat; exit 3", stdin=b"in\n")
    with ptyd.terminal("ptyd", "run", "--rm", *launcher, "sh", "-c", "tty; exit 4") as user:
        user.sees("/dev/pts/0\r\n")

        assert user.finish() == 4
    missing = ptyd("run", *launcher, "no-such")

    assert second == (3, b"in\n", "")
    assert (missing.code, len(missing.err.splitlines())) == (127, 1)


def test_volumes_of_root_want_a_runtime_that_maps_ids(ptyd: Ptyd, tmp_path: Path) -> None:
    """As runc does from 1.2 on; ours says so, too. Root's files are then the box's root's."""
    (tmp_path / "file").write_text("")
    launcher = ("--network", "none", "--runtime", str(PROGRAMS / "ptylaunch"))
    script = "touch /mnt/new; stat -c %u /mnt/file"
    done = ptyd("run", "--rm", *launcher, "-v", f"{tmp_path}:/mnt", "sh", "-c", script)

    assert done == (0, b"0\n", "")
    assert (tmp_path / "new").stat().st_uid == 0


def test_what_a_runtime_cannot_do_is_refused_by_name(ptyd: Ptyd, tmp_path: Path) -> None:
    """One line, exit 125, nothing left."""
    refuses = tmp_path / "crun"
    refuses.write_text(REFUSES)
    refuses.chmod(0o755)
    for words, said in (
        (["--runtime", "no-such-runtime"], "--runtime no-such-runtime: it is not installed"),
        (["--runtime", "/etc/passwd"], "--runtime /etc/passwd: it is not installed"),
        ([*RUNC, "--rootfs", "/srv"], "--runtime runc: --rootfs wants the native engine"),
        ([*RUNC, "--init"], "--runtime runc: --init wants the native engine"),
        ([*RUNC, "-v", f"{tmp_path}:/mnt"], "runc: mount /mnt: it cannot map ids of mounts"),
        (["--runtime", str(refuses)], "crun: cgroups in hybrid mode not supported"),
        (["--runtime", shutil.which("false") or ""], "false: it failed and did not say why"),
    ):
        done = ptyd("run", *words, "true")

        assert (done.code, len(done.err.splitlines())) == (125, 1)
        assert said in done.err
    assert ptyd.left() == []


def test_what_an_ordinary_user_cannot_have_is_refused_by_name(theirs: Ptyd) -> None:
    """Limits and a network of its own want the native engine."""
    for words in (["--network", "private"], ["-p", "8080:80"], ["--memory", "64m"]):
        done = theirs("run", *RUNC, *words, "true")

        assert (done.code, len(done.err.splitlines())) == (125, 1)
        assert "the native engine, or root" in done.err
    assert theirs.left() == []
