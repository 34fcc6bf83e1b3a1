"""Having a container's box built: by us, or by the OCI runtime that its options name."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from ptykeep.state import claim_root
from ptylaunch.container import build, choose_cgroup
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptykeep.engine import RuntimeBox
    from ptykeep.session import Session
    from ptylaunch.container import Box

for _name in ("ptylaunch.policy", "ptylaunch.seccomp"):
    __import__(_name)  # loaded when wanted: each of our boxes has a filter, its init another


def build_box(
    spec: dict[str, Any],
    options: dict[str, Any],
    directory: str,
    session: Session,
    save: Callable[..., None],
) -> Box | RuntimeBox:
    """Build it; its program waits for ``start()``. LaunchFailed or OSError with nothing left.

    What there will be to remove is handed to ``save`` before it is made: should the keeper be
    killed, whoever looks next has to know.
    """
    _refuse_visited(directory)
    path = options.get("runtime")
    if not path:
        cgroup = choose_cgroup(spec)
        save(cgroup=cgroup.to_json())
        return build(spec, directory, stdio=session.stdio, cgroup=cgroup)
    from ptykeep import engine

    runtime = engine.choose_runtime(path, directory)
    cgroup = engine.choose_cgroup(spec)
    save(cgroup=cgroup.to_json(), runtime=runtime.to_json())
    joined = options.get("network") is not None
    return engine.build(runtime, spec, directory, session.stdio, cgroup=cgroup, joined=joined)


def _refuse_visited(directory: str) -> None:
    """Fail while somebody has set the box up to copy files: an overlay is mounted once at a time.

    Whoever comes later asks us before they do, and is told that it runs.
    """
    try:
        os.close(claim_root(directory, wait=False))
    except BlockingIOError:
        raise LaunchFailed("build", errno.EBUSY, "ptyd cp copies its files: try again") from None
