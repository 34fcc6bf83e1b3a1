"""Where log entries are delivered: a file of docker's json-file, journald, or syslog."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ptycli.failure import Failure
from ptycli.transcript.lines import JsonFile
from ptyd.journal.index import STDERR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptycli.transcript.entry import Entry

KINDS: Final = ("json-file", "journald", "syslog")
_JOURNALD: Final = "/run/systemd/journal/socket"
_SYSLOG: Final = "/dev/log"
_ERR, _INFO = 3, 6
"""Severities of standard error and output, docker's (RFC 5424, 6.2.1)."""
_DAEMON: Final = 3 << 3
"""The facility, docker's."""


class About(NamedTuple):
    """What entries say of where they are from."""

    id: str
    name: str
    image: str
    pid: int


class Place(Protocol):
    """Raises OSError."""

    def resume(self, known: Any) -> Any:
        """Go on from what :meth:`sync` returned last, None at the first time; return as sync."""
        ...

    def write(self, entries: Sequence[Entry]) -> None: ...

    def sync(self) -> Any:
        """Have what was written be there for good; return what to :meth:`resume` from."""
        ...


def make_place(target: str, about: About) -> Place:
    """Return the place of ``KIND[=WHERE]``; raise Failure."""
    kind, _, where = target.partition("=")
    if kind not in KINDS or (kind == "json-file" and not where):
        raise Failure(f"--to {target}: it is json-file=FILE, journald or syslog", 1)
    if kind == "json-file":
        return File(os.path.abspath(where))
    if kind == "journald":
        return Journald(where or _JOURNALD, about)
    return Syslog(where or _SYSLOG, about)


class File:
    """A file that entries are appended to, each once, also by who was killed before it noted so.

    What is behind the end that was noted last is ours if it is what we write next: it stays.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._form = JsonFile()
        self._fd = -1
        self._seen = 0
        """Up to here the file has what we would write, or what others have written."""
        self._open()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Failure(f"--to json-file={self._path}: not a file", 1)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._seen = os.fstat(fd).st_size

    def resume(self, known: Any) -> Any:
        status = os.fstat(self._fd)
        if known and known[0] == status.st_ino and known[1] <= status.st_size:
            self._seen = known[1]
        return [status.st_ino, self._seen]

    def write(self, entries: Sequence[Entry]) -> None:
        data = b"".join(self._form.encode(entry) for entry in entries)
        data = data[self._skip(data) :]
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
            self._seen = os.lseek(self._fd, 0, os.SEEK_CUR)  # behind what others wrote, too

    def _skip(self, data: bytes) -> int:
        """Return how many of these bytes are there already, from a run that was killed."""
        size = os.fstat(self._fd).st_size
        if self._seen >= size:
            self._seen = size
            return 0
        there = os.pread(self._fd, len(data), self._seen)
        same = _same(there, data)
        if same < len(data) and self._seen + same < size:
            # What follows is another's: whole lines alone are ours.
            same = data.rfind(b"\n", 0, same) + 1
            self._seen = size
            return same
        self._seen += same
        return same

    def sync(self) -> Any:
        os.fdatasync(self._fd)
        place = [os.fstat(self._fd).st_ino, self._seen]
        try:
            moved = os.stat(self._path).st_ino != place[0]
        except FileNotFoundError:
            moved = True
        if moved:  # rotated, as by logrotate(8): what follows goes to the new one
            self._open()
            place = [os.fstat(self._fd).st_ino, self._seen]
        return place


def _same(one: bytes, other: bytes) -> int:
    """Return how many bytes two begin with alike."""
    if other.startswith(one):
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


class _Datagrams(ABC):
    """A socket that takes one entry at a time."""

    def __init__(self, path: str, about: About) -> None:
        self._about = about
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise Failure(f"nobody listens at {path}: {error.strerror}", 1) from None

    def resume(self, known: Any) -> Any:
        return known

    def sync(self) -> Any:
        return None

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._send(self.encode(entry))

    @abstractmethod
    def encode(self, entry: Entry) -> bytes:
        """Return the datagram of an entry."""

    def _send(self, data: bytes) -> None:
        while True:
            try:
                self._socket.send(data)  # it waits where there is no room: the program does not
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.01)  # of the system's memory, for which there is no event
            else:
                return


class Journald(_Datagrams):
    """The native protocol (systemd's JOURNAL_NATIVE_PROTOCOL), with docker's fields."""

    def encode(self, entry: Entry) -> bytes:
        about = self._about
        fields = {
            "PRIORITY": str(_severity(entry)),
            "SYSLOG_IDENTIFIER": about.name,
            "CONTAINER_ID": about.id[:12],
            "CONTAINER_ID_FULL": about.id,
            "CONTAINER_NAME": about.name,
            "IMAGE_NAME": about.image,
            "SYSLOG_TIMESTAMP": f"{entry.time_ns // 10**9}.{entry.time_ns % 10**9:09}",
            **({} if entry.is_whole else {"CONTAINER_PARTIAL_MESSAGE": "true"}),
        }
        texts = {key: text.encode("utf-8", "replace") for key, text in fields.items()}
        return b"".join(
            _field(key, text) for key, text in (*texts.items(), ("MESSAGE", entry.data))
        )


def _field(key: str, value: bytes) -> bytes:
    """Return a field with its length: it may hold anything."""
    return key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


class Syslog(_Datagrams):
    """What syslog(3) sends: ``<PRIORITY>TIME NAME[PID]: LINE``."""

    def encode(self, entry: Entry) -> bytes:
        priority = _DAEMON | _severity(entry)
        at = time.localtime(entry.time_ns // 10**9)
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[at.tm_mon - 1]  # fmt: skip
        clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
        head = f"<{priority}>{month} {at.tm_mday:2} {clock} {self._about.name}[{self._about.pid}]: "
        return head.encode() + entry.data.replace(b"\0", b"?")


def _severity(entry: Entry) -> int:
    return _ERR if entry.kind == STDERR else _INFO
