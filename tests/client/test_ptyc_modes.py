"""Terminal modes: what is on is switched off, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.modes import Modes


def after(*chunks: bytes) -> Modes:
    modes = Modes()
    for chunk in chunks:
        modes.feed(chunk)
    return modes


@pytest.mark.parametrize(
    ("output", "off"),
    [
        (b"plain text\r\n", b""),
        (b"\x1b[1;31mred\x1b[0m", b""),
        (b"\x1b[31mred", b"\x1b[0m"),
        (b"\x1b[?1049h\x1b[?1000;1006h", b"\x1b[?1049l\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1049h\x1b[?1049l", b""),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?2004h\x1bc", b""),
        (b"\x1b[?1h\x1b=", b"\x1b[?1l\x1b>"),
        (b"\x1b[>1u\x1b[>5u\x1b[<u", b"\x1b[<1u"),
        (b"\x1b[=1;1u", b"\x1b[=0u"),
        (b"\x1b[>4;2m", b"\x1b[>4;0m"),
        (b"\x1b[>4;2m\x1b[>4m", b""),
        (b"\x1b[2;23r", b"\x1b7\x1b[r\x1b8"),
        (b"\x1b[2;23r\x1b[r", b""),
        (b"\x1b(0lqk", b"\x1b(B\x0f"),
        (b"\x1b[5 q", b"\x1b[0 q"),
        (b"\x1b[?99999999999999999999h\x1b[?12345h", b""),
        (b"\x1b]0;unfinished title", b""),
        (b"text\x1b[", b"\x18"),
    ],
)
def test_off(output: bytes, off: bytes) -> None:
    """Sources: xterm's ctlseqs and the kitty keyboard protocol."""
    assert after(output).off() == off


def test_key_encoding() -> None:
    """How modified keys arrive decides how the detach keys look."""
    assert after(b"").key_encoding == "plain"
    assert after(b"\x1b[>1u").key_encoding == "kitty"
    assert after(b"\x1b[>1u\x1b[<u").key_encoding == "plain"
    assert after(b"\x1b[>4;2m").key_encoding == "xterm"


def test_a_reset_forgets() -> None:
    """After a snapshot's reset nothing is left to switch off."""
    modes = after(b"\x1b[?1049h\x1b[31m\x1b[>1u\x1b[")
    modes.feed(modes.reset())

    assert modes.off() == b""
    assert not modes.in_alternate


PIECES = st.sampled_from(
    [
        b"text",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?1002;1006h",
        b"\x1b[?25l",
        b"\x1b[?7l",
        b"\x1b[>1u",
        b"\x1b[<u",
        b"\x1b[>4;2m",
        b"\x1b[3;9r",
        b"\x1b[4 q",
        b"\x1b=",
        b"\x1bc",
        b"\x1b[!p",
        b"\x1b",
        b"\x1b[",
        b"\xff",
    ]
)


@given(st.lists(PIECES), st.integers(1, 7))
def test_chunking_does_not_matter(pieces: list[bytes], size: int) -> None:
    """Split anywhere, the same is on."""
    stream = b"".join(pieces)
    chunks = [stream[index : index + size] for index in range(0, len(stream), size)]

    assert after(*chunks).off() == after(stream).off()


@given(st.lists(PIECES))
def test_off_and_on_again(pieces: list[bytes]) -> None:
    """Off leaves nothing on; on brings the same back."""
    modes = after(*pieces, b"\x1b[0m")
    off, on = modes.off(), modes.on()

    assert after(*pieces, b"\x1b[0m", off).off() == b""
    assert after(on).off() == off


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes(chunks: list[bytes]) -> None:
    """No output makes it raise, and it keeps little."""
    modes = after(*chunks)

    assert len(modes.off()) + len(modes.on()) < 2000
