"""The command line of another OCI runtime: how it is called, and what it says when it fails.

It keeps what it knows of our one container in a folder of the container's own, so that whoever
finds the container without a keeper can have the runtime delete it.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
from typing import Any, Final, NamedTuple, NoReturn, cast

from ptylaunch import syscall as sc
from ptylaunch.child import FAILED, forget_caller, keep_only
from ptylaunch.errors import LaunchFailed
from ptylaunch.program import place

WITHIN: Final = 60.0
"""Seconds that one command may take."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONSOLE: Final = "console.sock"
_LOG: Final = "log"
_PID: Final = "pid"
_LARGEST: Final = 1 << 20
"""Bytes that are read of what a runtime says of itself."""
_TIOCGPTPEER: Final = 0x5441  # ioctl_tty(2); _IO('T', 0x41), the same on what we run on
_TIOCGPTN: Final = 0x80045430
_EXECUTION: Final = ("exec: ", "executable file")
_NOT_THERE: Final = ("not found", "no such file")


class RuntimeFailed(LaunchFailed):
    """What a runtime said, as one line; the exit code is docker's, as far as the line tells it."""

    def __init__(self, name: str, line: str) -> None:
        super().__init__(name, 0, line)

    def __str__(self) -> str:
        return f"{self.stage}: {self.detail}"

    @property
    def exit_code(self) -> int:
        line = self.detail.lower()
        if not any(words in line for words in _EXECUTION):
            return 125
        return 127 if any(words in line for words in _NOT_THERE) else 126


class Runtime(NamedTuple):
    """A runtime and the one container that it has of us; ``folder`` is ours and the runtime's."""

    path: str
    folder: str
    id: str

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    def call(self, *words: str) -> None:
        """Run one command to its end on no streams; raise RuntimeFailed."""
        call = Call(self, self.folder, words)
        try:
            call.wait()
        finally:
            call.close()

    def maps_ids(self) -> bool:
        """Tell whether it says of itself that it can show mounts under other ids.

        runc says so from 1.2 on (runtime-spec, features-linux.md, ``mountExtensions``).
        """
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        said = os.memfd_create("features")
        call = Call(self, self.folder, ("features",), stdio=(null, said, null))
        try:
            call.wait()
            features: Any = json.loads(os.pread(said, _LARGEST, 0))
            return features["linux"]["mountExtensions"]["idmap"]["enabled"] is True
        except (RuntimeFailed, OSError, ValueError, LookupError, TypeError):
            return False  # it has no such command, or says nothing of them
        finally:
            call.close()
            os.close(said)
            os.close(null)

    def to_json(self) -> dict[str, str]:
        return self._asdict()


def from_json(fields: object) -> Runtime | None:
    """Return what :meth:`Runtime.to_json` was made of."""
    return Runtime(**cast("dict[str, str]", fields)) if isinstance(fields, dict) else None


def delete(runtime: Runtime) -> None:
    """End the container and have the runtime forget it, if it knows it."""
    try:
        runtime.call("delete", "--force", runtime.id)
    except (LaunchFailed, OSError):
        return  # it was never created, or the runtime is not there any more


def release(state: dict[str, Any]) -> bool:
    """Delete what a state.json says that a runtime has; return whether there was something."""
    runtime = from_json(state.get("runtime"))
    if runtime is None:
        return False
    delete(runtime)
    state["runtime"] = None
    return True


class Call:
    """One command on its way. ``folder`` is where it runs and puts its log, pid and console."""

    def __init__(
        self,
        runtime: Runtime,
        folder: str,
        words: tuple[str, ...],
        *,
        stdio: tuple[int, int, int] | None = None,
        console: bool = False,
        bind: tuple[str, str] | None = None,
    ) -> None:
        """Start it; ``bind`` are two folders: in its eyes the first is at the second as well."""
        self._runtime = runtime
        self._folder = folder
        for name in (_LOG, _PID, _CONSOLE):
            try:
                os.unlink(f"{folder}/{name}")
            except FileNotFoundError:
                continue
        self._listener = _listen(folder) if console else None
        given = ("--console-socket", _CONSOLE) if console else ()
        log = f"{folder}/{_LOG}"
        self._command = [
            runtime.path, "--root", f"{runtime.folder}/root", "--log", log, "--log-format", "json",
            words[0], *given, *words[1:],
        ]  # fmt: skip
        self.pid = os.fork()
        if self.pid == 0:
            self._become(stdio, bind)
        self.pidfd = os.pidfd_open(self.pid)

    def wait(self, seconds: float = WITHIN) -> None:
        """Wait for its end; raise RuntimeFailed if it went wrong."""
        ended = select.select([self.pidfd], [], [], seconds)[0]
        if not ended:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        try:
            status = os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            status = 0  # somebody else reaped it: what it has written tells
        if not ended:
            raise RuntimeFailed(self._runtime.name, f"no answer within {seconds:.0f} s")
        if status:
            raise self.failure()

    def failure(self) -> RuntimeFailed:
        """Return what the log says, its last error."""
        lines: list[bytes] = []
        try:
            with open(f"{self._folder}/{_LOG}", "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            pass
        for line in reversed(lines):
            try:
                fields: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            if fields.get("level") in ("error", "fatal"):
                text = " ".join(str(fields.get("msg", "")).split())
                return RuntimeFailed(self._runtime.name, text)
        return RuntimeFailed(self._runtime.name, "it failed and did not say why")

    def read_pid(self) -> int:
        """Return the pid that it wrote into ``--pid-file pid``, 0 while there is none."""
        try:
            with open(f"{self._folder}/{_PID}", encoding="ascii") as file:
                return int(file.read() or 0)
        except (OSError, ValueError):
            return 0

    def take_terminal(self) -> tuple[int, int]:
        """Return our end, non-blocking, and the program's, of the terminal that it has sent.

        One message with one descriptor (runc's docs/terminals.md); whatever else comes is refused.
        """
        assert self._listener is not None
        self._listener.settimeout(0)  # it has ended, so it has connected
        with self._listener.accept()[0] as connection:
            connection.settimeout(WITHIN)
            _, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        if len(fds) != 1:
            for fd in fds:
                os.close(fd)
            raise RuntimeFailed(self._runtime.name, f"{len(fds)} descriptors for a terminal")
        try:
            fcntl.ioctl(fds[0], _TIOCGPTN, struct.pack("I", 0))  # is it one?
            os.set_inheritable(fds[0], False)
            os.set_blocking(fds[0], False)
            flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
            return fds[0], int(fcntl.ioctl(fds[0], _TIOCGPTPEER, flags))
        except BaseException:
            os.close(fds[0])
            raise

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        os.close(self.pidfd)

    def _become(self, stdio: tuple[int, int, int] | None, bind: tuple[str, str] | None) -> NoReturn:
        try:
            forget_caller(self._runtime.name)
            os.chdir(self._folder)
            if bind is not None:
                sc.unshare(sc.CLONE_NEWNS)
                sc.mount(None, "/", None, sc.MS_SLAVE | sc.MS_REC)
                sc.mount(bind[0], bind[1], None, sc.MS_BIND | sc.MS_REC)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            place(stdio or (null, null, null))
            keep_only(())
            os.execve(self._command[0], self._command, {"PATH": _PATH})
        except OSError as error:
            text = json.dumps({"level": "error", "msg": str(error.strerror)})
            with open(_LOG, "w", encoding="utf-8") as log:
                log.write(text)
        finally:
            os._exit(FAILED)


def _listen(folder: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:  # by the fd: a path of over 107 bytes is none for a socket, unix(7)
        listener.bind(f"/proc/self/fd/{folder_fd}/{_CONSOLE}")
        listener.listen(1)
    finally:
        os.close(folder_fd)
    return listener
