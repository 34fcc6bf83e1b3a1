"""ptyc over a link that is slow, is cut, and comes back."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ptyd_user import Ptyd
from veth_link import SERVER, VethLink
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A line each hundredth of a second: 400 kB in ten seconds, until it is told to end.
PROGRAM = """
import os, select, sys, tty
tty.setraw(0)
number = 0
while not select.select([0], [], [], 0.01)[0]:
    os.write(1, b"".join(b"%07d\\n" % n for n in range(number, number + 50)))
    number += 50
os.write(1, b"%d and %r\\n" % (number, os.read(0, 15)))
"""


@pytest.fixture
def link() -> Iterator[VethLink]:
    with VethLink() as link:
        yield link


@pytest.mark.parametrize("rate", [None, "800kbit"])
def test_a_link_that_is_cut_for_a_while_costs_no_byte(
    ptyd: Ptyd, link: VethLink, tmp_path: Path, rate: str | None
) -> None:
    """What was printed meanwhile follows, what was typed meanwhile arrives."""
    container = Ptyd(ptyd.root, prefix=link.at_server).start(
        "--listen", f"{SERVER}:0", "/usr/bin/python3", "-c", PROGRAM
    )
    if rate is not None:
        link.slow(rate)
    taken = tmp_path / "taken"
    command = [*link.at_client, *ptyd.command("ptyc", container.link())]
    with (
        taken.open("wb") as stdout,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout) as process,
        container.attach(from_="end", rows=30, cols=90) as observer,
    ):
        assert process.stdin is not None
        wait_until(lambda: taken.stat().st_size > 40_000, what="output over the link")
        link.cut()
        start = observer.offset
        observer.wait_until(lambda: observer.offset > start + 100_000, what="output meanwhile")
        behind = taken.stat().st_size
        process.stdin.write(b"typed while cut")
        process.stdin.flush()
        observer.wait_until(lambda: observer.offset > start + 120_000, what="more of it")
        link.mend()
        process.stdin.close()
        status = process.wait(60)
    printed = container.journal()

    assert status == 0
    assert behind < start + 100_000
    assert printed.endswith(b" and b'typed while cut'\n")
    assert taken.read_bytes() == printed
