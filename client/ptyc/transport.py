"""A byte stream to a server: unix, TCP or TLS, never waited for.

The caller polls :attr:`Transport.wants` on :meth:`Transport.fileno` and calls
:meth:`Transport.advance`, :meth:`Transport.receive` and :meth:`Transport.flush`. Nothing here
blocks but :func:`resolve`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyc.fault import Lost, Refused, printable

if TYPE_CHECKING:
    import ssl

    from ptyc.address import Target

CHUNK: Final = 1 << 18
"""Bytes asked for by one receive."""
_PATH_LIMIT: Final = 107  # sun_path is 108 bytes with its NUL, unix(7)


class Address(NamedTuple):
    """One place to connect to; ``where`` is what socket.connect takes."""

    family: int
    where: str | tuple[str, int] | tuple[str, int, int, int]


def resolve(target: Target) -> list[Address]:
    """Return the addresses of a target, best first; may ask the network. Raise :class:`Lost`."""
    if target.path:
        return [Address(socket.AF_UNIX, target.path)]
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise Lost(f"cannot find {target.host}: {reason}") from error
    return [
        Address(family, where)  # type: ignore[arg-type]  # only of AF_INET and AF_INET6
        for family, _, _, _, where in found
    ]


class Transport:
    """One stream; ``is_open`` once bytes may flow."""

    def __init__(self, target: Target, addresses: list[Address]) -> None:
        """Start to connect; raise :class:`Lost` when every address fails at once."""
        self.is_open = False
        self._target = target
        self._addresses = list(addresses)
        self._tls: ssl.SSLSocket | None = None
        self._out = bytearray()
        self._connecting = True
        self._tls_wants = 0
        self._sock = self._dial()

    @property
    def wants(self) -> int:
        """The poll(2) events that this stream waits for."""
        if self._connecting:
            return select.POLLOUT
        if not self.is_open:
            return self._tls_wants
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    @property
    def has_more(self) -> bool:
        """Whether bytes wait inside the TLS layer, where poll(2) does not see them."""
        return self._tls is not None and self.is_open and self._tls.pending() > 0

    @property
    def unsent(self) -> int:
        return len(self._out)

    def fileno(self) -> int:
        return self._sock.fileno()

    def advance(self) -> None:
        """Go on connecting; call when :attr:`wants` was met. Raise Lost or Refused."""
        if self._connecting:
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._sock.close()
                self._sock = self._dial(OSError(code, os.strerror(code)))
                return
            self._connecting = False
        if self._target.tls:
            self._secure()
        else:
            self.is_open = True

    def receive(self) -> bytes | None:
        """Return bytes, b"" at the end of the stream, or None when nothing is there yet."""
        try:
            return self._sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            if _tls_wants(error):
                return None
            raise Lost(f"connection to {self._target.label} broke: {_reason(error)}") from error

    def send(self, data: bytes) -> None:
        self._out += data
        if self.is_open:
            self.flush()

    def flush(self) -> None:
        """Write what can be written now.

        A failure is left to :meth:`receive`, which finds it too, but behind the last bytes that
        the server sent: the program's exit status may be among them.
        """
        while self._out:
            try:
                sent = self._sock.send(self._out)
            except BlockingIOError:
                return
            except OSError as error:
                if not _tls_wants(error):
                    self._out.clear()
                return
            del self._out[:sent]

    def close(self) -> None:
        self._sock.close()

    def _dial(self, error: OSError | None = None) -> socket.socket:
        """Start with the next address; ``error`` is how the last one failed."""
        while self._addresses:
            address = self._addresses.pop(0)
            sock = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                if address.family == socket.AF_UNIX:
                    _connect_unix(sock, str(address.where))
                else:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    sock.connect(address.where)
            except BlockingIOError as again:
                # A unix socket says EAGAIN when its backlog is full: that is no progress, unix(7).
                if again.errno == errno.EINPROGRESS:
                    return sock
                error = again
            except OSError as failed:
                error = failed
            else:
                return sock
            sock.close()
        assert error is not None
        vanished = self._target.is_local and error.errno in (errno.ENOENT, errno.ECONNREFUSED)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Lost(f"cannot connect to {self._target.label}: {reason}", vanished=vanished)

    def _secure(self) -> None:
        import ssl  # 15 ms that plain connections do not pay

        if self._tls is None:
            context = ssl.create_default_context()
            if self._target.fingerprint:
                # The pin says more than any authority could: it is compared below.
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._sock = self._tls = context.wrap_socket(
                self._sock, server_hostname=self._target.host, do_handshake_on_connect=False
            )
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._tls_wants = select.POLLIN
            return
        except ssl.SSLWantWriteError:
            self._tls_wants = select.POLLOUT
            return
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"the certificate of {self._target.label} is not trusted "
                f"({printable(error.verify_message)}): use the whole link, it pins the certificate"
            ) from error
        except ssl.SSLError as error:
            if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
                raise Refused(
                    f"{self._target.label} does not speak TLS: "
                    f"http://{self._target.label}/ connects without, in clear text"
                ) from error
            raise Lost(
                f"{self._target.label} broke off the TLS handshake ({_reason(error)}): "
                f"if it does not speak TLS, http://{self._target.label}/ connects without"
            ) from error
        except OSError as error:
            raise Lost(f"cannot connect to {self._target.label}: {_reason(error)}") from error
        self._check_fingerprint()
        self.is_open = True

    def _check_fingerprint(self) -> None:
        if not self._target.fingerprint:
            return
        import hashlib  # only for pinned certificates

        assert self._tls is not None
        certificate = self._tls.getpeercert(binary_form=True) or b""
        if hashlib.sha256(certificate).hexdigest() != self._target.fingerprint:
            raise Refused(
                f"the certificate of {self._target.label} does not match the link's fingerprint: "
                "get a new link, or somebody is in between"
            )


def _connect_unix(sock: socket.socket, path: str) -> None:
    if len(os.fsencode(path)) <= _PATH_LIMIT:
        sock.connect(path)
        return
    # The directory's fd makes a short name of a long path, proc(5).
    folder_fd = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{folder_fd}/{os.path.basename(path)}")
    finally:
        os.close(folder_fd)


def _tls_wants(error: OSError) -> bool:
    """Tell ssl.SSLWantReadError and -WriteError, without importing ssl for plain sockets."""
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)  # of ssl.SSLError: short, where str() is a novel
    return printable(str(reason or error.strerror or error))
