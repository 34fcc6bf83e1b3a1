"""Builds real boxes for tests, each from a process of its own: see ``launcher/box_driver.py``.

A test says who calls (``root`` with a range or a single id, an ordinary user likewise), what the
box is, and gets back what happened, what was left behind included.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ptylaunch.cgroup import enter, open_doors

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup

from account import new_account, system_python

REPOSITORY = Path(__file__).parent.parent
ORDINARY = "ordinary"
"""Stands for a user without privileges who has subordinate ids."""


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
    """Return everybody who can be tried; by root also an ordinary user, who is made when needed."""
    users = ("root", ORDINARY) if os.geteuid() == 0 else ("",)
    return [Caller(user, ids) for user in users for ids in ("range", "single")]


@functools.cache
def _ordinary() -> pwd.struct_passwd:
    """Return an account that is made now and lasts until the tests have ended."""
    stack = contextlib.ExitStack()
    account = stack.enter_context(new_account("box"))
    atexit.register(stack.close)
    return account


def account_of(user: str) -> pwd.struct_passwd:
    if user == ORDINARY:
        return _ordinary()
    return pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())


def run_box(
    caller: Caller,
    args: list[str],
    *,
    driver: str = "box_driver",
    inside: Cgroup | None = None,
    **request: Any,
) -> Result:
    """Run one box to its end; what ``request`` may hold stands in the driver.

    ``inside`` is the cgroup that its caller is in.
    """
    request |= {"args": args, "ids": caller.ids}
    with tempfile.TemporaryDirectory(prefix="boxes") as folder:
        place = readable_copy(folder)
        account = account_of(caller.user)
        other = account.pw_uid != os.geteuid()
        bundle = Path(folder) / "state"  # closed to all others, as the real one is
        bundle.mkdir(mode=0o700)
        doors = open_doors(inside) if inside else []
        os.chown(bundle, account.pw_uid, account.pw_gid)
        done = subprocess.run(
            [
                system_python() if other else sys.executable,
                str(place / f"{driver}.py"),
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
            preexec_fn=lambda: enter(doors),
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": f"{place}/launcher:{place}/client",
                "PYTHONDONTWRITEBYTECODE": "1",
                "CANARY": "caller-secret",
            },
        )
        for door in doors:
            os.close(door)
        assert done.returncode == 0, done.stderr
        return Result(**json.loads(done.stdout))


def readable_copy(folder: str) -> Path:
    """Copy the sources to where every account may read them: a checkout may lie in /root."""
    place = Path(folder) / "sources"
    for package in ("launcher/ptylaunch", "launcher/ptykeep", "client/ptycli"):
        shutil.copytree(REPOSITORY / package, place / package, ignore=_no_caches)
    for driver in (REPOSITORY / "tests/launcher").glob("*_driver.py"):
        shutil.copy(driver, place)
    for path in (Path(folder), place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


def _no_caches(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]
