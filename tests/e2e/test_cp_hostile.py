"""``ptyd cp`` of a container that changes its files meanwhile (CVE-2018-15664, CVE-2019-14271)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Ptyd

# Runs inside: ``x`` is a folder one moment and a link to the canary's folder the next.
SWAP = r"""
import ctypes, os, sys
place, out = sys.argv[1:]
os.makedirs(f"{place}/x"); os.makedirs(f"{place}/y")
open(f"{place}/x/file", "w").write("inside")
os.symlink(out, f"{place}/l")
rename = ctypes.CDLL(None).renameat2
a, b = f"{place}/x".encode(), f"{place}/l".encode()
print("ready", flush=True)
while True:
    rename(-100, a, -100, b, 2)  # RENAME_EXCHANGE
"""
ROUNDS = 15


@pytest.fixture
def canary() -> Iterator[Path]:
    """A folder of the host that the box has a name of, and nothing else."""
    folder = Path("/tmp") / f"ptyd-canary-{os.getpid()}"
    folder.mkdir()
    (folder / "file").write_text("outside")
    yield folder
    (folder / "file").unlink()
    folder.rmdir()


def status(process: Path) -> dict[str, str]:
    """Return the fields of a process (proc_pid_status(5))."""
    lines = (process / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_no_race_of_links_leads_to_the_host(anybody: Ptyd, canary: Path) -> None:
    """Neither what is read nor what is written is ever a file of the host."""
    script = SWAP.replace("sys.argv[1:]", f"'/tmp/race', '{canary}'")
    it = anybody.start("--name", "it", "python3", "-c", script)
    wait_until(lambda: b"ready" in it.journal())
    folder = Path(anybody.root).parent
    note = folder / "note"
    note.write_text("note")
    note.chmod(0o644)
    seen = set()
    for _ in range(ROUNDS):
        read = anybody("cp", "it:/tmp/race/x/file", "-")
        seen.add(read.code)
        assert b"outside" not in read.out
        written = anybody("cp", str(note), "it:/tmp/race/x/file")
        assert written.code in (0, 1)
        whole = anybody("cp", "-L", "it:/tmp/race", "-")
        assert b"outside" not in whole.out
    note.unlink()

    assert seen == {0, 1}, "the race was not on"
    assert (canary / "file").read_text() == "outside"
    assert os.listdir(canary) == ["file"]


def test_who_copies_has_nothing_of_the_host_and_is_not_seen(ptyd: Ptyd) -> None:
    """Its root and ids are the box's, it may work on files alone, and holds nothing else."""
    it = ptyd.start("--name", "it", "sh", "-c", "head -c 9000000 /dev/zero >/tmp/big; exec cat")
    wait_until(lambda: len(ptyd("exec", "it", "cat", "/tmp/big").out) == 9000000)
    with ptyd.background("ptyd", "cp", "it:/tmp/big", "-") as copying:
        assert copying.stdout is not None
        assert copying.stdout.read(512)
        path = Path(f"/proc/{copying.pid}/task/{copying.pid}/children")
        (visitor,) = path.read_text().split()
        base = Path(f"/proc/{visitor}")
        fields = status(base)
        box = Path(f"/proc/{it.pid}")
        for name in ("user", "mnt"):
            assert os.readlink(base / "ns" / name) == os.readlink(box / "ns" / name)
        assert os.readlink(base / "ns/pid") == os.readlink("/proc/self/ns/pid")
        assert (base / "root").stat().st_ino == (box / "root").stat().st_ino
        assert fields["Uid"] == status(box)["Uid"]
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0b11011
        assert fields["NoNewPrivs"] == "1"
        found = {os.readlink(each) for each in (base / "fd").iterdir()}
        assert {each.partition(":")[0] for each in found} <= {
            *("/dev/null", "pipe", "socket", "/", "/tmp/big")
        }
        inside = ptyd("exec", "it", "sh", "-c", "cat /proc/[0-9]*/comm").out
        assert b"ptyd-files" not in inside
        assert b"python" not in inside
        copying.kill()
        wait_for_end(int(visitor))


def test_it_ends_with_a_signal_and_leaves_nothing(ptyd: Ptyd) -> None:
    """A copy that is interrupted: 130, no half of a file, no process."""
    it = ptyd.start("--name", "it", "sleep", "1000")
    with ptyd.background("ptyd", "cp", "-", "it:/tmp") as copying:
        path = Path(f"/proc/{copying.pid}/task/{copying.pid}/children")
        wait_until(lambda: bool(path.read_text()), what="who copies")
        copying.send_signal(2)
        assert copying.wait() == 130

    assert ptyd("exec", "it", "ls", "-A", "/tmp").out == b""
    assert it.state()["status"] == "running"
