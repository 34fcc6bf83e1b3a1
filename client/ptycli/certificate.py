"""Certificates of listeners off loopback: one's own, or one made for the container."""

from __future__ import annotations

import hashlib
import os
import ssl

from ptycli.arguments import Failure


def make_self_signed(directory: str, host: str) -> tuple[str, str]:
    """Write a certificate and its key for ten years; return their paths.

    Nobody vouches for it: the link carries its fingerprint, and ptyc pins that.
    """
    import datetime as dt  # these three only where a listener leaves the machine
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ptyd")])
    try:
        name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = f"{directory}/cert.pem", f"{directory}/key.pem"
    contents = (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    for path, content in zip(paths, contents, strict=True):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(content)
    return paths


def check_pair(certificate: str, key: str) -> None:
    """Raise Failure unless the two files are a certificate and its key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        reason = error.reason or "they do not fit"
        raise Failure(f"--cert {certificate} and --key {key}: {reason}") from None
    except OSError as error:
        raise Failure(f"--cert {certificate}, --key {key}: {error.strerror}") from None


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 of the first certificate in a PEM file, in DER, as hex."""
    with open(certificate, encoding="ascii") as file:
        text = file.read()
    end = "-----END CERTIFICATE-----"
    first = text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
