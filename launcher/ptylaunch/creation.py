"""Makes containers: the commands create and run.

``create`` does not stay: a created container is its own waiting program and its folder. ``run`` in
the foreground does, and its container ends with it.
"""

from __future__ import annotations

import array
import errno
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from ptylaunch.cgroup import remove
from ptylaunch.container import Box, build, choose_cgroup
from ptylaunch.errors import LaunchFailed, Refused
from ptylaunch.folder import Folder, write_whole
from ptylaunch.hook import read_hooks
from ptylaunch.init import exit_code
from ptylaunch.lifecycle import clear, forget, run_poststop, start_program
from ptylaunch.placement import Cgroup
from ptylaunch.record import base_state, describe, write_cgroup, write_record
from ptylaunch.sealed import seal_self
from ptylaunch.start import listen
from ptylaunch.terms import Terms

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

_PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


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
            _pass_signals_on(box.pid)
        start_program(arguments)
    except BaseException:
        box.discard()
        forget(arguments)
        raise
    if arguments.detach:
        return 0
    status = exit_code(os.waitpid(box.init_pid, 0)[1])
    box.close()
    remove(box.cgroup)
    if not arguments.keep:
        forget(arguments)
    return status


def _make(arguments: Namespace, *, tied: bool) -> Box:
    """Build a box, write it down and hand out what is wanted; after a failure nothing is left."""
    # First of all: a number that is not in use would become that of one of ours.
    listen_fds = _listen_fds()
    preserved = frozenset(filter(_is_open, range(3, 3 + listen_fds + arguments.preserve_fds)))
    spec = _read_spec(arguments)
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
            _hand_over(box, arguments.console_socket)
            record = describe(arguments.id, arguments.bundle, spec, box.init_pid)
            write_record(folder, record, spec)
            if arguments.pid_file:
                write_whole(arguments.pid_file, str(box.init_pid), mode=0o644)
        except BaseException as error:
            if box is not None:
                box.discard()
            folder.remove()
            if isinstance(error, LaunchFailed) and error.stage.endswith(" hook"):
                # runtime.md, "Lifecycle", step 12: they had begun, so the last ones follow
                run_poststop(read_hooks(spec), {**terms.state, "status": "stopped"}, arguments.log)
            raise
    return box


def _choose_cgroup(arguments: Namespace, spec: dict[str, Any]) -> Cgroup:
    """Say where it is to be; without any, a limit that the spec asks for is an error."""
    return Cgroup() if arguments.cgroup_manager == "disabled" else choose_cgroup(spec)


def _listen_fds() -> int:
    """Return how many sockets systemd has opened for the container (sd_listen_fds(3))."""
    count = os.environ.get("LISTEN_FDS", "")
    ours = os.environ.get("LISTEN_PID", str(os.getpid())) == str(os.getpid())
    return int(count) if ours and count.isdecimal() and len(count) <= 4 else 0


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _read_spec(arguments: Namespace) -> dict[str, Any]:
    path = arguments.config or os.path.join(arguments.bundle, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            spec: Any = json.load(file)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: {error}") from None
    if not isinstance(spec, dict):
        raise Refused(f"{path}: it must be an object")
    return cast("dict[str, Any]", spec)


def _hand_over(box: Box, path: str | None) -> None:
    """Send the terminal as runc does: one message, the name of the node and one fd."""
    if (box.pty_fd is None) != (path is None):
        detail = (
            "--console-socket wants process.terminal" if path
            else "process.terminal is true: --console-socket is needed"
        )  # fmt: skip
        raise LaunchFailed("spec", errno.EINVAL, detail)
    if box.pty_fd is None or path is None:
        return
    # It is the receiver's now, who expects to get it as open(2) gives it.
    os.set_blocking(box.pty_fd, True)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(path)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [box.pty_fd]))
            sock.sendmsg([b"/dev/ptmx"], [rights])
    except OSError as error:
        raise LaunchFailed("console socket", error.errno or errno.EIO, path) from error


def _pass_signals_on(pid: int) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return  # killed already; waiting for it tells

    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
