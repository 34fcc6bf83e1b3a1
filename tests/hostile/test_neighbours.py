"""Who shares something with a box: a volume, a mount, a terminal, and whoever enters it later."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from confrontation import PYTHON
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ptyd_user import Ptyd

ROUNDS = 6
_EXCHANGE = 2  # RENAME_EXCHANGE, rename(2)
_AT_FDCWD = -100


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may write to."""
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        for part in ("", "volume", "outside"):
            Path(name, part).mkdir(exist_ok=True)
            Path(name, part).chmod(0o777)
        yield Path(name)


@contextlib.contextmanager
def swapped(one: Path, other: Path) -> Iterator[None]:
    """Exchange two names all the time."""
    libc = ctypes.CDLL(None, use_errno=True)
    over = threading.Event()
    names = (os.fsencode(one), os.fsencode(other))

    def swap() -> None:
        while not over.is_set():
            libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def leads_out(shared: Path, make: Callable[[Path], object]) -> bool:
    """Tell whether ``make`` puts something outside while a folder becomes a link and back."""
    one, other = shared / "volume/a", shared / "volume/b"
    one.mkdir(exist_ok=True)
    one.chmod(0o777)
    if not other.is_symlink():
        other.symlink_to(shared / "outside")
    with swapped(one, other):
        make(one)
    return bool(os.listdir(shared / "outside"))


def test_a_race_for_a_mount_point_is_lost(ptyd: Ptyd, shared: Path) -> None:
    """10: the folder that a volume is mounted in is another's to swap, CVE-2021-30465."""
    words = ("--network=none", f"-v={shared}/volume:/vol", "--tmpfs=/vol/a/made")

    def start_boxes(_: Path) -> None:
        for _ in range(ROUNDS):
            done = ptyd("run", "--rm", *words, "true")
            assert done.code in (0, 125), done
            assert done.err.count("\n") == (done.code == 125)

    assert not leads_out(shared, start_boxes)
    assert str(shared) not in Path("/proc/self/mountinfo").read_text()


def test_a_race_for_a_folder_is_won_by_path(shared: Path) -> None:
    """The baseline: who makes the same folder by its path makes it outside."""

    def make_folders(place: Path) -> None:
        def is_outside() -> bool:
            with contextlib.suppress(OSError):
                (place / "made").mkdir()
            return (shared / "outside/made").exists()

        wait_until(is_outside)

    assert leads_out(shared, make_folders)


@pytest.mark.parametrize("kind", ["shared"] if os.geteuid() == 0 else [])
def test_mounts_of_the_host_do_not_follow_a_box(ptyd: Ptyd, shared: Path, kind: str) -> None:
    """12: nor those of a box the host; in a namespace that is only a slave they would."""
    volume = shared / "volume"
    (volume / "sub").mkdir()
    script = "read line; ls $0/sub"
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    try:
        subprocess.run(["mount", f"--make-{kind}", volume], check=True)
        box = ptyd.start("--network=none", f"-v={volume}:/vol", "sleep", "infinity")
        with subprocess.Popen(
            ["unshare", "-m", "--propagation=slave", "sh", "-c", f"echo; {script}", volume],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as naive:
            assert naive.stdout is not None
            naive.stdout.readline()
            subprocess.run(["mount", "-t", "tmpfs", "none", volume / "sub"], check=True)
            try:
                (volume / "sub/new").touch()
                seen = naive.communicate(b"\n")[0]
                inside = ptyd("exec", box.name, "ls", "/vol/sub")
            finally:
                subprocess.run(["umount", volume / "sub"], check=True)
        box.remove()
    finally:
        subprocess.run(["umount", volume], check=True)

    assert seen == b"new\n"
    assert inside == (0, b"", "")


def test_a_terminal_is_its_users(ptyd: Ptyd) -> None:
    """17: another user of the box neither reads nor writes it; its own may."""
    box = ptyd.start("--network=none", "sleep", "infinity")
    touch = "for t in /dev/pts/[0-9]*; do (: <$t) && echo read; (: >$t) && echo wrote; done; true"
    with ptyd.terminal("ptyd", "exec", "-it", "-w/", "-u1000:1000", box.name, "cat") as user:
        user.type("here\r")
        user.sees("here\r\nhere")
        other = ptyd("exec", "-w/", "-u1001:1001", box.name, "sh", "-c", touch)
        own = ptyd("exec", "-w/", "-u1000:1000", box.name, "sh", "-c", touch)
        user.type("\x04")
        user.finish()
    box.remove()

    assert (other.code, other.out) == (0, b"")
    assert own.out == b"read\nwrote\n"


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_habits_of_the_caller_stay_outside(ptyd: Ptyd, verb: str) -> None:
    """41: signals that it ignores, its umask; Python's own habit is to ignore SIGPIPE."""
    words = ["sh", "-c", "umask; exec cat /proc/self/status"]
    habits = ["sh", "-c", "trap '' HUP INT QUIT PIPE USR1; umask 077; exec \"$@\"", "sh"]
    if verb == "run":
        command = ptyd.command("ptyd", "run", "--rm", "--no-tty", "--network=none", *words)
    else:
        box = ptyd.start("--network=none", "sleep", "infinity")
        command = ptyd.command("ptyd", "exec", box.name, *words)
    done = subprocess.run([*habits, *command], env=ptyd.env, capture_output=True, check=True)
    naive = subprocess.run([*habits, *words], capture_output=True, check=True)
    ptyd.remove_all()
    umask, _, status = done.stdout.decode().partition("\n")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert umask == "0022"
    assert {int(fields[name], 16) for name in ("SigIgn", "SigBlk", "SigCgt")} == {0}
    assert naive.stdout.startswith(b"0077\n")
    assert b"SigIgn:\t0000000000000000" not in naive.stdout


TRAPS = """
import os
for name in ("ptmx", "console", "null", "tty", "zero", "full", "random", "urandom"):
    try:
        os.unlink(f"/dev/{name}")
    except OSError:
        continue  # a mount point, which stays
    (os.mkfifo if name in ("ptmx", "null") else lambda path: os.symlink("/proc/1/mem", path))(
        f"/dev/{name}"
    )
print("ready", flush=True)
import signal
signal.pause()
"""


def test_devices_that_a_box_has_replaced_trap_nobody(ptyd: Ptyd) -> None:
    """18: who enters later gets a terminal of the box all the same, or a line, and soon."""
    box = ptyd.start("--no-tty", "--network=none", PYTHON, "-c", TRAPS)
    wait_until(lambda: b"ready" in box.journal())
    with ptyd.terminal("ptyd", "exec", "-it", box.name, "sh", "-c", "tty; echo done") as user:
        user.sees("/dev/pts/0\r\ndone")

        assert user.finish() == 0
    assert ptyd("exec", box.name, "echo", "piped") == (0, b"piped\n", "")
    box.remove()
