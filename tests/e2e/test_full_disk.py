"""A disk that fills up: the program waits or history goes, nothing is wrong, and it passes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from layouts import Layout, archive, entry
from ptyd_user import Ptyd
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRINTED = b"".join(b"%d\n" % number for number in range(1, 200_001))
PRINTER = "stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; seq 1 200000; head -c1; exit 5"


class SmallDisk:
    """ptyd on a tmpfs of 4 MiB, in a mount namespace that only it is in."""

    def __init__(self, ptyd: Ptyd) -> None:
        self.ptyd = ptyd
        self._filler = f"{ptyd.seen_at}{ptyd.root}/filler"

    def fill(self, *, but: int = 0) -> None:
        """Leave only ``but`` bytes."""
        with open(self._filler, "wb", buffering=0) as file:
            with pytest.raises(OSError, match="No space left"):  # noqa: PT012 - in one of them
                while True:
                    file.write(bytes(4096))
            file.truncate(file.tell() - but)

    def free(self) -> None:
        os.unlink(self._filler)


@contextmanager
def small_disk(folder: str) -> Iterator[SmallDisk]:
    mount = f"mount -t tmpfs -o size=4m,mode=700 ptyd-test {folder}"
    wait = "echo mounted; exec cat"
    if os.geteuid() == 0:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{mount}; {wait}"]
        enter = ["nsenter", "--mount"]
        inner = []
        env = {}
    else:
        # A user may mount in a user namespace of their own, where they are root; in another one
        # inside it they are themselves again. There newuidmap has no power, so it is hidden.
        command = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]
        command += ["sh", "-c", f"{mount}; {wait}"]
        nsenter, unshare = shutil.which("nsenter"), shutil.which("unshare")
        assert nsenter
        assert unshare
        enter = [nsenter, "--user", "--mount", "--preserve-credentials"]
        inner = [unshare, "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"]
        env = {"PATH": f"{folder}/.."}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"mounted\n"
        enter += ["--target", str(holder.pid), *inner]
        ptyd = Ptyd(folder, prefix=enter, seen_at=f"/proc/{holder.pid}/root", **env)
        disk = SmallDisk(ptyd)
        try:
            yield disk
        finally:
            ptyd.remove_all()
            left = ptyd.left()
            holder.stdin.close()
        assert left == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(str(folder)) as made:
        yield made


def test_a_run_on_a_full_disk_fails_with_one_line(disk: SmallDisk) -> None:
    """125, and nothing is left of it but what was there."""
    disk.ptyd("run", "--rm", "true")
    for room in (0, 4096, 16384, 65536):
        disk.fill(but=room)
        done = disk.ptyd("run", "true")

        assert done.code in (0, 125)
        assert done.code == 0 or len(done.err.splitlines()) == 1, done.err
        disk.free()
        disk.ptyd.remove_all()
        assert disk.ptyd.left() == []


def test_the_program_waits_for_a_full_disk_and_goes_on(disk: SmallDisk) -> None:
    """Clients are told ``full`` and ``ok``; not one byte is lost."""
    container = disk.ptyd.start("sh", "-c", PRINTER)
    with container.attach() as client, container.attach() as other:
        client.read_until("ready\n")
        disk.fill(but=100_000)
        client.type("!")
        told = client.wait_for_event("journal")
        with container.attach() as late:
            late_told = late.wait_for_event("journal")
        disk.free()
        client.wait_until(lambda: {"event": "journal", "state": "ok"} in client.events)
        client.type("!")
        client.read_to_end()
        other.read_to_end()

    assert told == late_told == {"event": "journal", "state": "full"}
    assert client.output == other.output == b"ready\n" + PRINTED + b"!"
    assert client.events[-1]["status"] == 5


def test_a_full_disk_over_a_servers_death(disk: SmallDisk) -> None:
    """The next server finds it full, and waits as well; nothing is lost."""
    container = disk.ptyd.start("sh", "-c", PRINTER)
    client = container.attach()
    client.read_until("ready\n")
    disk.fill(but=100_000)
    client.type("!")
    client.wait_for_event("journal")
    client.wait_until(lambda: client.taken == 1)
    server = container.kill_server()
    client.read_to_end()
    again = client.again()
    disk.free()
    container.wait_for_new_server(server)
    with again:
        again.read_until(b"\n200000\n")
        again.type("!")
        again.read_to_end()

    assert client.output + again.output == b"ready\n" + PRINTED + b"!"
    assert again.events[-1]["status"] == 5


def test_the_end_on_a_full_disk_is_told_when_there_is_room(disk: SmallDisk) -> None:
    """The keeper has the status, the journal gets it later."""
    # More than the rest of a page: a file's last block is there already.
    script = "echo ready; read go; head -c 9000 /dev/zero | tr '\\0' x; echo last; exit 6"
    container = disk.ptyd.start("sh", "-c", script)
    with container.attach() as client:
        client.read_until("ready\r\n")
        disk.fill()
        client.type("\n")
        client.wait_for_event("journal")
        disk.free()
        code, _ = client.read_to_end()

    assert code == 4000
    assert client.output.endswith(b"last\r\n")
    assert client.events[-1]["status"] == 6
    assert container.wait_for_status() == 6


def test_history_goes_before_the_program_waits(disk: SmallDisk) -> None:
    """With whole segments to drop, a program on a full disk runs to its end."""
    container = disk.ptyd.start("--log-max", "1m", "sh", "-c", PRINTER)
    with container.attach(hold=True) as client:
        client.read_until("ready\n")
        disk.fill(but=500_000)
        client.type("!")
        client.wait_until(lambda: client.output.endswith(b"\n200000\n"))
        client.type("!")
        client.read_to_end()

    assert client.events[-1]["status"] == 5
    wait_until(lambda: container.journal().endswith(b"\n200000\n!"))


def test_a_program_is_stopped_on_a_full_disk(disk: SmallDisk) -> None:
    """That it has ended is believed, also where nobody can write it down."""
    container = disk.ptyd.start("sleep", "1000")
    wait_until(lambda: container.state()["status"] == "running")
    disk.fill()
    done = disk.ptyd("stop", container.name)

    assert (done.code, done.err) == (0, "")
    assert not os.path.exists(f"/proc/{container.pid}")
    disk.free()
    wait_until(lambda: container.state()["status"] == "exited")


def test_an_image_that_has_no_room_leaves_nothing(disk: SmallDisk, tmp_path: Path) -> None:
    """One line says why; half a tree takes no room."""
    layout = Layout(tmp_path / "layout")
    layer = archive([entry("large", os.urandom(6 << 20))])
    layout.add(layout.manifest([layer], {"Cmd": ["true"]}))
    done = disk.ptyd("run", f"--image=oci:{tmp_path}/layout")

    assert (done.code, len(done.err.splitlines())) == (125, 1)
    assert "No space left" in done.err
    images = f"{disk.ptyd.seen_at}{disk.ptyd.root}/images"
    assert os.listdir(f"{images}/trees") == os.listdir(f"{images}/unpacking") == []
    assert disk.ptyd.left() == []
