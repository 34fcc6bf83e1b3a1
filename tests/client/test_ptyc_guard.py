"""What the terminal is kept from: exactly that, under any split, and nothing else."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.ground import Ground
from ptyc.guard import LIMIT, Guard

READS = [
    b"\x1b]52;c;?\x07",
    b"\x1b]52;;?\x1b\\",
    b"\x1b]0052;pc;?\x07",
    b"\x1b]\x005\x0b2;c;\x1c?\x07",
    b"\x1b\x00]52;c;?\x18",
    b"\xc2\x9d52;c;?\xc2\x9c",
    b"\x1b]52;c;?and more\x1b\\",
]
WRITES = [b"\x1b]52;c;aGVsbG8=\x07", b"\x1b]52;;aGVsbG8=\x1b\\", b"\xc2\x9d52;p;\xc2\x9c"]
REPORTS = [
    b"\x1b[20t",
    b"\x1b[21t",
    b"\x1b[021;1;2t",
    b"\x1b[2\r1t",
    b"\x1b\x7f[20\x07t",
    b"\xc2\x9b21t",
    b"\x1bP$qm\x1b\\",
    b"\x1bP1\x00$q q\x1b\\",
    b"\xc2\x90$qr\xc2\x9c",
]
HARMLESS = [
    b"text",
    "❝52;漢字❞ ü".encode(),
    b"\r\n",
    b"\x1b[20m",
    b"\x1b[21;1H",
    b"\x1b[22;2t",
    b"\x1b[2;1t",
    b"\x1b[?20t",
    b"\x1b[200t",
    b"\x1b[20 t",
    b"\x1b]0;52;c;?\x07",
    b"\x1b]2;title\x1b\\",
    b"\x1b]521;c;?\x07",
    b"\x1b]52\x07",
    b"\x1b]8;;http://x/\x1b\\",
    b"\x1bP+q544e\x1b\\",
    b"\x1bP1;2q#0\x1b\\",
    b"\x1b_Gi=1;AAAA\x1b\\",
    b"\x1b(0\x1b(B",
    b"\x1bM",
    b"\x07",
]


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def chunks_of(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut ``data`` into chunks of these sizes, again and again."""
    chunks: list[bytes] = []
    for size in itertools.cycle(sizes):
        chunks.append(data[:size])
        data = data[size:]
        if not data:
            return chunks
    raise AssertionError


def guard(*, watches: bool, clipboard: bool) -> Guard:
    made = Guard()
    made.allow(watches=watches, clipboard=clipboard)
    return made


@pytest.mark.parametrize(
    ("watches", "clipboard", "forbidden"),
    [
        (True, False, READS + WRITES + REPORTS),
        (True, True, READS + WRITES + REPORTS),
        (False, False, READS + WRITES),
        (False, True, READS),
    ],
)
@given(data=st.data(), sizes=SIZES)
def test_the_forbidden_goes_and_the_rest_stays(
    watches: bool,  # noqa: FBT001 - a parameter of the test
    clipboard: bool,  # noqa: FBT001
    forbidden: list[bytes],
    data: st.DataObject,
    sizes: list[int],
) -> None:
    """Byte for byte, for each kind of user, cut anywhere."""
    harmless = HARMLESS + [each for each in WRITES + REPORTS if each not in forbidden]
    pieces = data.draw(st.lists(st.sampled_from(forbidden + harmless), max_size=8))
    it = guard(watches=watches, clipboard=clipboard)
    passed = b"".join(it.feed(chunk) for chunk in chunks_of(b"".join(pieces) + b".", sizes))

    assert passed == b"".join(piece for piece in pieces if piece not in forbidden) + b"."


def commands(data: bytes) -> list[bytes]:
    """Return what a terminal makes of ``data``: a parser after DEC's VT500, C1 in UTF-8.

    Controls are left out: those inside a sequence go with it.
    """
    found: list[bytes] = []
    state, body = "", b""
    for sign in data.decode("utf-8", "surrogateescape"):
        byte = sign.encode("utf-8", "surrogateescape")
        if sign in "\x1b\x18\x1a\x90\x9b\x9c\x9d":
            if state in ("]", "P"):
                found.append((state + ":").encode() + body)
            state, body = {"\x1b": "e", "\x90": "P", "\x9b": "[", "\x9d": "]"}.get(sign, ""), b""
        elif sign < " " or sign == "\x7f":
            if state == "]" and sign == "\x07":
                found.append(b"]:" + body)
                state, body = "", b""
        elif state == "e":
            state, body = (sign, b"") if sign in "[]P" else ("", b"")
            if not state and sign != "\\":
                found.append(b"ESC " + byte)
        elif state == "":
            found.append(byte)
        else:
            body += byte
            if state == "[" and "@" <= sign <= "~":
                found.append(b"[:" + body)
                state, body = "", b""
    return found


def is_forbidden(command: bytes) -> bool:
    kind, _, body = command.partition(b":")
    first = body.lstrip(b"0123456789;:")
    number = body[: len(body) - len(body.lstrip(b"0123456789"))].lstrip(b"0")
    if kind == b"]":
        return number == b"52" and body.partition(b"52")[2].startswith(b";")
    if kind == b"P":
        return first.startswith(b"$q")
    return kind == b"[" and number in (b"20", b"21") and first == b"t"


ALPHABET = [b"\x1b", b"]", b"[", b"P", b"5", b"2", b"0", b"1", b";", b"t", b"$", b"q", b"?", b"\\"]
ODD = [
    b"\x07",
    b"\x18",
    b"\x00",
    b"\r",
    b"a",
    b"m",
    b"~",
    b"\xc2",
    b"\x9d",
    b"\x9b",
    b"\x90",
    b"\xe2\x9d\x9d",
]


@given(st.lists(st.sampled_from(ALPHABET + ODD + READS + REPORTS), max_size=30), SIZES)
def test_a_terminal_sees_everything_but_the_forbidden(
    pieces: list[bytes], sizes: list[int]
) -> None:
    """Whatever is unfinished, nested or odd: command by command, for one who watches."""
    stream = b"".join(pieces) + b"\x18end\x18"
    # Bare C1 controls are characters to a UTF-8 terminal and controls to an 8-bit one.
    stream = stream.decode("utf-8", "ignore").encode()
    it = guard(watches=True, clipboard=False)
    passed = b"".join(it.feed(chunk) for chunk in chunks_of(stream, sizes))
    seen, wanted = commands(passed), commands(stream)

    assert [each for each in wanted if not is_forbidden(each)] == seen


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes(chunks: list[bytes]) -> None:
    """Nothing makes it raise, or hold much."""
    it = guard(watches=True, clipboard=False)
    for chunk in chunks:
        it.feed(chunk)
        assert len(it._held) <= LIMIT


@pytest.mark.parametrize("filler", [b"\x00", b"0", b";"])
def test_a_sequence_that_never_ends_is_not_held(filler: bytes) -> None:
    """What cannot be decided in 256 bytes is taken out; so is its rest."""
    it = guard(watches=True, clipboard=False)
    passed = it.feed(b"a\x1b[21;")
    for _ in range(1000):
        passed += it.feed(filler * 100)
        assert len(it._held) <= LIMIT + 100
    passed += it.feed(b"tb")

    assert passed in (b"ab", b"a\x1b\\b")


@pytest.mark.parametrize("start", [b"\x1b]", b"\x1b[", b"\x1bP", b"\x9d", b"\xc2\x90"])
@pytest.mark.parametrize("again", [b"\x00", b"0\x00", b";", b"\x9b", b"\x1b"])
def test_no_output_takes_long_to_guard(start: bytes, again: bytes) -> None:
    """Keys are not read meanwhile."""
    guard = Guard()
    guard.allow(watches=True, clipboard=False)
    started = time.thread_time()
    guard.feed(start + again * ((64 << 10) // len(again)))

    assert time.thread_time() - started < 0.5


def test_coloured_text_is_guarded_fast() -> None:
    """Far faster than it is printed: 100 MB/s and more, of which a busy machine leaves a tenth."""
    text = b"".join(b"\x1b[%dmword\x1b[0m \x1b[%d;4H" % (31 + n % 7, n) for n in range(3000))
    it = guard(watches=True, clipboard=False)
    started = time.thread_time()
    for _ in range(50):
        assert it.feed(text) == text

    assert 50 * len(text) / (time.thread_time() - started) > 10e6


def test_a_bare_control_counts_where_it_is_no_character() -> None:
    """An 8-bit terminal takes 0x9d for OSC."""
    it = guard(watches=False, clipboard=False)

    assert it.feed(b"a\x9d52;c;?\x07b") == b"ab"
    assert it.feed(b"\xe2\x9d") + it.feed(b"\x9d52;c") == "❝52;c".encode()


def test_what_was_open_is_ended_as_it_would_have_been() -> None:
    """A title without an end must not swallow what follows the sequence that ended it."""
    it = guard(watches=False, clipboard=False)

    assert it.feed(b"\x1b]0;title\x1b]52;c;?\x07text") == b"\x1b]0;title\x1b\\text"


PIECES = st.sampled_from(
    [*HARMLESS, b"\x1b", b"\x1b[3", b"\x1b]0;t", b"\x1bP", b"\xe6\xbc", b"\x18"]
)


@given(st.lists(PIECES, max_size=8), SIZES)
def test_the_ground_is_found_under_any_split(pieces: list[bytes], sizes: list[int]) -> None:
    """Between sequences is where a byte would be shown, by the parser above."""
    stream = b"".join(pieces)
    ground = Ground()
    for chunk in chunks_of(stream, sizes):
        ground.feed(chunk)
    text = stream.decode("utf-8", "ignore").encode()
    shown = commands(text + b"x")[-1:] == [b"x"] and commands(text + b"[x")[-1:] == [b"x"]

    if ground.is_reached:
        assert shown
    elif b"\xe6\xbc" not in stream:
        assert not shown
