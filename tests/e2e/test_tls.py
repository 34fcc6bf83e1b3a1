"""Off loopback: TLS or nothing, with a certificate that the link pins."""

from __future__ import annotations

import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from wire_client import Place, WireClient, WrongCertificate

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Container, Ptyd


@pytest.fixture
def shared(ptyd: Ptyd) -> Container:
    return ptyd.start("--listen", "0.0.0.0:0", "sh", "-c", "echo up; cat; exit 3")


def wrong(link: str) -> str:
    """Return the link with one digit of the fingerprint changed."""
    return link[:-1] + ("0" if link[-1] != "0" else "1")


def test_the_link_pins_the_certificate(shared: Container) -> None:
    """A stranger's client that checks the fingerprint gets in, with another one it does not."""
    place = Place.of_link(shared.link())
    with shared.attach(shared.link()) as client:
        client.type("over tls\n")
        client.read_until("over tls\r\nover tls\r\n")

    assert place.tls
    with pytest.raises(WrongCertificate):
        WireClient(place._replace(fingerprint="0" * 64))


def test_ptyc_attaches_by_the_link(ptyd: Ptyd, shared: Container) -> None:
    """And passes on what is typed, the end of it, and the status."""
    done = ptyd.call("ptyc", "--from", "start", shared.link(), stdin=b"")

    assert (done.code, done.err) == (3, "")
    assert done.out.startswith(b"up\r\n")


def test_ptyc_refuses_another_certificate(ptyd: Ptyd, shared: Container) -> None:
    """One line, 125, and the token is not sent."""
    done = ptyd.call("ptyc", wrong(shared.link()))

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1
    assert "certificate" in done.err


def test_ptyc_without_a_fingerprint_trusts_nobody_unknown(ptyd: Ptyd, shared: Container) -> None:
    """A self-signed certificate is no certificate then."""
    done = ptyd.call("ptyc", shared.link().partition("&fp=")[0])

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1


def test_plain_http_is_refused(shared: Container) -> None:
    """On the port that speaks TLS, with a line that says so."""
    with socket.create_connection(("127.0.0.1", shared.port()), timeout=20) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while data := sock.recv(4096):
            answer += data

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https" in answer


def test_a_broken_tls_handshake_harms_nobody(shared: Container) -> None:
    """Noise behind a hello's first byte, or a hello that never ends."""
    for rest in (b"\x03\x01\x40\x00" + bytes(range(256)) * 8, b"\x03"):
        with socket.create_connection(("127.0.0.1", shared.port()), timeout=20) as sock:
            sock.sendall(b"\x16" + rest)
            with shared.attach(shared.link()) as client:
                client.read_until("up")


def test_megabytes_pass_over_tls(ptyd: Ptyd) -> None:
    """Byte-exact, and on over a server's death."""
    script = "stty raw -echo; read go; seq 1 300000; read go; seq 1 300000"
    container = ptyd.start("--listen", "0.0.0.0:0", "sh", "-c", script)
    printed = b"".join(b"%d\n" % number for number in range(1, 300_001))
    client = container.attach(container.link())
    client.type("\n")
    client.wait_until(lambda: client.offset == len(printed))
    container.kill_server()
    client.read_to_end()
    again = client.again()
    with again:
        again.type("\n")
        again.read_to_end()

    assert client.output == printed
    assert again.output == printed


def test_ones_own_certificate_is_used(ptyd: Ptyd, tmp_path: Path) -> None:
    """``--cert --key``, on loopback too; its fingerprint is in the link."""
    cert, key = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    request += ["-nodes", "-subj", "/CN=mine", "-days", "2", "-keyout", key, "-out", cert]
    subprocess.run(request, check=True, capture_output=True, timeout=30)
    container = ptyd.start("--cert", cert, "--key", key, "sh", "-c", "echo up; cat")
    with container.attach(container.link()) as client:
        client.read_until("up")
        assert isinstance(client.socket, ssl.SSLSocket)
        certificate = client.socket.getpeercert(binary_form=True)

    assert certificate is not None
    assert ssl.DER_cert_to_PEM_cert(certificate).split() == (tmp_path / "c.pem").read_text().split()


def test_a_certificate_and_another_ones_key_are_refused(ptyd: Ptyd, tmp_path: Path) -> None:
    """One line, 125."""
    for name in ("a", "b"):
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
        request += ["-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.crt")]
        subprocess.run(request, check=True, capture_output=True, timeout=30)
    pair = ["--cert", str(tmp_path / "a.crt"), "--key", str(tmp_path / "b.key")]
    done = ptyd("run", "--listen", "0.0.0.0:0", *pair, "true")

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1
    assert ptyd.left() == []
