"""A second program in the box of another OCI runtime: its ``exec`` command, polled."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, Any

from ptykeep.removal import remove_tree
from ptykeep.runtime import Call, Runtime
from ptykeep.state import write_json
from ptylaunch.account import parse_user, resolve
from ptylaunch.errors import LaunchFailed, failure_from
from ptylaunch.join import WITHIN
from ptylaunch.pipes import give_pipes
from ptylaunch.plan import host_id
from ptylaunch.rootfs import Rootfs
from ptylaunch.spec import read_plan

if TYPE_CHECKING:
    from ptykeep.wish import Wish


class Entry:
    """One program on its way: what ``ptylaunch.join.Joining`` is for a box of our own."""

    def __init__(
        self,
        runtime: Runtime,
        spec: dict[str, Any],
        directory: str,
        wish: Wish,
        stdio: tuple[int, int, int] | None,
    ) -> None:
        """Start the command; raise LaunchFailed with nothing left.

        ``spec`` and ``directory`` are the container's, ``stdio`` as for a Joining.
        """
        self.pid = -1
        """Host pid of the program, our child; -1 until it is known."""
        self.pty_fd: int | None = None
        self.tty_fd: int | None = None
        self.deadline = time.monotonic() + WITHIN
        self._program = wish.program
        self._folder = f"{runtime.folder}/exec-{os.urandom(6).hex()}"
        plan = read_plan(spec, directory)
        try:
            process = _process(wish, plan.root)
            user = process["user"]
            give_pipes(
                stdio, host_id(user["uid"], plan.uid_map), host_id(user["gid"], plan.gid_map)
            )
            os.mkdir(self._folder, 0o700)
            write_json(f"{self._folder}/process.json", process)
            words = ("exec", "--process", "process.json", "--detach", "--pid-file", "pid")
            self._call = Call(
                runtime,
                self._folder,
                (*words, runtime.id),
                stdio=stdio,
                console=self._program.terminal,
            )
        except OSError as error:
            remove_tree(self._folder)
            raise failure_from(error, "exec") from error

    def fileno(self) -> int:
        """Readable when :meth:`advance` has something to do: the command has ended."""
        return self._call.pidfd

    def learn(self) -> None:
        """Find out the program's pid, if it is known by now."""
        if self.pid < 0:
            self.pid = self._call.read_pid() or -1

    def advance(self) -> bool:
        """Return whether the program runs; raise LaunchFailed when it will not."""
        if not select.select([self.fileno()], [], [], 0)[0]:
            if time.monotonic() < self.deadline:
                return False
            self._kill()
            self._settle()
            raise LaunchFailed("exec", errno.ETIMEDOUT)
        self.learn()
        try:
            if self.pid < 0:
                raise self._call.failure()
            if self._program.terminal:
                self.pty_fd, self.tty_fd = self._call.take_terminal()
                size = struct.pack("HHHH", self._program.rows, self._program.cols, 0, 0)
                fcntl.ioctl(self.pty_fd, termios.TIOCSWINSZ, size)
        except OSError as error:
            raise failure_from(error, "exec") from error
        finally:
            self._settle()
        return True

    def _kill(self) -> None:
        try:
            signal.pidfd_send_signal(self._call.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _settle(self) -> None:
        self._call.close()
        remove_tree(self._folder)


def _process(wish: Wish, root: str) -> dict[str, Any]:
    """Return what ``exec --process`` takes, its user looked up in the root's files."""
    process = {**wish.process}
    if not wish.user:
        return process
    try:
        wanted = parse_user(wish.user)
    except ValueError as error:
        raise LaunchFailed("spec", errno.EINVAL, str(error)) from None
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        account = resolve(Rootfs(root_fd), wanted)
    finally:
        os.close(root_fd)
    process["user"] = {
        "uid": account.uid,
        "gid": account.gid,
        "additionalGids": list(account.groups),
    }
    if wish.find_home:
        kept = [entry for entry in process["env"] if not entry.startswith("HOME=")]
        process["env"] = [*kept, f"HOME={account.home}"]
    return process
