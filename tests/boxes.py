"""Builds real boxes for tests, each from a process of its own: see ``launcher/box_driver.py``.

A test says who calls (``root`` with a range or a single id, an ordinary user likewise), what the
box is, and gets back what happened, what was left behind included.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).parent.parent
_SYSTEM_PYTHON = "/usr/bin/python3"


class Caller(NamedTuple):
    """Who builds the box: an account, and whether the box gets a range of ids or one."""

    user: str
    ids: str

    def __str__(self) -> str:
        return f"{self.user or 'me'}-{self.ids}"


class Result(NamedTuple):
    """What became of a box; ``left`` lists fds, children and mounts that stayed."""

    status: int | None
    output: str
    errors: str
    failure: dict[str, Any] | None
    left: list[str]
    info: dict[str, Any]


def callers() -> list[Caller]:
    """Return everybody who can be tried; as root also an ordinary user with subordinate ids."""
    if os.geteuid() != 0:
        return [Caller("", "range"), Caller("", "single")]
    user = subordinate_user()
    return [Caller(u, ids) for u in ("root", user) for ids in ("range", "single")]


def subordinate_user() -> str:
    """Return an account of this host that /etc/subuid gives ids to."""
    for line in Path("/etc/subuid").read_text().splitlines():
        name = line.partition(":")[0]
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        if name != "root":
            return name
    raise AssertionError("no ordinary user in /etc/subuid: useradd makes one")


def run_box(caller: Caller, args: list[str], **request: Any) -> Result:
    """Run one box to its end; what ``request`` may hold stands in ``box_driver.py``."""
    request |= {"args": args, "ids": caller.ids}
    with tempfile.TemporaryDirectory(prefix="boxes") as folder:
        place = _readable_copy(folder)
        account = pwd.getpwnam(caller.user) if caller.user else pwd.getpwuid(os.geteuid())
        other = account.pw_uid != os.geteuid()
        bundle = Path(folder) / "state"  # closed to all others, as the real one is
        bundle.mkdir(mode=0o700)
        os.chown(bundle, account.pw_uid, account.pw_gid)
        done = subprocess.run(
            [
                _SYSTEM_PYTHON if other else sys.executable,
                str(place / "box_driver.py"),
                str(bundle),
            ],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            cwd="/",
            user=account.pw_uid if other else None,
            group=account.pw_gid if other else None,
            extra_groups=[] if other else None,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": f"{place}/launcher:{place}/client",
                "PYTHONDONTWRITEBYTECODE": "1",
                "CANARY": "caller-secret",
            },
        )
        assert done.returncode == 0, done.stderr
        return Result(**json.loads(done.stdout))


def _readable_copy(folder: str) -> Path:
    """Copy the sources to where every account may read them: a checkout may lie in /root."""
    place = Path(folder) / "sources"
    for package in ("launcher/ptylaunch", "client/ptycli"):
        shutil.copytree(REPOSITORY / package, place / package, ignore=_no_caches)
    shutil.copy(REPOSITORY / "tests/launcher/box_driver.py", place)
    for path in (Path(folder), place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


def _no_caches(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]
