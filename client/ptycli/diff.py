"""``ptyd diff``: what a container has changed on its root, in docker's letters."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure, Parser, for_stdout
from ptycli.container import Container, find
from ptycli.layer import NOTE, Change, Terms, changes_of_folder, changes_of_layer
from ptycli.order import REFUSED
from ptykeep.state import read_json
from ptylaunch.errors import LaunchFailed
from ptylaunch.idspace import work_as_root
from ptylaunch.spec import read_id_maps, read_plan

if TYPE_CHECKING:
    from ptylaunch.plan import Plan


def main(arguments: list[str]) -> int:
    parser = Parser("diff", "Show what a container has changed on its root.", "ptyd diff NAME")
    parser.epilog = "A is added, C changed, D deleted, as docker has it."
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    try:
        container = find(options.name)
        for change in sorted(changes(container, options.name), key=lambda each: each.path):
            print(for_stdout(f"{change.kind} {change.path}"))
    except Failure as failure:
        raise Failure(str(failure), REFUSED) from None
    except LaunchFailed as failure:
        raise Failure(failure.detail or str(failure), REFUSED) from None
    return 0


def changes(container: Container, name: str) -> list[Change]:
    """Return all of them, in no order; Failure or LaunchFailed with why not."""
    try:
        spec = container.spec
    except (OSError, ValueError):
        raise Failure(f"{name} was not made to the end: remove it") from None
    plan = read_plan(spec, container.directory)
    first = plan.mounts[0] if plan.mounts else None
    if first is not None and first.target == "/" and first.bind:
        raise Failure(f"{name}: its root is {first.source} itself, and nobody knows what it was")
    return read_all(container, spec, plan)


def read_all(container: Container, spec: dict[str, Any], plan: Plan) -> list[Change]:
    """Have them read by the box's own root, where its files are closed to us."""
    note = f"{container.directory}/bundle/{NOTE}"
    before: dict[str, list[int]] | None = read_json(note) if os.path.exists(note) else None
    fd = os.memfd_create("changes")
    try:
        maps = ((), ()) if os.geteuid() == 0 else read_id_maps(spec)
        work_as_root(*maps, partial(_write, plan, before, fd))
        os.lseek(fd, 0, os.SEEK_SET)
        with open(fd, "rb", closefd=False) as file:
            return [Change(*each) for each in json.load(file)]
    finally:
        os.close(fd)


def _write(plan: Plan, before: dict[str, list[int]] | None, fd: int) -> None:
    found: list[Change] = []
    places = frozenset(mount.target for mount in plan.mounts)
    for mount in plan.mounts:
        if mount.layers is not None and mount.layers.upper:
            (lower,) = mount.layers.lower
            shifts = (plan.uid_map[0].outside, plan.gid_map[0].outside) if mount.idmap else (0, 0)
            terms = Terms(places, *shifts)
            found += changes_of_layer(mount.layers.upper, lower, mount.target, terms)
    if before is not None:
        found += changes_of_folder(plan.root, before, places)
    with open(fd, "wb", closefd=False) as file:
        file.write(json.dumps(found).encode())
