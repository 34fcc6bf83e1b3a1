"""Disks that are full: the limit on a file's size, and a file system of a few kilobytes."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRIVER = Path(__file__).parent / "server" / "small_disk_driver.py"
_MOUNTED = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size``: the ordinary way to a full disk (EFBIG, setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_a_small_disk(case: str, loop: str, folder: Path, size: int) -> dict[str, Any]:
    """Run a case of ``server/small_disk_driver.py`` on a tmpfs of ``size`` bytes of its own.

    The mount is in a mount namespace that ends with the driver; the user namespace lets anybody.
    """
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c", _MOUNTED, "sh"),
            *(str(size), str(folder), sys.executable, str(_DRIVER), case, loop, str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(entry for entry in sys.path if entry)},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
