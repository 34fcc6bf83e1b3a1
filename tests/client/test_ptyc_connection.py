"""Connections: TLS with a pinned certificate, refusals, and servers that are something else."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import ipaddress
import os
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fake_ptyd import TIMEOUT, TOKEN, FakePtyd
from ptyc.address import Target
from ptyc.connection import Connection, Ended
from ptyc.fault import Lost, Refused
from ptyc.transport import resolve
from ptywire import message as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def serve_until(connection: Connection, condition: Callable[[], bool]) -> list[bytes]:
    """Drive a connection until ``condition``; return the messages that came."""
    messages: list[bytes] = []
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        poll = select.poll()
        poll.register(connection, connection.wants)
        if connection.has_more or poll.poll(TIMEOUT * 1000):
            messages += connection.ready()
    return messages


@contextlib.contextmanager
def connected(target: Target) -> Iterator[Connection]:
    connection = Connection(target, resolve(target))
    try:
        serve_until(connection, lambda: connection.is_open)
        yield connection
    finally:
        connection.close()


def connect(target: Target) -> None:
    with connected(target):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A self-signed certificate for 127.0.0.1, as a server's context, and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ptyd test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


def test_messages_both_ways() -> None:
    """Order and size are kept, up to the largest messages of the wire."""
    picture = wire.Snapshot(1, 2, 3, bytes(wire.MAX_SNAPSHOT - wire.SNAPSHOT_HEADER))
    with FakePtyd() as server, connected(Target("127.0.0.1", server.port)) as connection:
        peer = server.accept()
        connection.send(wire.encode(wire.Resize(3, 4)))
        large = os.urandom(wire.MAX_MESSAGE - wire.OUTPUT_HEADER)
        assert peer.receive() == wire.Resize(3, 4)
        sender = threading.Thread(
            target=lambda: [
                peer.send(wire.Output(1, large)),
                peer.send(picture),
                peer.connection.send([b"\x01" + bytes(7), b"\x05frag", b"mented"]),
                peer.close(wire.CLOSE_EXITED, "done"),
            ]
        )
        sender.start()
        messages = serve_until(connection, lambda: connection.ended is not None)
        sender.join()

        assert messages == [
            wire.encode(wire.Output(1, large)),
            wire.encode(picture),
            wire.encode(wire.Output(5, b"fragmented")),
        ]
        assert connection.ended == Ended(wire.CLOSE_EXITED, "done")


def test_a_pinned_certificate(certificate: tuple[ssl.SSLContext, str]) -> None:
    """The link's fingerprint is enough, and large messages pass through TLS."""
    context, fingerprint = certificate
    with FakePtyd(tls=context) as server:
        target = Target("127.0.0.1", server.port, TOKEN, fingerprint=fingerprint, tls=True)
        with connected(target) as connection:
            peer = server.accept()
            sender = threading.Thread(
                target=lambda: [peer.send(wire.Output(1, b"z" * 900_000)), peer.close(4000)]
            )
            sender.start()
            messages = serve_until(connection, lambda: connection.ended is not None)
            sender.join()

    assert len(messages) == 1
    assert len(messages[0]) == 900_000 + wire.OUTPUT_HEADER


def test_another_certificate(certificate: tuple[ssl.SSLContext, str]) -> None:
    """A certificate that is not the pinned one never sees the token."""
    with FakePtyd(tls=certificate[0]) as server:
        target = Target("127.0.0.1", server.port, TOKEN, fingerprint="0" * 64, tls=True)
        with pytest.raises(Refused, match="does not match the link's fingerprint"):
            connect(target)


def test_an_unknown_authority(certificate: tuple[ssl.SSLContext, str]) -> None:
    """Without a pin the system's authorities decide."""
    with FakePtyd(tls=certificate[0]) as server, pytest.raises(Refused, match="is not trusted"):
        connect(Target("127.0.0.1", server.port, TOKEN, tls=True))


def test_tls_to_a_server_without() -> None:
    """The user learns which scheme to write, whether the server answers in HTTP or hangs up."""
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with (
        answering(answer) as target,
        pytest.raises(Refused, match="does not speak TLS: http://"),
    ):
        connect(target._replace(tls=True))
    with (
        FakePtyd() as server,
        pytest.raises(Lost, match="if it does not speak TLS, http://"),
    ):
        connect(Target("127.0.0.1", server.port, TOKEN, tls=True))


@contextlib.contextmanager
def answering(data: bytes) -> Iterator[Target]:
    """A server that answers any request with ``data`` and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        yield Target("127.0.0.1", listener.getsockname()[1])
        thread.join(TIMEOUT)


@pytest.mark.parametrize(
    ("answer", "error", "line"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot\x1bhere\n",
            Refused,
            r"403 not\?here$",
        ),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Refused, "404 Not Found"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Lost, "503 Busy"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refused, "200 OK"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Refused, "did not answer as a ptyd server does"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Refused, "did not answer as a ptyd"),
        (b"", Lost, "closed the connection"),
    ],
)
def test_answers_that_are_no_welcome(answer: bytes, error: type[Exception], line: str) -> None:
    """A no is final, a failure is not, and neither can drive the terminal."""
    with answering(answer) as target, pytest.raises(error, match=line):
        connect(target)


def test_a_text_message_is_refused() -> None:
    """The wire is binary."""
    with FakePtyd() as server, connected(Target("127.0.0.1", server.port)) as connection:
        server.accept().connection.send("text")
        with pytest.raises(Refused, match="text message"):
            serve_until(connection, lambda: False)


def test_a_message_that_is_too_large() -> None:
    """More than a message may be is the end of the connection, not of the memory."""
    with FakePtyd() as server, connected(Target("127.0.0.1", server.port)) as connection:
        peer = server.accept()

        def send() -> None:
            with contextlib.suppress(OSError):
                peer.connection.socket.sendall(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))

        send()
        with pytest.raises(Refused, match="broke the protocol"):
            serve_until(connection, lambda: False)


def test_a_long_path(tmp_path: Path) -> None:
    """A socket whose path does not fit into sun_path (unix(7)) can be reached."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    path = folder / "control.sock"
    before = os.getcwd()
    os.chdir(folder)
    try:
        server = FakePtyd("control.sock")
    finally:
        os.chdir(before)
    with server, connected(Target(path=str(path))) as connection:
        assert connection.is_open


def test_nobody_listens(tmp_path: Path) -> None:
    """A unix socket without a listener has vanished; a port has only not answered."""
    with pytest.raises(Lost) as lost:
        Connection(
            Target(path=str(tmp_path / "none")), resolve(Target(path=str(tmp_path / "none")))
        )
    assert lost.value.vanished
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", closed.getsockname()[1])
        with pytest.raises(Lost, match="Connection refused") as lost:
            connect(target)
    assert not lost.value.vanished


def test_the_next_address_is_tried() -> None:
    """A name may have an address on which nobody listens."""
    with FakePtyd() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", server.port)
        wrong = resolve(Target("127.0.0.1", closed.getsockname()[1]))
        connection = Connection(target, [*wrong, *resolve(target)])
        serve_until(connection, lambda: connection.is_open)
        connection.close()

        assert server.accept()


def test_a_name_that_does_not_exist() -> None:
    """The resolver's reason is passed on."""
    with pytest.raises(Lost, match=r"cannot find nobody\.invalid"):
        resolve(Target("nobody.invalid", 1))
