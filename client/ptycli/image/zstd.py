"""Layers that are packed with zstd, unpacked by the program of that name: Python has no module.

It is C and reads what anybody may have made, so it runs as nobody, with no more memory than its
largest window wants, and on two descriptors. Layers are read where nothing of the host has a name
any more (chroot(2)), where no program can be started; so a process is forked before that, which
starts one on each pair of descriptors that it is sent, and answers with its exit status.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
from typing import TYPE_CHECKING, Final, NoReturn

from ptylaunch import syscall as sc
from ptylaunch.child import FAILED, keep_only
from ptylaunch.program import place

if TYPE_CHECKING:
    from ptycli.image.content import Readable

_PIECE: Final = 1 << 18
_WINDOW: Final = 128 << 20
"""Bytes: what zstd itself takes for safe (zstd(1), --memory)."""
_MEMORY: Final = 4 * _WINDOW
_NOBODY: Final = 65534


class Starter:
    """The process that starts a program on each pair of descriptors that it is sent."""

    def __init__(self, program: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            _be_starter(theirs, program)
        theirs.close()
        self._stream: Stream | None = None

    def open(self, source: Readable) -> Stream:
        """Return what ``source`` unpacks to, a stream at a time."""
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with theirs:
            socket.send_fds(self._socket, [b"!"], [theirs.fileno(), writing])
        os.close(writing)
        self._stream = Stream(source, ours, reading, self._socket)
        return self._stream

    def close(self) -> None:
        """End the process, and a program that has not come to its end."""
        if self._stream is not None:
            self._stream.close()
        self._socket.close()
        os.waitpid(self._pid, 0)


class Stream:
    """Reads from one end of a program what it is fed at the other."""

    def __init__(
        self, source: Readable, feed: socket.socket, reading: int, answer: socket.socket
    ) -> None:
        self._source = source
        self._feed: socket.socket | None = feed
        self._reading = reading
        self._answer = answer
        self._waiting = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end; EOFError when it is no good."""
        if self._reading < 0:
            return b""
        while True:
            poll = select.poll()
            poll.register(self._reading, select.POLLIN)
            if self._feed is not None:
                poll.register(self._feed, select.POLLOUT)
            ready = {fd for fd, _ in poll.poll()}
            if self._reading in ready:
                if data := os.read(self._reading, size):
                    return data
                self._finish()
                return b""
            self._feed_on()

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def _feed_on(self) -> None:
        assert self._feed is not None
        if not self._waiting:
            self._waiting = memoryview(self._source.read(_PIECE))
        if not self._waiting:
            self._feed.close()
            self._feed = None
            return
        try:
            # No SIGPIPE, which is fatal here, and no waiting for who may wait for us to read.
            sent = self._feed.send(self._waiting, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._feed.close()  # it has ended: the status tells why
            self._feed = None
            return
        self._waiting = self._waiting[sent:]

    def _finish(self) -> None:
        self.close()
        if self._answer.recv(1) != b"\0":
            raise EOFError("zstd does not understand it, or it wants too much memory")


def _be_starter(sock: socket.socket, program: str) -> NoReturn:
    try:
        sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)
        keep_only([sock.fileno()])
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        while True:
            _, fds, _, _ = socket.recv_fds(sock, 1, 2, socket.MSG_CMSG_CLOEXEC)
            if len(fds) != 2:
                os._exit(0)  # there are no more layers
            pid = os.fork()
            if pid == 0:
                _be_program(program, fds[0], fds[1], null)
            for fd in fds:
                os.close(fd)
            status = os.waitpid(pid, 0)[1]
            sock.send(b"\1" if status else b"\0")
    finally:
        os._exit(FAILED)


def _be_program(program: str, reading: int, writing: int, null: int) -> NoReturn:
    try:
        place((reading, writing, null))
        keep_only(())
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # where only root exists, nobody does not
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)  # the change of identity would clear it
        sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
        words = ["-d", "-c", "-q", "--no-sparse", f"--memory={_WINDOW}"]
        os.execve(program, [program, *words], {})
    finally:
        os._exit(FAILED)
