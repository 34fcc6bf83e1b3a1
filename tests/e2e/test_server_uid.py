"""A server started by root is nobody who matters, and does all its work as that."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptykeep import landlock
from ptykeep.state import RANGE_FIRST
from waiting import wait_until
from wire_client import Place, Refusal, WireClient

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd


def identity(pid: int) -> dict[str, str]:
    """Return what /proc/PID/status says of ids and privileges (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def screen_pid(container: Container) -> int:
    with container.attach(lossless=False, from_="snapshot") as viewer:
        viewer.wait_until(lambda: viewer.snapshots == 1)
    keeper = container.keeper_pid
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    (pid,) = (p for p in children if b"/screen/" in Path(f"/proc/{p}/cmdline").read_bytes())
    return int(pid)


@pytest.mark.parametrize("whose", ["server", "screen"])
def test_it_has_a_user_of_its_own_and_no_privileges(ptyd: Ptyd, whose: str) -> None:
    """One outside of every container's range; not even the right to read is left.

    An ordinary user's has no other user to be.
    """
    container = ptyd.start("cat")
    other = ptyd.start("cat")
    pids = [
        one.server_pid() if whose == "server" else screen_pid(one) for one in (container, other)
    ]
    for pid in pids:
        wait_until(lambda pid=pid: identity(pid)["CapPrm"] == "0" * 16, what="no capabilities")
    seen = [identity(pid) for pid in pids]
    uids = [each["Uid"].split() for each in seen]

    if os.geteuid() == 0:
        assert all(int(uid) > RANGE_FIRST for each in uids for uid in each)
        assert uids[0] != uids[1]
    for each in seen:
        assert each["NoNewPrivs"] == "1"
        assert {each[key] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        if os.geteuid() == 0:
            assert each["Gid"].split() == each["Uid"].split()
            assert (each["Groups"], each["CapBnd"]) == ("", "0" * 16)


def test_links_are_minted_and_withdrawn_while_it_runs(ptyd: Ptyd) -> None:
    """It reads what the owner writes, and only that."""
    container = ptyd.start("sh", "-c", "echo here; cat")
    link = ptyd("share", container.name, "--control").out.decode().split()[-1]
    with WireClient(Place.of_link(link)) as client:
        client.attach(**{"from": "start"})
        client.read_until("here")
        folder = Path(container.described["Paths"]["Directory"])
        shared = {path.name for path in folder.iterdir() if path.stat().st_mode & 0o077}
        assert shared <= {"tokens.json"}
        assert ptyd("share", "--revoke", container.name).code == 0
        assert client.read_to_end(30)[0] == 4003


def test_it_reads_nothing_but_its_container(ptyd: Ptyd) -> None:
    """Where the kernel has Landlock a server that was taken over still has no other file.

    Tokens that lie elsewhere are not read, though everybody may read them there.
    """
    container = ptyd.start("cat")
    link = container.link()
    with container.attach(link):
        pass
    tokens = Path(container.described["Paths"]["Directory"]) / "tokens.json"
    with tempfile.TemporaryDirectory(prefix="ptyd-tokens-") as folder:
        elsewhere = Path(folder, "tokens.json")
        elsewhere.write_bytes(tokens.read_bytes())
        Path(folder).chmod(0o755)
        elsewhere.chmod(0o644)
        tokens.unlink()
        tokens.symlink_to(elsewhere)
        try:
            with WireClient(Place.of_link(link)):
                opened = True
        except Refusal:
            opened = False

    assert opened == (landlock.version() == 0)
