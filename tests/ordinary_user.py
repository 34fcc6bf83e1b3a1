"""An account without privileges and an installation that it can read, made for the tests by root.

Root's Python is often one that nobody else may read, so this one is the system's, with copies of
the packages; when the tests are not run by root, the ordinary user is who runs them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from account import new_account, system_python
from ptyd_user import PROGRAMS, Ptyd

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ["server/ptyd", "server/ptywire", "client/ptyc", "client/ptycli"]
PACKAGES += ["launcher/ptykeep", "launcher/ptylaunch"]
_PROGRAM = "#!{0}\nimport sys\nfrom {1} import main\nsys.exit(main())\n"


class Account(NamedTuple):
    """Who, and with which programs; ``prefix`` runs a command as them."""

    uid: int
    home: str
    programs: Path
    prefix: list[str]

    def ptyd(self, root: str) -> Ptyd:
        return Ptyd(root, programs=self.programs, prefix=self.prefix, HOME=self.home)


@contextlib.contextmanager
def ordinary_user() -> Iterator[Account]:
    """Make the account, and remove it with all that it has."""
    if os.geteuid() != 0:
        yield Account(os.geteuid(), os.environ["HOME"], PROGRAMS, [])
        return
    with new_account("test") as entry:
        programs = _install(Path(entry.pw_dir).parent / "venv")
        prefix = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups"]
        yield Account(entry.pw_uid, entry.pw_dir, programs, prefix)


def _install(folder: Path) -> Path:
    """Make a virtual environment of the system's Python; return where its programs are."""
    subprocess.run(
        [system_python(), "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60
    )
    own = folder / "bin" / "python"
    question = (
        "import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_path('purelib'))"
    )
    said = subprocess.run([own, "-c", question], check=True, capture_output=True, text=True)
    tag, site = said.stdout.split()
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, Path(site, Path(package).name), ignore=ignored)
    if tag == sys.implementation.cache_tag:
        for name in _dependencies("ptyd") - {"ptyd"}:
            _copy(name, Path(site))
    else:  # another version wants other binaries
        wanted = [line for line in metadata.requires("ptyd") or [] if "extra" not in line]
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(own), "install", *wanted]
        subprocess.run(pip, check=True, timeout=110)
    for program, module in (("ptyd", "ptycli.main"), ("ptyc", "ptyc.main")):
        path = folder / "bin" / program
        path.write_text(_PROGRAM.format(own, module))
        path.chmod(0o755)
    return folder / "bin"


def _dependencies(name: str) -> set[str]:
    """Return a distribution and all that it needs here, by name."""
    found = {name}
    for line in metadata.requires(name) or []:
        needed = re.split(r"[^A-Za-z0-9_.-]", line)[0]
        if "extra" in line.partition(";")[2]:
            continue
        try:
            metadata.distribution(needed)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        found |= _dependencies(needed)
    return found


def _copy(name: str, site: Path) -> None:
    distribution = metadata.distribution(name)
    for file in distribution.files or []:
        if ".." in file.parts or file.suffix == ".pyc":
            continue  # programs, and what another Python compiled
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(distribution.locate_file(file)), target)
