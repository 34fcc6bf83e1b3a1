"""The built wheel, installed elsewhere, with the source tree gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SCRIPTS = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"].values()
PACKAGES = ["ptyc", "ptycli", "ptyd", "ptykeep", "ptylaunch", "ptywire"]
# What a build reads. The tests' own folders and .venv stay behind.
TREE = ["client", "launcher", "server", "web", "LICENSE", "README.md", "pyproject.toml"]


def pip(*arguments: str | Path) -> None:
    # Isolated from the user's settings and the network: what is needed is in the development venv.
    command = [sys.executable, "-m", "pip", "--isolated", "--quiet", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=100)


def output_of(*command: str | Path, cwd: Path, **env: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= env
    done = subprocess.run(
        list(map(str, command)),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=50,
    )
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy of the sources, and remove the copy."""
    base = tmp_path_factory.mktemp("wheel")
    tree = base / "tree"
    tree.mkdir()
    for name in TREE:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, tree)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", base, tree)
    shutil.rmtree(tree)
    (built,) = base.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path) -> Iterator[Path]:
    """Install the wheel in a venv of its own, which borrows only the dependencies of ours."""
    home = wheel.parent / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    # A path file adds a folder but does not run the path files in it, so the editable ptyd of the
    # development venv is not seen.
    purelib = output_of(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=wheel.parent
    )
    borrowed = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    Path(purelib.strip(), "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    yield home / "bin"
    shutil.rmtree(home)


def test_a_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """No tests, no floors as folders; types and the license go along."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}

    version = PROJECT["version"]
    assert tops == {*PACKAGES, f"ptyd-{version}.dist-info", f"ptyd-{version}.data"}
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_installed_wheel_imports_from_itself(programs: Path) -> None:
    """All six packages come from the wheel, not from the checkout."""
    listing = (
        "import importlib, json; print(json.dumps({name: importlib.import_module(name).__file__"
    )
    code = f"{listing} for name in {PACKAGES!r}}}))"
    found: dict[str, str] = json.loads(
        output_of(programs / "python", "-I", "-c", code, cwd=programs.parent)
    )

    assert sorted(found) == PACKAGES
    assert [path for path in found.values() if not Path(path).is_relative_to(programs.parent)] == []


@pytest.mark.parametrize("program", sorted([*PROJECT["scripts"], *SCRIPTS]))
def test_an_installed_program_says_its_version(programs: Path, program: str) -> None:
    """Each command of the distribution starts, and knows what it is."""
    said = output_of(programs / program, "--version", cwd=programs.parent)

    assert PROJECT["version"] in said.split()


def test_an_installed_wheel_runs_a_program(programs: Path, tmp_path: Path) -> None:
    """Its keeper and its server are found from where it is installed."""
    root = str(tmp_path / "root")
    said = output_of(
        programs / "ptyd", "run", "--rm", "echo", "hello", cwd=tmp_path, PTYD_ROOT=root
    )

    assert said == "hello\n"
