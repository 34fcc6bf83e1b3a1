"""create and run with all their options, and what cannot be created."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from account import system_python
from oci_user import Runtime, runtime, users
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


def finish(oci: Runtime, *names: str) -> None:
    for name in names:
        oci.do("delete", "--force", name)


def test_run_in_the_foreground_can_be_seen_and_is_gone_afterwards(oci: Runtime) -> None:
    """Other commands know it while it runs; it exits as its program does."""
    oci.script("cat; exit 9")
    process = oci.popen("run", "c", stdin=subprocess.PIPE)
    wait_until((oci.root / "c/state.json").exists)
    wait_until(lambda: oci.state("c")["status"] == "running")
    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(30) == 9
    assert list(oci.root.iterdir()) == []


def test_run_keeps_what_is_to_be_kept(oci: Runtime) -> None:
    """``--keep`` leaves a stopped container."""
    oci.script("exit 4")
    done = oci.run("run", "--keep", "c")
    status = oci.state("c")["status"]
    finish(oci, "c")

    assert (done.returncode, status) == (4, "stopped")


def test_pid_file_is_there_when_create_returns(oci: Runtime) -> None:
    """With the pid that state tells, and no newline: that is how conmon reads it."""
    oci.do("create", "--pid-file", "here.pid", "c")
    text = (oci.bundle / "here.pid").read_text()
    pid = oci.pid("c")
    finish(oci, "c")

    assert text == str(pid)


def test_preserved_fds_are_handed_on_and_no_others(oci: Runtime, tmp_path: Path) -> None:
    """``--preserve-fds 1`` passes fd 3; the test's other open fds stay outside."""
    oci.script("cat <&3; ls /proc/self/fd | wc -l")
    reading, writing = os.pipe()
    os.write(writing, b"handed\n")
    os.close(writing)
    out = tmp_path / "out"
    with out.open("w") as file:
        # bash gives the fds their numbers: pass_fds keeps those that they have here
        prefix = ("bash", "-c", f'exec 3<&{reading} 9<&{reading}; exec "$@"', "bash")
        words = ("run", "--preserve-fds", "1", "c")
        done = oci.popen(*words, prefix=prefix, stdout=file, pass_fds=[reading])
        os.close(reading)

        assert done.wait(30) == 0
    assert out.read_text() == "handed\n5\n"


def test_number_of_a_preserved_fd_that_is_not_open_stays_free(oci: Runtime) -> None:
    """It would be one of the runtime's own otherwise."""
    oci.script("ls /proc/self/fd | wc -l")

    assert oci.do("run", "--preserve-fds", "20", "c") == "4\n"


def test_sockets_of_systemd_are_handed_on(oci: Runtime) -> None:
    """sd_listen_fds(3) in the box finds them."""
    oci.script("echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd | wc -l")
    reading, writing = os.pipe()
    line = f'exec 3<&{reading}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
    process = oci.popen(
        "run", "c", prefix=("bash", "-c", line, "bash"), pass_fds=[reading], stdout=subprocess.PIPE
    )
    output = process.communicate(timeout=30)[0]
    os.close(reading)
    os.close(writing)

    assert output == "1 1\n5\n"


@pytest.mark.parametrize(
    ("passwd", "home"),
    [
        ("root:x:0:0:root:/wanted:/bin/sh\n", "/wanted"),
        ("other:x:1:1::/x:\nbroken:0\n:::\n", "/"),
        ("root:x:0:0::relative:\n", "/"),
        (None, "/"),
    ],
)
def test_home_is_that_of_the_image(oci: Runtime, passwd: str | None, home: str) -> None:
    """Where the environment names none; a fifo in place of the file holds nobody up."""
    file = oci.bundle / "rootfs/etc/passwd"
    file.unlink()
    if passwd is None:
        os.mkfifo(file, 0o666)
    else:
        file.write_text(passwd)
    oci.script("echo $HOME")

    assert oci.do("run", "c") == home + "\n"


def test_terminal_goes_to_the_console_socket(oci: Runtime) -> None:
    """At create, as conmon expects it; the program has it when it starts."""
    oci.edit("process", "terminal", to=True)
    oci.edit("process", "consoleSize", to={"height": 33, "width": 101})
    oci.script("stty size; exec sleep 1000")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(oci.bundle / "sock"))
        (oci.bundle / "sock").chmod(0o777)
        listener.listen()
        oci.do("create", "--console-socket", "sock", "c")
        listener.settimeout(30)
        connection, _ = listener.accept()
        with connection:
            name, fds, _, _ = socket.recv_fds(connection, 64, 2)
    oci.do("start", "c")
    assert select.select(fds, [], [], 30)[0]
    output = os.read(fds[0], 64)
    finish(oci, "c")
    os.close(fds[0])

    assert (name, len(fds)) == (b"/dev/ptmx", 1)
    assert output == b"33 101\r\n"


def test_console_socket_that_nobody_listens_at_leaves_nothing(oci: Runtime) -> None:
    """The box was built by then."""
    oci.edit("process", "terminal", to=True)
    done = oci.run("create", "--console-socket", "nowhere", "c")

    assert done.returncode == 1
    assert done.stderr == "ptylaunch: console socket: nowhere: No such file or directory\n"
    assert list(oci.root.iterdir()) == []


def test_changes_of_the_bundle_after_create_change_nothing(oci: Runtime, tmp_path: Path) -> None:
    """The runtime spec says so; the container may only be what was created."""
    oci.script("echo first")
    with (tmp_path / "out").open("w") as out:
        oci.do("create", "c", stdout=out)
        pid = oci.pid("c")
        oci.script("echo second")
        oci.do("start", "c")
        wait_for_end(pid)
    finish(oci, "c")

    assert (tmp_path / "out").read_text() == "first\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [(["/no/such"], 127, "No such file"), (["/etc/passwd"], 126, "Permission denied")],
)
def test_program_that_cannot_run_fails_at_create(
    oci: Runtime, args: list[str], code: int, words: str
) -> None:
    """In one line; run exits as docker does, create with 1."""
    oci.edit("process", "args", to=args)
    created, ran = oci.run("create", "c"), oci.run("run", "c")

    assert (created.returncode, ran.returncode) == (1, code)
    assert created.stderr == ran.stderr
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert list(oci.root.iterdir()) == []


def test_box_without_pivot_root_shows_nothing_of_the_host(oci: Runtime) -> None:
    """``--no-pivot`` is for roots that cannot be pivoted; the old one is out of reach."""
    oci.script("test ! -e /root/../etc/shadow && ls /home && cat /proc/self/mountinfo")
    done = oci.run("run", "--no-pivot", "c")
    points = [line.split()[4] for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert points[0] == "/"
    assert not [point for point in points if str(oci.folder) in point]


def test_session_keyring_is_new_unless_it_is_not_wanted(oci: Runtime) -> None:
    """``--no-new-keyring`` stays in the caller's."""
    number = 250 if os.uname().machine == "x86_64" else 219  # keyctl(2): KEYCTL_DESCRIBE of -3
    describe = (
        "import ctypes; text = ctypes.create_string_buffer(200);"
        f"ctypes.CDLL(None).syscall(ctypes.c_long({number}), 6, -3, text, 200); print(text.value)"
    )
    oci.edit("process", "args", to=["/usr/bin/python3", "-c", describe])

    assert ";ptyd" in oci.do("run", "c")
    assert ";ptyd" not in oci.do("run", "--no-new-keyring", "c")


def test_limits_hold_for_a_program_of_another_user(oci: Runtime) -> None:
    """Who creates need not have CAP_SYS_RESOURCE for it."""
    if oci.user == "root":
        oci.edit("process", "user", to={"uid": 1000, "gid": 1000})
    limits = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 65}]
    oci.edit("process", "rlimits", to=limits)
    oci.script("ulimit -Sn; ulimit -Hn")

    assert oci.do("run", "c") == "64\n65\n"


def test_runtime_runs_from_a_sealed_copy_where_its_user_owns_the_interpreter(oci: Runtime) -> None:
    """A box whose root is that user could write to the file otherwise; root's needs none."""
    python = oci.folder / "python"
    shutil.copy(os.path.realpath(system_python()), python)
    os.chown(python, oci.uid, -1)
    code = "import os; from ptylaunch.sealed import seal_self; seal_self()"
    show = "print(os.readlink('/proc/self/exe'))"
    shown = oci.do("list", prefix=(str(python), "-c", f"{code}; {show}"))

    assert shown.startswith("/memfd:ptyd-python") == (oci.uid != 0)


def test_exposed_runtime_creates_all_the_same(oci: Runtime) -> None:
    """It starts again with the same words and the same fds."""
    python = oci.folder / "python"
    shutil.copy(os.path.realpath(system_python()), python)
    os.chown(python, oci.uid, -1)
    oci.script("cat <&3")
    line = f'echo handed | "$0" -m ptylaunch --root {oci.root} run --preserve-fds 1 c 3<&0'
    done = oci.popen(prefix=("sh", "-c", line, str(python)), stdout=subprocess.PIPE)

    assert done.communicate(timeout=30)[0] == "handed\n"
    assert done.returncode == 0
