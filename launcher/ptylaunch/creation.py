"""Makes containers: the commands create and run.

``create`` does not stay: a created container is its own waiting program and its folder. ``run`` in
the foreground does, and its container ends with it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

from ptylaunch.caller import count_listen_fds, find_preserved, hand_over, pass_signals_on
from ptylaunch.cgroup import remove
from ptylaunch.container import Box, build, choose_cgroup
from ptylaunch.devicerule import read_rules
from ptylaunch.errors import LaunchFailed, Refused
from ptylaunch.folder import Folder, write_whole
from ptylaunch.hook import is_of_hook, read_hooks
from ptylaunch.lifecycle import clear, forget, run_poststop, start_program
from ptylaunch.placement import Cgroup
from ptylaunch.record import base_state, describe, write_cgroup, write_record
from ptylaunch.relay import fit, wait_for
from ptylaunch.sealed import seal_self
from ptylaunch.start import listen
from ptylaunch.terms import Terms
from ptylaunch.value import dict_at

if TYPE_CHECKING:
    from argparse import Namespace

    from ptylaunch.log import Log


def create(arguments: Namespace) -> int:
    """Build a box whose program waits for ``start``, and leave it alone."""
    seal_self()
    _make(arguments, tied=False).let_go()
    return 0


def run(arguments: Namespace) -> int:
    """Create and start; in the foreground also wait, delete and return the program's status."""
    seal_self()
    box = _make(arguments, tied=not arguments.detach)
    try:
        box.let_go()
        if not arguments.detach:
            pass_signals_on(box.pid)
            if box.pty_fd is not None and not arguments.console_socket:
                fit(box.pty_fd)  # before the program can look
        start_program(arguments)
    except BaseException:
        box.discard()
        forget(arguments)
        raise
    if arguments.detach:
        return 0
    status = wait_for(box.init_pid, None if arguments.console_socket else box.pty_fd)
    box.close()
    remove(box.cgroup)
    if not arguments.keep:
        forget(arguments)
    return status


def _make(arguments: Namespace, *, tied: bool) -> Box:
    """Build a box, write it down and hand out what is wanted; after a failure nothing is left."""
    listen_fds = count_listen_fds()
    preserved = find_preserved(listen_fds + arguments.preserve_fds)
    spec = _read_spec(arguments)
    if arguments.cgroup_manager == "disabled":
        _forget_device_rules(spec, arguments.log)
    terms = Terms(
        tied=tied,
        preserved_fds=preserved,
        listen_fds=listen_fds,
        new_keyring=not arguments.no_new_keyring,
        pivot=not arguments.no_pivot,
        state=base_state(arguments.id, arguments.bundle, spec),
    )
    with Folder.claim(arguments.root, arguments.id) as folder:
        box: Box | None = None
        clear(folder)  # of what a killed create has left
        try:
            cgroup = _choose_cgroup(arguments, spec)
            write_cgroup(folder, cgroup)
            with listen(folder.fd) as listener:
                terms = terms._replace(listener=listener)
                box = build(spec, arguments.bundle, stdio=(0, 1, 2), cgroup=cgroup, terms=terms)
            for warning in box.warnings:
                arguments.log.mention(warning)
            hand_over(box.pty_fd, arguments.console_socket, stay=tied)
            record = describe(arguments.id, arguments.bundle, spec, box.init_pid)
            write_record(folder, record, spec)
            if arguments.pid_file:
                write_whole(arguments.pid_file, str(box.init_pid), mode=0o644)
        except BaseException as error:
            if box is not None:
                box.discard()
            folder.remove()
            if isinstance(error, LaunchFailed) and is_of_hook(error):
                # runtime.md, "Lifecycle", step 12: they had begun, so the last ones follow
                run_poststop(read_hooks(spec), {**terms.state, "status": "stopped"}, arguments.log)
            raise
    return box


def _choose_cgroup(arguments: Namespace, spec: dict[str, Any]) -> Cgroup:
    """Say where it is to be; without any, a limit that the spec asks for is an error."""
    if arguments.cgroup_manager == "disabled":
        return Cgroup()
    return choose_cgroup(spec, more=("cpuset", "blkio"))  # which update may want


def _forget_device_rules(spec: dict[str, Any], log: Log) -> None:
    """Rules for devices are a cgroup's: whoever wants none cannot have them, and is told."""
    resources = dict_at(dict_at(spec, "linux", "linux"), "resources", "linux.resources")
    if any(not rule.allow for rule in read_rules(resources, "linux.resources.devices")):
        log.remark("without a cgroup linux.resources.devices is not followed")
    resources.pop("devices", None)


def _read_spec(arguments: Namespace) -> dict[str, Any]:
    return read_object(arguments.config or os.path.join(arguments.bundle, "config.json"))


def read_object(path: str) -> dict[str, Any]:
    """Return the JSON object of a user's file; ``-`` is standard input. Refused says why not."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8", closefd=path != "-") as file:
            spec: Any = json.load(file)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: {error}") from None
    if not isinstance(spec, dict):
        raise Refused(f"{path}: it must be an object")
    return cast("dict[str, Any]", spec)
