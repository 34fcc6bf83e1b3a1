"""Other limits and another restart policy for a container that is there: ``ptyd update``.

What is written down holds from its next start on; what runs is limited at once. Both, or neither.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

from ptykeep import state
from ptylaunch.allotment import demand
from ptylaunch.container import choose_cgroup
from ptylaunch.errors import LaunchFailed
from ptylaunch.resources import read_resources

if TYPE_CHECKING:
    from collections.abc import Callable


def revise(
    directory: str,
    fields: dict[str, Any],
    limit: Callable[[dict[str, Any], dict[str, Any]], None] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do what an order asks; return the container's spec and options as they are from here on.

    ``fields`` have ``resources``, a part of ``linux.resources``, and ``restart``, a policy.
    ``limit`` limits what runs: with the new spec, and of its limits those groups that change; None
    if nothing runs. LaunchFailed or OSError, and all is as it was.
    """
    path = f"{directory}/config.json"
    spec = state.read_json(path)
    options: dict[str, Any] = json.loads(spec["annotations"][state.OPTIONS])
    wanted: dict[str, Any] = fields.get("resources") or {}
    had: dict[str, Any] = spec["linux"].get("resources") or {}
    touched = {group: {**had.get(group, {}), **wanted[group]} for group in wanted}
    if policy := fields.get("restart"):
        if options["rm"] and policy["name"] != "no":
            raise _refusal("a container that is removed at its end (--rm) cannot be restarted")
        options["restart"] = policy
        spec["annotations"][state.OPTIONS] = json.dumps(options)
    if wanted:
        spec["linux"]["resources"] = {**had, **touched}
        _check(spec, touched, options)
    new = f"{path}.new"
    try:
        state.write_json(new, spec)  # first: the disk may be full
        if wanted and limit is not None:
            limit(spec, touched)
        os.rename(new, path)
    except BaseException:
        if os.path.exists(new):
            os.unlink(new)
        raise
    return spec, options


def _check(spec: dict[str, Any], touched: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse what docker refuses, and what nobody would keep at the next start."""
    memory: dict[str, int] = touched.get("memory", {})
    limit, both = memory.get("limit", 0), memory.get("swap", 0)
    if both and not limit:
        raise _refusal("--memory-swap counts memory and swap: it wants --memory as well")
    if 0 < both < limit:
        raise _refusal("--memory is above the limit of memory and swap: give --memory-swap as well")
    if options.get("runtime") and os.geteuid() != 0:
        raise _refusal("limits want the native engine, or root")
    demand(choose_cgroup(spec), read_resources(touched))


def _refusal(line: str) -> LaunchFailed:
    return LaunchFailed("spec", errno.EINVAL, line)
