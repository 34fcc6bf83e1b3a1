"""How libghostty is found and loaded: parsed beforehand, or by pyghostty itself."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from ptyd.screen import ghostty_tables, library

if TYPE_CHECKING:
    import pytest

_ROOT = Path(__file__).parents[2]
_DRAW = """
import sys
sys.path[:0] = sys.argv[1:]
from ptyd.screen.emulator import Emulator
emulator = Emulator(2, 8)
emulator.feed(b"\\x1b[31mhello")
print(emulator.text()[0], Emulator.decode(emulator.encode()).text()[0], *sys.modules)
"""


def _draw(*folders: str) -> list[str]:
    """Draw in a process of its own, with folders before all others; return the words printed."""
    command = [sys.executable, "-c", _DRAW, *folders]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def test_the_tables_are_of_the_text_that_is_installed() -> None:
    """Made anew they are the same: nobody edited them, and they are of this pyghostty."""
    made = runpy.run_path(str(_ROOT / "scripts/ghostty_tables.py"))["tables"]()

    assert made == Path(ghostty_tables.__file__).read_text()


def test_a_screen_draws_without_parsing() -> None:
    """Neither pyghostty nor what it parses with is imported."""
    first, second, *modules = _draw()

    assert (first, second) == ("hello", "hello")
    assert not {"pyghostty", "pycparser", "cffi"} & set(modules)


def test_another_pyghostty_is_imported(tmp_path: Path) -> None:
    """Tables of other declarations than it brings are not used: slower, and right."""
    spec = find_spec("pyghostty")
    assert spec is not None
    assert spec.submodule_search_locations
    (tmp_path / "pyghostty").mkdir()
    for each in Path(spec.submodule_search_locations[0]).iterdir():
        (tmp_path / "pyghostty" / each.name).symlink_to(each)
    text = tmp_path / "pyghostty" / "_cdef.py"
    other = text.read_text() + "# another\n"
    text.unlink()
    text.write_text(other)

    first, second, *modules = _draw(str(tmp_path))

    assert (first, second) == ("hello", "hello")
    assert "pyghostty" in modules


def test_without_pyghostty_nothing_else_is_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file of the folder that a program happens to be in."""
    library._folder.cache_clear()
    monkeypatch.setattr(library, "PathFinder", SimpleNamespace(find_spec=lambda _: None))
    (tmp_path / "None").mkdir()
    (tmp_path / "None" / "_cdef.py").write_bytes(b"other")
    monkeypatch.chdir(tmp_path)

    assert library.declarations() is None
