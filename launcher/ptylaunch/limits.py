"""rlimits of a program, set from outside: inside its user namespace the right to raise is lost."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from ptylaunch.plan import Limit


def set_limits(pid: int, limits: tuple[Limit, ...]) -> None:
    """Set all of them; LaunchFailed("rlimits", …) names the first that fails."""
    for limit in limits:
        try:
            resource.prlimit(pid, limit.resource, (limit.soft, limit.hard))
        except (OSError, ValueError) as error:
            code = error.errno if isinstance(error, OSError) else None
            raise LaunchFailed("rlimits", code or errno.EINVAL, _name(limit.resource)) from error


def _name(number: int) -> str:
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return next(name for name in names if getattr(resource, name) == number)
