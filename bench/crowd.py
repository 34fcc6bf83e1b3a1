"""What many viewers cost: the echo of the one who types, the loop's time, the server's memory."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import memory
from box import MOUNTED, Box
from program import BINARIES, PATIENCE, BenchError, Drain
from throughput import FROM_THE_START, READY
from viewer import Viewer

from ptywire.link import parse_link

if TYPE_CHECKING:
    from collections.abc import Iterator

LIKE_A_PAGE = {"role": "view"}
"""The attach of a browser that only watches: the screen first."""
FROM_NOW = {"role": "view", "from": "end"}
WATCHED = 4
"""Seconds that an event loop is watched."""
KEYS, KEY_MS = 60, 50
SETTLED = 1.5
"""Seconds in which all have been told who is here: a second after the last who came."""


class Crowd:
    """Interactive viewers in a process of their own, attached once this is made."""

    def __init__(
        self, box: Box, count: int, wish: dict[str, Any] = FROM_NOW, *, stalled: bool = False
    ) -> None:
        options = ["-s"] if stalled else []
        # Behind "--": a token may begin with "-".
        where = str(box.port("ptyd.v1")), parse_link(box.link).token
        self._process = subprocess.Popen(
            [BINARIES / "crowd", *options, "--", "127.0.0.1", *where, str(count), json.dumps(wish)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise BenchError("the crowd could not attach")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def leave(self) -> int:
        """End it; return the bytes that it was sent. BenchError when somebody was sent away."""
        output, _ = self._process.communicate("\n", timeout=PATIENCE)
        result: dict[str, int] = json.loads(output)
        if result["closed"]:
            raise BenchError(f"{result['closed']} of the crowd were sent away")
        return result["bytes"]


@contextmanager
def ready_box(then: str) -> Iterator[tuple[Box, Viewer]]:
    """A box that runs ``then`` in raw mode, at the first key; and who may type it."""
    script = f"stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; {then}"
    with Box(["sh", "-c", script]) as box, Viewer(box.link, FROM_THE_START) as controller:
        if not controller.read_until(READY, seconds=PATIENCE):
            raise BenchError("the box did not get ready")
        yield box, controller


def flood(
    *,
    readers: int,
    size: int,
    stalled: int = 0,
    wish: dict[str, Any] = FROM_NOW,
    visit: bool = False,
) -> float:
    """Return the seconds in which ``size`` bytes reached lossless readers, all verified.

    ``stalled`` viewers more never read. ``visit``: somebody came before and left, so that a screen
    runs and nobody looks at it.
    """
    with ExitStack() as stack:
        box, controller = stack.enter_context(ready_box(f"exec {MOUNTED}/flood {size}"))
        if stalled:
            stack.enter_context(Crowd(box, stalled, wish, stalled=True))
        if visit:
            with Viewer(box.link) as visitor:
                visitor.await_snapshot()
        token = parse_link(box.link).token
        port = box.port("ptyd.v1")
        drain = stack.enter_context(Drain(port=port, viewers=readers, size=size, token=token))
        drain.await_ready()
        controller.type(b"\r")
        controller.read_until(b"\x02", seconds=PATIENCE)
        controller.close()
        return drain.result().seconds


def echo(viewers: int) -> list[float]:
    """Return the seconds of each key's echo for one who types beside ``viewers`` who watch."""
    with ExitStack() as stack:
        box, controller = stack.enter_context(ready_box("exec cat"))
        controller.type(b"\r")
        controller.close()
        if viewers:
            stack.enter_context(Crowd(box, viewers))
            # Everybody is told who came; that is over before the first key.
            time.sleep(SETTLED)
        where = ["127.0.0.1", str(box.port("ptyd.v1")), parse_link(box.link).token]
        printed = _run("typist", *where, str(KEYS), str(KEY_MS))
        return [value / 1000 for value in printed][2:]  # the first find caches cold


def loop_held(viewers: int) -> tuple[list[float], list[float]]:
    """Return the seconds that pings waited under a flood to ``viewers``: all, and not the kernel's.

    See pinger.c.
    """
    with ready_box(f"exec {MOUNTED}/flood {1 << 40}") as (box, controller), Crowd(box, viewers):
        time.sleep(SETTLED)
        controller.type(b"\r")
        controller.read_until(b"\x02", seconds=PATIENCE)
        controller.close()
        where = ["127.0.0.1", str(box.port("ptyd.v1")), parse_link(box.link).token]
        printed = _run("pinger", *where, str(box.pid("ServerPid")), str(WATCHED))
        return [v / 1000 for v in printed["raw"]], [v / 1000 for v in printed["net"]]


def idle_memory(viewers: int) -> float:
    """Return the bytes of the server for each of ``viewers`` at a screen where nothing happens."""
    with Box(["cat"]) as box:
        pid = box.pid("ServerPid")
        with Viewer(box.link) as first:
            first.await_snapshot()
        before = memory.pss(pid)
        with Crowd(box, viewers, LIKE_A_PAGE):
            time.sleep(SETTLED)
            return (memory.pss(pid) - before) / viewers


def stalled_memory(viewers: int, size: int) -> float:
    """Return the most bytes of the server, in a flood, for each of ``viewers`` that never read."""
    return (_flood_memory(viewers, size) - _flood_memory(0, size)) / viewers


def _flood_memory(stalled: int, size: int) -> int:
    """Return by how much the server grows in a flood to one reader, and some that are stalled."""
    with ExitStack() as stack:
        # The server is still measured when the last byte has come.
        script = f"{MOUNTED}/flood {size}; exec cat"
        box, controller = stack.enter_context(ready_box(script))
        pid = box.pid("ServerPid")
        with Viewer(box.link) as first:
            first.await_snapshot()
        before = memory.pss(pid)
        if stalled:
            stack.enter_context(Crowd(box, stalled, LIKE_A_PAGE, stalled=True))
        where = {"port": box.port("ptyd.v1"), "token": parse_link(box.link).token}
        drain = stack.enter_context(Drain(viewers=1, size=size, **where))
        drain.await_ready()
        controller.type(b"\r")
        most = 0
        controller.read_until(b"\x02", seconds=PATIENCE)
        controller.close()
        while not drain.is_done(within=0.1):
            most = max(most, memory.pss(pid))
        drain.result()
        return max(most, memory.pss(pid)) - before


def _run(program: str, *arguments: str) -> Any:
    done = subprocess.run(
        [BINARIES / program, *arguments], check=False, stdout=subprocess.PIPE, timeout=PATIENCE
    )
    if done.returncode != 0:
        raise BenchError(f"{program}: status {done.returncode}")
    return json.loads(done.stdout)
