"""Promises to be kept a thousand times, by ``make soak``; ``PTYD_SOAK`` is the number."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import leaks
from chaos import Chaos
from connection_cutting import cut_a_client, cut_ptyc
from ptyd_user import Ptyd
from server_killing import kill_under_flood
from veth_link import SERVER, VethLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire_client import WireClient

TIMES = int(os.environ.get("PTYD_SOAK", "1000"))
AT_ONCE = 4

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * TIMES + 60)]


@pytest.fixture
def ptyd(tmp_path: Path) -> Iterator[Ptyd]:
    with leaks.checked(str(tmp_path)):
        ptyd = Ptyd(str(tmp_path / "root"))
        try:
            yield ptyd
        finally:
            ptyd.remove_all()
        assert ptyd.left() == []


def test_kills_under_flood_lose_nothing(ptyd: Ptyd) -> None:
    """The process goes on, the port never refuses, a resuming client and the journal are exact."""
    kill_under_flood(ptyd, TIMES, seed=TIMES)


def test_verbs_among_kills(ptyd: Ptyd, tmp_path: Path) -> None:
    """No traceback, no undefined exit code, nothing that hangs, no lie of ps, nothing left."""
    Chaos(ptyd, tmp_path, seed=TIMES).run(TIMES)


def test_cuts_under_load_lose_nothing(ptyd: Ptyd) -> None:
    """Both directions to the byte, whoever of both is told of the cut, and how."""
    cut_a_client(ptyd, TIMES, seed=TIMES)


def test_cuts_of_ptyc_under_load_lose_nothing(ptyd: Ptyd, tmp_path: Path) -> None:
    """The same from a pipe to a file, a hundred cuts at a time."""
    for seed in range(-(-TIMES // 100)):
        cut_ptyc(ptyd, tmp_path, min(TIMES, 100), seed)


def test_a_peer_whose_link_is_gone_for_good_is_missed(ptyd: Ptyd) -> None:
    """By its heartbeat, within 45 s, its window with it; ptyc says that it has lost the line."""
    with VethLink() as link:
        there = Ptyd(ptyd.root, prefix=link.at_server)
        container = there.start("--listen", f"{SERVER}:0", "sh", "-c", "echo ready; exec cat")
        here = Ptyd(ptyd.root, prefix=link.at_client)
        with (
            container.attach(rows=30, cols=90) as stays,
            here.terminal("ptyc", container.link(), size=(40, 70)) as gone,
        ):
            gone.sees("ready")
            gone.type("x\r")
            gone.sees("x\r\nx")
            stays.wait_until(lambda: sizes(stays)[-1:] == [(40, 70)])
            link.cut()
            cut_at = time.monotonic()
            stays.wait_until(lambda: sizes(stays)[-1] == (30, 90), within=60)
            missed_after = time.monotonic() - cut_at
            stays.wait_until(lambda: people(stays) == 1)
            gone.sees("reconnecting", within=60)
            link.mend()
            stays.wait_until(lambda: people(stays) == 2)
            gone.type("y\r")
            gone.sees("y\r\ny")

    assert missed_after <= 45.5


def sizes(client: WireClient) -> list[tuple[int, int]]:
    return [(e["rows"], e["cols"]) for e in client.events if e["event"] == "resized"]


def people(client: WireClient) -> int:
    return next(int(e["count"]) for e in reversed(client.events) if e["event"] == "clients")


@pytest.mark.parametrize("mode", ["--tty", "--no-tty"])
def test_short_runs_are_exact(ptyd: Ptyd, mode: str) -> None:
    """``printf x; exit 7``: x and 7, every time."""
    words = ["run", "--rm", mode, "sh", "-c", "printf x; exit 7"]
    wrong = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, done in enumerate(pool.map(lambda _: ptyd(*words), range(TIMES))):
            if done != (7, b"x", ""):
                wrong.append((number, done))

    assert wrong == []


@pytest.mark.parametrize("mode", ["--tty", "--no-tty"])
def test_last_outputs_arrive(ptyd: Ptyd, mode: str) -> None:
    """1 byte to 60 KB in one write before the exit."""
    code = "import os; os.write(1, b'x' * {0}); os._exit(5)"
    wrong = []

    def run(number: int) -> tuple[int, int]:
        size = 1 + number * 7919 % 60_000
        done = ptyd("run", "--rm", mode, "/usr/bin/python3", "-c", code.format(size))
        return size, len(done.out) if done.code == 5 else -1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [pair for pair in pool.map(run, range(TIMES)) if pair[0] != pair[1]]

    assert wrong == []
