"""The raw dialect: browsers and TLS clients are told from people, byte by byte."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptywire.raw import SNIFF, is_foreign

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_http_is_foreign(method: str) -> None:
    """A page can make a browser send any of these."""
    assert is_foreign(f"{method} / HTTP/1.1\r\n".encode()) is True


def test_a_tls_hello_is_foreign() -> None:
    """The first bytes that a real TLS client sends."""
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()

    assert is_foreign(hello.read()) is True


@pytest.mark.parametrize(
    "head", [b"ls\r", b"get / ", b"GETTY", b"POSTER ", b"\x03", b"\x16\x01", b"\xff\xfb\x1f", b"\r"]
)
def test_what_people_and_telnet_send_is_not(head: bytes) -> None:
    """Commands, control keys, telnet's options, and words that only begin like a method."""
    assert is_foreign(head) is False


@given(st.binary(max_size=20) | st.sampled_from(METHODS).map(lambda word: f"{word} /x".encode()))
def test_a_verdict_is_final(data: bytes) -> None:
    """More bytes turn "not yet known" into a verdict and never change one."""
    verdicts = [is_foreign(data[:length]) for length in range(len(data) + 1)]
    decided = [verdict for verdict in verdicts if verdict is not None]

    assert len(set(decided)) <= 1
    assert verdicts == [None] * (len(verdicts) - len(decided)) + decided


@given(st.binary(min_size=SNIFF, max_size=SNIFF + 4))
def test_sniff_is_enough(head: bytes) -> None:
    """With that many bytes there is always a verdict."""
    assert is_foreign(head) is not None


def test_nothing_is_not_yet_known() -> None:
    """An empty head decides nothing."""
    assert is_foreign(b"") is None
