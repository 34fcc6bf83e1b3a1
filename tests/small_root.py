"""A root of a few programs of this host and what they load, for boxes and for layers of images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("sh", "cat", "ls", "id", "touch", "rm", "mkdir", "chown", "stat", "env", "sleep", "ln")


def make_root(folder: Path, programs: tuple[str, ...] = PROGRAMS) -> Path:
    """Fill a new folder; bin and lib are links as on this host, /etc says who is who."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (folder / name).symlink_to(os.readlink(f"/{name}").lstrip("/"))
    for program in programs:
        found = shutil.which(program)
        assert found is not None, f"{program} is not installed"
        put(folder, found)
    (folder / "etc").mkdir()
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:\n")
    (folder / "etc/group").write_text("root:x:0:\nann:x:1001:\nclub:x:77:ann\n")
    return folder


def put(folder: Path, program: str) -> None:
    """Copy a program and its libraries to where they lie on this host."""
    for path in (program, *libraries(program)):
        real = os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path)
        target = folder / real.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def libraries(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)
