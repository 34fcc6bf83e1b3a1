"""Cuts a client's connection again and again under load, and holds both directions to the byte."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidMessage

from cutting_proxy import CuttingProxy
from wire_client import INPUT, UNACKED, NoHello, WireClient

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd

LINE = 12
FLOOD = 60
"""Bytes printed for each byte typed: what comes out tells what went in, and is a load."""
PROGRAM = f"""
import os, tty
tty.setraw(0)
os.write(1, b"ready\\n")
rest = b""
while b"end" not in rest:
    rest += os.read(0, 65536)
    whole = len(rest) - len(rest) % {LINE}
    lines, rest = rest[:whole], rest[whole:]
    out = memoryview(b"".join(lines[at:at+{LINE}] * {FLOOD} for at in range(0, whole, {LINE})))
    while out:
        out = out[os.write(1, out):]
"""
MESSAGE = 4096
"""Bytes typed at once."""
AHEAD = 4096
"""Lines that are typed before what they print is seen."""


def typed_line(number: int) -> bytes:
    return b"line %06d\n" % number


def printed(start: int, end: int) -> bytes:
    """Return what the program prints between two offsets of its output."""
    size = LINE * FLOOD
    first, last = max(0, start - 6) // size, max(0, end - 6) // size + 1
    data = b"".join(typed_line(number) * FLOOD for number in range(first, last))
    data = b"ready\n" + data if first == 0 else data
    origin = 6 + first * size if first else 0
    return data[start - origin : end - origin]


def cut_a_client(ptyd: Ptyd, times: int, seed: int) -> None:
    """Cut a client of the wire; fail if a byte is lost, doubled or changed, either way."""
    container = ptyd.start("/usr/bin/python3", "-c", PROGRAM)
    lines: int | None = None
    with CuttingProxy(container.port(), times, seed) as proxy:
        client = container.attach(container.link())
        client.read_until("ready\n")
        checked = check(client, 0)
        client.place = client.place._replace(port=proxy.port)
        client.close()
        client = come_back(client)
        while client.closed != (4000, "exited"):
            if client.closed is not None:
                client = come_back(client, lines)
            if proxy.is_done and lines is None:
                lines = client.position // LINE + 1
            type_on(client, lines)
            client.step(20)
            checked = check(client, checked)
        client.close()

    assert lines is not None
    assert checked == len(b"ready\n") + lines * LINE * FLOOD
    assert len(proxy.cuts) == times
    assert {cut.upwards for cut in proxy.cuts} == {True, False}
    assert client.snapshots == 0


def type_on(client: WireClient, lines: int | None) -> None:
    """Type the next lines, as many as may be on the way, and the end after so many."""
    seen = client.offset // (LINE * FLOOD)
    room = min(UNACKED - (client.position - client.taken), LINE * (seen + AHEAD) - client.position)
    data = typed(client.position, client.position + min(room, MESSAGE), lines)
    if data:
        client.type(data)


def typed(start: int, end: int, lines: int | None) -> bytes:
    """Return what lies between two positions of the input, which ends after so many lines."""
    first, last = start // LINE, end // LINE + 1
    last = last if lines is None else min(last, lines)
    data = b"".join(typed_line(number) for number in range(first, last))
    data += b"end" if last == lines else b""
    return data[start - first * LINE : end - first * LINE] if start < end else b""


def come_back(client: WireClient, lines: int | None = None) -> WireClient:
    """Connect until the connection lives long enough for a hello; send again what may be lost."""
    while True:
        try:
            fresh = client.again()
        except (OSError, InvalidMessage, NoHello):
            continue  # cut in the handshake
        again = typed(client.taken, fresh.position, lines)
        fresh.send(INPUT, struct.pack("!Q", client.taken) + again)
        return fresh


def check(client: WireClient, checked: int) -> int:
    """Hold what came since ``checked`` against what must have come; return how far that is."""
    data = bytes(client.output)
    client.output.clear()
    assert data == printed(client.offset - len(data), client.offset)
    assert client.offset - len(data) == checked
    return client.offset


def cut_ptyc(ptyd: Ptyd, folder: Path, times: int, seed: int) -> None:
    """The same with ptyc from a pipe to a file: what it writes is all that is printed."""
    container = ptyd.start("/usr/bin/python3", "-c", PROGRAM)
    taken = folder / "taken"
    lines = 0
    with CuttingProxy(container.port(), times, seed) as proxy, taken.open("wb") as stdout:
        command = ptyd.command("ptyc", proxy.link(container.link()))
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        while not proxy.is_done:  # as fast as it is taken: at most 64 KiB are on the way
            process.stdin.write(b"".join(typed_line(lines + n) for n in range(100)))
            lines += 100
        _, errors = process.communicate(b"end")
    # Of several cuts in a row, each in the handshake, the user is told; of nothing else.
    news = set(errors.decode().splitlines())

    assert process.returncode == 0
    assert all("reconnecting" in line for line in news), news
    assert taken.read_bytes() == printed(0, len(b"ready\n") + lines * LINE * FLOOD)
    assert len(proxy.cuts) == times
