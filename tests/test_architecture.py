"""The three floors and their arrows, and ARCHITECTURE.md held against the code."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ptywire import message

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
HOMES = {
    "ptyc": "client",
    "ptycli": "client",
    "ptyd": "server",
    "ptywire": "server",
    "ptykeep": "launcher",
    "ptylaunch": "launcher",
}
# Arrows point down: who may import what of ours, besides itself.
ARROWS = {
    "ptycli": ("ptyc", "ptykeep", "ptylaunch", "ptywire", "ptyd.journal", "ptyd.screen"),
    "ptyc": ("ptywire", "ptyd.screen"),
    "ptyd": ("ptywire", "ptykeep.protocol", "ptykeep.state", "ptykeep.identity"),
    "ptywire": (),
    "ptykeep": ("ptylaunch",),
    "ptylaunch": (),
}
STANDARD_LIBRARY_ONLY = ("ptykeep", "ptylaunch", "ptywire")
# The rooms of the server in order: each imports only those before it.
ROOMS = ("journal", "screen", "session", "net")
PURE = ("ptywire", "ptyd.session.roles", "ptyd.session.sizes")
INPUT_OUTPUT = ("asyncio", "os", "socket", "time")
# Each costs milliseconds of a start or megabytes of a keeper; a function may import them late.
HEAVY = ("asyncio", "dataclasses", "subprocess", "logging", "pathlib", "shutil")
LONGEST = 400
"""Lines of a source file."""


class Import(NamedTuple):
    """One imported name, absolute and dotted, and how it is imported."""

    name: str
    line: int
    at_start: bool
    for_types: bool


class ImportFinder(ast.NodeVisitor):
    """Collects what a module imports, at the top, in functions and for type checkers."""

    def __init__(self, package: str) -> None:
        self.found: list[Import] = []
        self._package = package
        self._functions = 0
        self._for_types = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self._package.split(".")
            above = parents[: len(parents) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        for alias in node.names:
            # `from a.b import c` may mean the module a.b.c: a rule about a.b.c must see it.
            self._add(f"{base}.{alias.name}", node.lineno)

    def visit_If(self, node: ast.If) -> None:
        outer = self._for_types
        self._for_types = outer or "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body:
            self.visit(child)
        self._for_types = outer
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: ast.AST) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def _add(self, name: str, line: int) -> None:
        at_start = not self._functions and not self._for_types
        self.found.append(Import(name, line, at_start, self._for_types))


def imports_of(module: str, source: str, *, is_package: bool = False) -> list[Import]:
    finder = ImportFinder(module if is_package else module.rpartition(".")[0])
    finder.visit(ast.parse(source))
    return finder.found


def within(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(top + ".") for top in tops)


def broken_rules(module: str, imports: list[Import]) -> Iterator[str]:
    """Yield one line for each import that the layout forbids."""
    package = module.partition(".")[0]
    allowed = (package, *ARROWS[package])
    for each in imports:
        top = each.name.partition(".")[0]
        where = f"{module}:{each.line} imports {each.name}: "
        if top in HOMES and not within(each.name, allowed):
            yield where + "the arrow points up"
        elif top not in HOMES and top not in sys.stdlib_module_names:
            if package in STANDARD_LIBRARY_ONLY:
                yield where + "standard library only"
            elif top.strip("_").removesuffix("_backend") not in declared_dependencies():
                yield where + "not declared in pyproject.toml"
        if within(module, PURE) and within(each.name, INPUT_OUTPUT) and not each.for_types:
            yield where + "no I/O here"
        if package in ("ptykeep", "ptylaunch") and within(each.name, HEAVY) and each.at_start:
            yield where + "too heavy for a start"
        yield from broken_room_rules(module, each, where)


def broken_room_rules(module: str, each: Import, where: str) -> Iterator[str]:
    room = module.split(".")[1] if module.startswith("ptyd.") else ""
    if room not in ROOMS or not each.name.startswith("ptyd."):
        return
    other = each.name.split(".")[1]
    if other in ROOMS[ROOMS.index(room) + 1 :]:
        yield where + "a later room"
    elif other in ("__main__", "keeper_link", "main", "server"):
        yield where + "what puts the rooms together"


def declared_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        re.split(r"[^A-Za-z0-9_.-]", dependency)[0].replace("-", "_")
        for dependency in project["dependencies"]
    }


def modules() -> Iterator[tuple[str, Path]]:
    for package, home in HOMES.items():
        for path in sorted((ROOT / home / package).rglob("*.py")):
            parts = path.relative_to(ROOT / home).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def sources() -> Iterator[Path]:
    """Yield the files people write; not what tools made or fetched."""
    made = {"node_modules", "dist", "bin", "build", "__pycache__"}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in made]
        for name in files:
            if name.endswith((".py", ".c", ".h", ".sh", ".ts", ".css", ".html")):
                yield Path(folder) / name


def table_rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table of ARCHITECTURE.md after ``heading``."""
    rows: list[list[str]] = []
    for line in (ROOT / "ARCHITECTURE.md").read_text().partition(heading)[2].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    assert rows, f"ARCHITECTURE.md has no table after {heading!r}"
    return rows[2:]


def constants(prefix: str = "") -> dict[str, int]:
    return {
        name.removeprefix(prefix).lower().replace("_", " "): value
        for name, value in vars(message).items()
        if name.isupper() and name.startswith(prefix) and isinstance(value, int)
    }


def test_arrows_point_down() -> None:
    """Every import of every module follows the layout."""
    broken = [
        line
        for module, path in modules()
        for line in broken_rules(
            module,
            imports_of(module, path.read_text(), is_package=path.name == "__init__.py"),
        )
    ]

    assert broken == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ptyd.server", "import ptycli.run"),
        ("ptyd.server", "from ptykeep import keeper"),
        ("ptyd.server", "def late():\n    import ptyc"),
        ("ptyd.server", "import requests"),
        ("ptyd.journal.intake", "from ..net import pump"),
        ("ptyd.session.input", "from ptyd.server import serve"),
        ("ptyd.session.roles", "from time import monotonic"),
        ("ptycli.run", "from ptyd import session"),
        ("ptyc.attach", "from ptykeep.state import read"),
        ("ptywire.link", "import os.path"),
        ("ptywire.link", "import websockets"),
        ("ptykeep.keeper", "import h11"),
        ("ptykeep.keeper", "from asyncio import run"),
        ("ptykeep.keeper", "from ptywire import link"),
        ("ptylaunch.mounts", "import ptykeep.engine"),
        ("ptylaunch.mounts", "if True:\n    import subprocess"),
        (
            "ptylaunch.mounts",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ptyd",
        ),
    ],
)
def test_an_arrow_that_points_up_is_found(module: str, source: str) -> None:
    """The rules above do see what they forbid."""
    assert len(list(broken_rules(module, imports_of(module, source)))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ptyd.server", "from ptykeep.protocol import Exited\nfrom ptykeep import state"),
        ("ptyd.net.pump", "from ..session import roles\nimport uvloop"),
        ("ptyd.journal.cursor", "from .segment import Segment"),
        ("ptycli.logs", "from ptyd.journal import cursor\nimport ptykeep"),
        ("ptykeep.keeper", "def late():\n    import subprocess"),
        ("ptylaunch.mounts", "import os, ctypes\nfrom . import spec"),
    ],
)
def test_an_arrow_that_points_down_is_allowed(module: str, source: str) -> None:
    """Nor do they see what is not there."""
    assert list(broken_rules(module, imports_of(module, source))) == []


def test_only_packages_are_on_a_floor() -> None:
    """A folder is a place, the package inside it has the import name; the wheel ships them all."""
    homes = {
        package.name: home
        for home in set(HOMES.values())
        for package in (ROOT / home).iterdir()
        if package.name != "__pycache__"
    }
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    shipped = build["targets"]["wheel"]["packages"]

    assert homes == HOMES
    assert sorted(shipped) == sorted(f"{home}/{package}" for package, home in HOMES.items())
    assert all((ROOT / path / "py.typed").exists() for path in shipped)


def test_message_kinds_are_those_of_the_table() -> None:
    """ARCHITECTURE.md and message.py name the same kinds with the same numbers."""
    rows = table_rows("Unknown kinds are ignored.")
    cells = [cell for row in rows for cell in (row[0], row[2]) if cell]
    documented = {name.replace("-", " "): int(kind) for kind, name in map(str.split, cells)}
    coded = {
        name: value
        for name, value in constants().items()
        if not name.startswith(("close ", "max ")) and not name.endswith(" header")
    }

    assert documented == coded


def test_close_codes_are_those_of_the_table() -> None:
    """Every code we send is documented and the other way round; unnamed ones are the RFC's."""
    documented = {name: int(code) for code, name, _ in table_rows("**Close codes.**") if name}

    assert documented == constants("CLOSE_")


def test_signals_are_those_of_the_text() -> None:
    """The signals that a controller may send are listed once for people and once for code."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    listed = re.search(r"`signal` takes ([A-Z ]+);", text)

    assert listed is not None
    assert tuple(listed[1].split()) == message.SIGNALS


def test_no_file_is_too_long() -> None:
    """One noun, one file, one job."""
    lines = {str(path.relative_to(ROOT)): path.read_bytes().count(b"\n") for path in sources()}

    assert {path: count for path, count in lines.items() if count > LONGEST} == {}
    assert (ROOT / "ARCHITECTURE.md").read_text().count("\n") <= 150
