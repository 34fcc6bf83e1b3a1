"""TLS without a transport: bytes in, bytes out, so that a half-close works as on a plain socket."""

from __future__ import annotations

import ssl
from typing import Final

from ptyd.net.channel import TlsFailed

_READ: Final = 64 << 10


class Tls:
    """The server's side of one TLS connection (RFC 8446) on two memory buffers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._ready = False
        self.at_eof = False

    def decrypt(self, data: bytes) -> bytes:
        """Take what the peer sent and return what it said; raise TlsFailed."""
        self._in.write(data)
        plain = bytearray()
        try:
            if not self._ready:
                self._tls.do_handshake()
                self._ready = True
            while chunk := self._tls.read(_READ):
                plain += chunk
            self.at_eof = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.at_eof = True
        except ssl.SSLError as error:
            raise TlsFailed(str(error)) from None
        return bytes(plain)

    def encrypt(self, data: bytes) -> bytes:
        """Return the records that carry ``data``; raise TlsFailed where there can be none."""
        if not self._ready:
            raise TlsFailed("the handshake is not over")
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise TlsFailed(str(error)) from None
        return self._out.read()

    def to_send(self) -> bytes:
        """Return what the protocol itself has to say."""
        return self._out.read()

    def close(self) -> bytes:
        """Return the closing alert."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the peer's alert too, which we do not wait for
        return self._out.read()


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return the context of a listener; raise OSError when the files are no use."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
