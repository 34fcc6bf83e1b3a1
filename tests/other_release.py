"""ptyd as it was, or as it might be: copies of its packages that a test runs beside ours."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from ptyd_user import Ptyd
from ptywire.release import RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ["server/ptyd", "server/ptywire", "client/ptyc", "client/ptycli"]
PACKAGES += ["launcher/ptykeep", "launcher/ptylaunch"]
BEFORE_EXEC = Path(__file__).parent / "releases" / "before-exec.tar.xz"
"""The sources of 22 November 2026, whose keeper speaks version 1 of the protocol."""


def copy_packages(folder: Path) -> None:
    """Copy ours, one folder for all: what PYTHONPATH takes."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        target = folder / Path(package).name
        shutil.copytree(ROOT / package, target, ignore=ignored, dirs_exist_ok=True)


def unpack_packages(archive: Path, folder: Path) -> None:
    """Unpack an earlier release the same way."""
    with tarfile.open(archive) as tar:
        for member in list(_of_packages(tar)):
            tar.extract(member, folder, filter="data")


def _of_packages(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar.getmembers():
        _, _, member.name = member.name.partition("/")
        if member.name:
            yield member


def say_release(folder: Path, release: str) -> None:
    """Have a copy take itself for another release."""
    file = folder / "ptywire" / "release.py"
    file.write_text(file.read_text().replace(RELEASE, release))


def ptyd_of(folder: Path, root: str) -> Ptyd:
    """Return the commands of a copy, for the containers in ``root``."""
    return Ptyd(root, PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE="1")
