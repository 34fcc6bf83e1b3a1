"""How long somebody who comes waits for the screen, and how large that is."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Self

from box import MOUNTED, Box
from crowd import ready_box
from program import PATIENCE, BenchError
from viewer import Viewer

if TYPE_CHECKING:
    from pathlib import Path

FULL = 80 << 20
"""Bytes printed: more than the 64 MiB that a journal holds."""
WORD = b"painted"


def join(box: Box) -> float:
    """Return the seconds from connect to the whole snapshot."""
    started = time.perf_counter()
    with Viewer(box.link) as viewer:
        viewer.await_snapshot()
        return time.perf_counter() - started


def join_empty() -> float:
    """Return those of a session that has printed nothing, with a screen that runs."""
    with Box(["cat"]) as box:
        join(box)
        return join(box)


class FullBox:
    """A box whose journal is full of coloured text, printed before somebody's eyes or nobody's."""

    def __init__(self, *, watched: bool) -> None:
        paint = f"{MOUNTED}/paint {FULL}; printf 'pain'; printf 'ted'; exec cat"
        self._context = ready_box(paint)
        self.box, controller = self._context.__enter__()
        try:
            self._fill(controller, watched=watched)
        except BaseException:
            self._context.__exit__(None, None, None)
            raise

    def _fill(self, controller: Viewer, *, watched: bool) -> None:
        eyes = Viewer(self.box.link) if watched else controller
        controller.type(b"\r")
        if watched:
            controller.close()
        if not eyes.read_until(WORD, seconds=PATIENCE):
            raise BenchError("the painter did not come to its end")
        eyes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)

    @property
    def keepsakes(self) -> list[Path]:
        return sorted(self.box.journal.glob("*.snap"))

    def join_warm(self) -> float:
        join(self.box)
        return join(self.box)

    def join_cold(self) -> float:
        """Return the seconds when no screen runs: a new server has none."""
        old = self.box.pid("ServerPid")
        os.kill(old, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                with Viewer(self.box.link, {"from": "end", "lossless": True}):
                    break
            except (OSError, BenchError):
                continue
        return join(self.box)

    def join_bare(self) -> float:
        """Return the seconds when what screens had written down is lost."""
        for keepsake in self.keepsakes:
            keepsake.unlink()
        return self.join_cold()


def visible_size() -> int:
    """Return the bytes of the snapshot of one full screen of coloured words, without history."""
    with Box(["sh", "-c", f"stty raw -echo; {MOUNTED}/paint -f; exec cat"]) as box:
        # The marker is the full stop at the end of the last line that is painted.
        with Viewer(box.link, {"from": "start", "lossless": True}) as reader:
            reader.read_until(b".", seconds=PATIENCE)
        with Viewer(box.link) as viewer:
            viewer.await_snapshot()
            viewer.show(visible=False)
            viewer.show(visible=True)
            return len(viewer.await_snapshot().data)
