"""How fast a flood reaches every viewer, held against the ceiling and against itself."""

from __future__ import annotations

import os

from box import MOUNTED, Box
from program import PATIENCE, BenchError, Drain, run_ceiling
from viewer import Viewer

from ptywire.link import parse_link

READY = b"ready\n"
# Lossless, or a snapshot could take the place of the words that are waited for.
FROM_THE_START = {"from": "start", "lossless": True}


def run_box(*, dialect: str, viewers: int, size: int, stalled: int = 0) -> float:
    """Return the seconds in which ``size`` bytes reached each viewer of a new box, all verified."""
    # Raw mode first, then the word, then the wait for one key: so nobody types into echo, and the
    # flood starts only when every viewer is attached.
    script = f"stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; exec {MOUNTED}/flood {size}"
    with Box(["sh", "-c", script]) as box, Viewer(box.link, FROM_THE_START) as controller:
        if not controller.read_until(READY, seconds=PATIENCE):
            raise BenchError("the box did not get ready")
        token = parse_link(box.link).token if dialect == "ptyd.v1" else None
        with Drain(
            port=box.port(dialect),
            viewers=viewers,
            stalled=stalled,
            size=size,
            token=token,
            await_bytes=dialect == "raw",
        ) as drain:
            drain.await_ready()
            controller.type(b"\r")
            # The controller is not one of the viewers: it leaves once its key had its effect.
            controller.read_until(b"\x02", seconds=PATIENCE)
            controller.close()
            return drain.result().seconds


def ceiling(*, viewers: int, size: int) -> float:
    return run_ceiling(viewers=viewers, size=size).seconds


def ceiling_with_journal(*, viewers: int, size: int) -> float:
    path = f"{os.environ['PTYD_ROOT']}/ceiling.journal"
    try:
        return run_ceiling(viewers=viewers, size=size, journal=path).seconds
    finally:
        os.unlink(path)
