"""Changes containers that exist: the commands start, kill and delete."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

from ptylaunch import freezer
from ptylaunch.cgroup import remove
from ptylaunch.errors import LaunchFailed, Refused
from ptylaunch.folder import Folder, list_ids
from ptylaunch.hook import Hook, is_of_hook, read_hooks, run_hooks
from ptylaunch.process import members, send_signal, wait_for_end
from ptylaunch.record import (
    Record,
    everybody,
    oci_state,
    read_cgroup,
    read_config,
    read_record,
    status_of,
)
from ptylaunch.start import say_start

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from ptylaunch.log import Log
    from ptylaunch.placement import Cgroup

_DYING: Final = 10.0
"""Seconds that killed processes get to end."""


def start(arguments: Namespace) -> int:
    """Let the program of a created container run."""
    start_program(arguments)
    return 0


def kill(arguments: Namespace) -> int:
    """Send a signal to the container's process, or to all of them."""
    number = parse_signal(arguments.signal)
    with Folder.open(arguments.root, arguments.id) as folder:
        process, cgroup = read_record(folder).process, read_cgroup(folder)
    targets = everybody(process, cgroup) if arguments.all else [process]
    sent = [send_signal(each, number) for each in targets]
    if not any(sent) and not arguments.all:
        raise Refused(f"container not running: {arguments.id}")
    return 0


def pause(arguments: Namespace) -> int:
    """Hold all processes of a container where they are."""
    _hold(arguments, "running", freezer.pause)
    return 0


def resume(arguments: Namespace) -> int:
    """Let them go on."""
    _hold(arguments, "paused", freezer.resume)
    return 0


def _hold(arguments: Namespace, status: str, act: Callable[[Cgroup], None]) -> None:
    with Folder.open(arguments.root, arguments.id, lock=True) as folder:
        found = status_of(folder, read_record(folder))
        # runc holds a created container as well.
        if found != status and not (found == "created" and status == "running"):
            raise Refused(f"container {arguments.id} is {found}, not {status}")
        cgroup = read_cgroup(folder)
        if not cgroup.folders:
            raise Refused(f"container {arguments.id} has no cgroup to hold it by")
        act(cgroup)


def delete(arguments: Namespace) -> int:
    """Remove what create made; a running container only by force."""
    try:
        folder = Folder.open(arguments.root, arguments.id, lock=True)
    except Refused:
        if arguments.force and arguments.id not in list_ids(arguments.root):
            return 0
        raise
    with folder:
        if not folder.is_leftover():
            record = read_record(folder)
            status = status_of(folder, record)
            if status not in ("created", "stopped") and not arguments.force:
                raise Refused(f"container {arguments.id} is {status}: only delete --force ends it")
            _end(record, read_cgroup(folder))
        _remove(folder, arguments.log)
    return 0


def parse_signal(text: str) -> int:
    """Return the number of a signal: 9, KILL, SIGKILL, rtmin+3."""
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+")
    if not sign:
        base, sign, offset = name.partition("-")
    try:
        number = int(name) if name.isdecimal() else int(signal.Signals["SIG" + base])
        if sign and not name.isdecimal():
            number += int(sign + offset)
    except (KeyError, ValueError):
        number = -1
    if number not in signal.valid_signals():
        raise Refused(f"there is no signal {text!r}")
    return number


def start_program(arguments: Namespace) -> None:
    """Have the program run; when a hook fails the container is gone (runtime.md, "Lifecycle")."""
    try:
        _start(arguments.root, arguments.id)
    except LaunchFailed as failure:
        if is_of_hook(failure):
            forget(arguments)
        raise


def _start(root: str, name: str) -> None:
    with Folder.open(root, name, lock=True) as folder:
        record = read_record(folder)
        status = status_of(folder, record)
        if status != "created":
            raise Refused(f"container {name} is {status}: only a created one can be started")
        try:
            say_start(folder.fd)
        except LaunchFailed:
            wait_for_end(record.process, _DYING)  # by itself
            raise
        hooks, cgroup = read_hooks(read_config(folder)), read_cgroup(folder)
    # Without the lock: a hook may call us.
    try:
        run_hooks(hooks, oci_state(record, "running"), "poststart")
    except LaunchFailed:
        _end(record, cgroup)
        raise


def _end(record: Record, cgroup: Cgroup) -> None:
    """Kill everything in it and wait for the end of its first process."""
    freezer.kill_all(cgroup)
    for process in members(record.process):
        send_signal(process, signal.SIGKILL)
    if not wait_for_end(record.process, _DYING):
        raise Refused(f"process {record.process.pid} of container {record.id} does not end")


def forget(arguments: Namespace) -> None:
    """Remove a container that has ended, unless somebody else was faster."""
    try:
        folder = Folder.open(arguments.root, arguments.id, lock=True)
    except Refused:
        return
    with folder:
        if folder.is_leftover() or status_of(folder, read_record(folder)) == "stopped":
            _remove(folder, arguments.log)


def _remove(folder: Folder, log: Log) -> None:
    """Remove what is left of a container, then run its last hooks."""
    if folder.is_leftover():
        clear(folder)
        folder.remove()
        return
    record, hooks = read_record(folder), read_hooks(read_config(folder))
    clear(folder)
    folder.remove()
    folder.close()  # without the lock: a hook may call us
    run_poststop(hooks, oci_state(record, "stopped"), log)


def clear(folder: Folder) -> None:
    """Remove the cgroup and with it whoever is still in there, then what the folder holds."""
    cgroup = read_cgroup(folder)
    if not remove(cgroup):
        raise Refused(f"cgroup {cgroup.folders[0]} is still in use")
    folder.empty()


def run_poststop(hooks: tuple[Hook, ...], state: dict[str, Any], log: Log) -> None:
    """Run them all, whatever becomes of one (runtime.md, "Lifecycle", step 13)."""
    for hook in hooks:
        try:
            run_hooks((hook,), state, "poststop")
        except LaunchFailed as failure:
            log.mention(str(failure))
