"""The law over what real programs print, in libghostty and in xterm.js."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ptyd.screen.content import ALL
from ptyd.screen.emulator import Emulator
from ptyd.screen.ghostty import lib
from ptyd.screen.grid import SPACERS, WIDE, Grid
from screen_state import differences, state_of
from screen_streams import CASES

TESTS = Path(__file__).parent.parent
RECORDINGS = sorted(path.stem for path in (TESTS / "recordings").glob("*.bin"))
XTERM = TESTS / "web" / "xterm"
ROWS, COLS = 24, 80
SIZES = ((24, 60), (40, 100), (10, 33), (24, 80))
CUTS = 12
LOOKS = (
    *("bold", "faint", "italic", "blink", "inverse", "invisible", "strikethrough", "overline"),
    "underline",
)
# xterm.js has no such thing: its screen differs from libghostty's with and without a snapshot.
NOT_IN_XTERM = ("graphemes", "left and right margins", "left and right margins, origin")


def recording(name: str) -> bytes:
    return (TESTS / "recordings" / f"{name}.bin").read_bytes()


def cuts(name: str) -> list[int]:
    """Return places to cut a recording at, the same ones each time."""
    length = len(recording(name))
    chosen = random.Random(name)
    return [*(chosen.randrange(length) for _ in range(CUTS)), length]


def fed(data: bytes, rows: int = ROWS, cols: int = COLS) -> Emulator:
    emulator = Emulator(rows, cols)
    emulator.feed(data)
    return emulator


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_program_goes_on_after_any_cut(name: str) -> None:
    """The snapshot is the screen, and with the rest it becomes what it would have become."""
    data = recording(name)
    at_the_end = state_of(fed(data))
    for cut in cuts(name):
        whole = fed(data[:cut])
        joined = fed(whole.snapshot(ALL))
        assert differences(state_of(whole), state_of(joined)) == [], cut
        joined.feed(data[cut:])
        assert differences(at_the_end, state_of(joined)) == [], cut


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_program_is_resized_after_any_cut(name: str) -> None:
    """Lines flow, and what is cut off is cut off, alike in both."""
    data = recording(name)
    for cut in cuts(name)[::3]:
        whole = fed(data[:cut])
        joined = fed(whole.snapshot(ALL))
        for size in SIZES:
            whole.resize(*size)
            joined.resize(*size)
        found = differences(state_of(whole), state_of(joined))
        assert [each for each in found if each.name != "saved"] == [], cut


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_resized_program_is_cut(name: str) -> None:
    """A snapshot of what a resize has left keeps the law too."""
    data = recording(name)
    for cut in cuts(name)[::3]:
        whole = fed(data[:cut])
        whole.resize(11, 37)
        whole.feed(data[cut : cut + 200])
        joined = fed(whole.snapshot(ALL), 11, 37)
        assert differences(state_of(whole), state_of(joined)) == [], cut


@pytest.mark.parametrize("name", RECORDINGS)
def test_xterm_shows_the_snapshot_of_a_program(name: str) -> None:
    """What the browser shows after a join is what the screen process holds."""
    screens = [fed(recording(name)[:cut]) for cut in cuts(name)[::2]]

    for emulator, shown in zip(screens, in_xterm(screens), strict=True):
        assert shown == of_ghostty(emulator)


def test_xterm_shows_the_snapshots_of_the_cases() -> None:
    """The hand-made ones, but for what xterm.js does not have."""
    names = [name for name in CASES if name not in NOT_IN_XTERM]
    screens = [fed(CASES[name], 10, 40) for name in names]

    differ = {
        name: shown["cursor"]
        for name, emulator, shown in zip(names, screens, in_xterm(screens), strict=True)
        if shown != of_ghostty(emulator)
    }
    assert differ == {}


def of_ghostty(emulator: Emulator) -> dict[str, Any]:
    """Return what a screen shows, in the words of screens.mjs."""
    grid = Grid(emulator._terminal)
    rows = []
    for y in range(grid.total):
        row: list[Any] = []
        for cell in grid.cells(y):
            looks = sorted(name for name in LOOKS if getattr(cell.style, name))
            if cell.link and "underline" not in looks:
                looks.append("underline")  # xterm.js marks a link this way
            colours = [cell.style.foreground, cell.style.background]
            width = 2 if cell.width == WIDE else 0 if cell.width in SPACERS[:1] else 1
            row.append(normal(cell.text, width, colours, looks))
        rows.append(row)
    return {"cursor": list(emulator.cursor), "rows": rows}


def normal(text: str, width: int, colours: list[Any], looks: list[str]) -> list[Any]:
    """Return a cell without what nobody can see."""
    colours = [None if each is None else list(each) for each in colours]
    if width == 0:
        return ["", 0]
    if text in ("", " "):
        text = ""
        if not {"inverse", "underline", "strikethrough", "overline"} & set(looks):
            looks, colours[0] = [], None
    return [text, width, *colours, looks]


def in_xterm(emulators: list[Emulator]) -> list[dict[str, Any]]:
    """Return what xterm.js shows of the snapshots of these screens."""
    cases = [
        {
            "rows": emulator.size[0],
            "cols": emulator.size[1],
            "data": base64.b64encode(emulator.snapshot(ALL)).decode(),
        }
        for emulator in emulators
    ]
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "node is needed: scripts/setup test"
    assert npm, "npm is needed: scripts/setup test"
    if not (XTERM / "node_modules" / ".package-lock.json").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=XTERM, check=True, timeout=100)
    done = subprocess.run(
        [node, "screens.mjs"],
        cwd=XTERM,
        input=json.dumps({"widths": widths(), "cases": cases}),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
    )
    screens: list[dict[str, Any]] = json.loads(done.stdout)
    for screen in screens:
        for row in screen["rows"]:
            row[:] = [
                normal(text, width, [foreground, background], sorted(renamed(looks)))
                for text, width, foreground, background, looks in row
            ]
        # About to wrap, xterm.js has the cursor beyond the last column.
        screen["cursor"][1] = min(screen["cursor"][1], len(screen["rows"][0]) - 1)
    return screens


def renamed(looks: list[str]) -> list[str]:
    return ["faint" if look == "Dim" else look.lower() for look in looks]


@cache
def widths() -> list[list[int]]:
    """Return libghostty's widths as ranges: first and last code point, cells.

    Nothing that the tests print lies beyond the emoji.
    """
    ranges: list[list[int]] = []
    for point in range(0x20, 0x20000):
        width = lib.ghostty_unicode_codepoint_width(point)
        if ranges and ranges[-1][2] == width:
            ranges[-1][1] = point
        else:
            ranges.append([point, point, width])
    return ranges
