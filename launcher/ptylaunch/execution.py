"""The command exec: a second program in a container, by a pid that somebody else wrote down.

What it gets is what its container has: its filter of system calls, its no_new_privs, its limits.
Capabilities too, but for those that the caller asks for by name, as runc has it: ``podman exec
--privileged`` does. It is the caller who decides what the container has, and nobody inside.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from ptylaunch.account import parse_user
from ptylaunch.caller import find_preserved, hand_over, pass_signals_on
from ptylaunch.cgroup import doors_of
from ptylaunch.creation import read_object
from ptylaunch.errors import LaunchFailed, Refused
from ptylaunch.folder import Folder, write_whole
from ptylaunch.join import Joining, confine, join
from ptylaunch.programspec import grant, has_user_namespace, read_program
from ptylaunch.reap import reap
from ptylaunch.record import read_cgroup, read_config, read_record, status_of
from ptylaunch.relay import wait_for
from ptylaunch.sealed import seal_self
from ptylaunch.target import open_target
from ptylaunch.value import dict_at, strings_at

if TYPE_CHECKING:
    from argparse import Namespace

    from ptylaunch.plan import Program
    from ptylaunch.target import Target


def execute(arguments: Namespace) -> int:
    """Start a program in a container; unless it is detached, wait and return its status."""
    seal_self()
    preserved = find_preserved(arguments.preserve_fds)
    spec, target = _open(arguments)
    try:
        box = read_program(spec["process"], spec.get("linux") or {})
        process, user = _process(arguments, spec["process"])
        program = read_program(process, {})
        program = confine(program, _raised(box, program))  # which adds the filter
        program = grant(program, in_user_namespace=has_user_namespace(spec))
        for warning in program.warnings:
            arguments.log.mention(warning)
        joining = join(
            Joining(target, program, user=user, stdio=(0, 1, 2), preserved_fds=preserved)
        )
    finally:
        target.close()
    try:
        hand_over(joining.pty_fd, arguments.console_socket, stay=not arguments.detach)
        if arguments.pid_file:
            write_whole(arguments.pid_file, str(joining.pid), mode=0o644)
    except BaseException:
        joining.kill()
        reap(joining.pid)
        raise
    if arguments.detach:
        return 0
    pass_signals_on(joining.pid)
    return wait_for(joining.pid, None if arguments.console_socket else joining.pty_fd)


def _open(arguments: Namespace) -> tuple[dict[str, Any], Target]:
    """Return the spec of a container that can be joined, and the way into it."""
    with Folder.open(arguments.root, arguments.id) as folder:
        record = read_record(folder)
        status = status_of(folder, record)
        if status == "paused" and not arguments.ignore_paused:
            # What enters a cgroup that is held is held before it is a program.
            raise Refused(f"cannot exec in a paused container: {arguments.id}")
        if status == "stopped":
            raise Refused(f"container {arguments.id} is stopped: exec wants a running one")
        doors = doors_of(read_cgroup(folder))
        pid, started = record.process
        return read_config(folder), open_target(pid, started, doors)


def _process(arguments: Namespace, own: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what is to run, as ``process`` of a spec, and its user if that is a name.

    A file says everything, or else the flags what differs from the container's own (``own``).
    """
    if arguments.process:
        if arguments.args:
            raise Refused("--process and a command: which of them?")
        process = read_object(arguments.process)
        # Left out, these are the container's: engines that marshal structs leave false out.
        for key in ("capabilities", "noNewPrivileges"):
            if process.get(key) is None and own.get(key) is not None:
                process[key] = own[key]
        if arguments.tty:
            process["terminal"] = True
        return process, ""
    if not arguments.args:
        raise Refused("a command or --process is needed")
    process = {**own, "args": arguments.args, "terminal": arguments.tty}
    process["env"] = [*(own.get("env") or []), *arguments.env]
    if arguments.cwd:
        process["cwd"] = arguments.cwd
    if arguments.no_new_privs:
        process["noNewPrivileges"] = True
    if arguments.cap:
        process["capabilities"] = _with_capabilities(own, arguments.cap)
    process.pop("consoleSize", None)
    return process, _set_user(process, arguments)


def _raised(box: Program, program: Program) -> Program:
    """Return ``box`` as one that may have the capabilities of ``program``."""
    asked = 0
    for mask in program.capabilities:
        asked |= mask
    most = box.capabilities._replace(bounding=box.capabilities.bounding | asked)
    return box._replace(capabilities=most)


def _with_capabilities(own: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the container's sets, with these in the ones that root uses.

    Ambient too where the container's own are inheritable: without that they cannot be (as runc).
    """
    sets = dict_at(own, "capabilities", "process.capabilities")
    kinds = ["bounding", "effective", "permitted"] + ["ambient"] * bool(sets.get("inheritable"))
    return sets | {key: [*strings_at(sets, key, key), *names] for key in kinds}


def _set_user(process: dict[str, Any], arguments: Namespace) -> str:
    """Numbers are taken as they are, and without a group the container's stays (as runc has it).

    Names are returned, to be looked up in the container.
    """
    user: dict[str, Any] = {**(process.get("user") or {})}
    if arguments.additional_gids:
        user["additionalGids"] = [*(user.get("additionalGids") or []), *arguments.additional_gids]
    process["user"] = user
    if not arguments.user:
        return ""
    try:
        wanted = parse_user(arguments.user)
    except ValueError as error:
        raise LaunchFailed("spec", errno.EINVAL, str(error)) from None
    if isinstance(wanted.user, str) or isinstance(wanted.group, str):
        return str(arguments.user)
    user["uid"] = wanted.user
    if wanted.group is not None:
        user["gid"] = wanted.group
    return ""
