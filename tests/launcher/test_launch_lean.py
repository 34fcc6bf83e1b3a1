"""The stand-ins for modules of the standard library, held against the real ones."""

from __future__ import annotations

import ctypes
import errno
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptylaunch.lean import NAMES, ctypes_, json_, signal_, socket_, typing_

LAUNCHER = Path(__file__).parents[2] / "launcher"
HEAVY = (
    *("re", "enum", "typing", "argparse", "json", "signal", "socket", "collections", "ctypes"),
    *("types", "termios"),
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("indent", [None, 1])
@given(value=VALUES)
def test_json_is_written_as_the_real_one_writes_it(indent: int | None, value: object) -> None:
    """To the byte, on one line and on many."""
    assert json_.dumps(value, indent=indent) == json.dumps(value, indent=indent)


def test_json_is_written_in_other_ways_by_the_real_one() -> None:
    """With what is not had here."""
    for settings in ({"ensure_ascii": False}, {"sort_keys": True, "separators": (",", ":")}):
        assert json_.dumps({"ü": 1, "a": 2}, **settings) == json.dumps({"ü": 1, "a": 2}, **settings)


@pytest.mark.parametrize("key", [1, -1.5, None, True, False])
def test_a_key_that_is_no_string_becomes_one(key: object) -> None:
    """By the same rules."""
    assert json_.dumps({key: 1}) == json.dumps({key: 1})


@given(value=VALUES, indent=st.none() | st.integers(0, 3), encoding=st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]
))  # fmt: skip
def test_json_is_read_as_the_real_one_reads_it(
    value: object, indent: int | None, encoding: str
) -> None:
    """Text and bytes, in each encoding that it knows."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    value = json.loads(text)  # tuples are lists by now

    assert json_.loads(f" {text}\n") == value
    data = text.encode(encoding, "surrogatepass")
    assert json_.loads(data) == json.loads(data) == value


@given(st.text(alphabet='[]{}",:\\/u0eE-+.tfn\n \x00\ud800NaIy') | st.binary())
def test_what_is_no_json_is_told_as_by_the_real_one(text: str | bytes) -> None:
    """Where it breaks off, too."""
    assert repr(attempt(json_.loads, text)) == repr(attempt(json.loads, text))


def test_json_that_is_too_deep_is_told() -> None:
    """As a RecursionError, which whoever reads files of others expects."""
    with pytest.raises(RecursionError):
        json_.load(io.StringIO("[" * 100_000))


@pytest.mark.parametrize("value", [{(): 2}, {"a": {b"": 1}}, [object()], b"x", {1}])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    """As the real one refuses it."""
    with pytest.raises(TypeError):
        json_.dumps(value)


class Pair(NamedTuple):
    """As :func:`pair` makes one."""

    left: int
    right: str = "r"


def pair(base: Any) -> Any:
    """Return a class of named tuples made with ``base``."""
    return type(base)(
        "Pair",
        (base,),
        {
            "__module__": __name__,
            "__annotations__": {"left": "int", "right": "str"},
            "right": "r",
            "sum": property(lambda self: f"{self.left}{self.right}"),
        },
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1,), {}),
        ((1, "b"), {}),
        ((), {"left": 2}),
        ((1,), {"right": "c"}),
        ((), {"right": "c", "left": 3}),
        ((), {}),
        ((1, 2, 3), {}),
        ((1,), {"left": 1}),
        ((1,), {"wrong": 1}),
    ],
)
def test_tuples_are_made_as_the_real_one_makes_them(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    """From places, names and defaults; a mistake is a TypeError."""
    made = attempt(pair(typing_.NamedTuple), *values, **named)
    expected = attempt(Pair, *values, **named)

    assert type(made).__name__ == type(expected).__name__
    if isinstance(expected, tuple):
        assert made == expected
        assert repr(made) == repr(expected)
        assert made._asdict() == expected._asdict()
        assert made._replace(left=9) == expected._replace(left=9)


def test_tuples_have_fields_methods_and_no_more() -> None:
    """Nothing can be written into one; equal ones are one key; a pattern finds the fields."""
    made = pair(typing_.NamedTuple)(1)

    assert (made.left, made.right, made.sum) == (1, "r", "1r")
    assert hash(made) == hash((1, "r"))
    with pytest.raises(AttributeError):
        made.other = 1
    with pytest.raises(AttributeError):
        made.left = 2
    with pytest.raises(TypeError):
        made._replace(other=1)
    assert type(made).__match_args__ == type(made)._fields == ("left", "right")


def test_sockets_carry_descriptors_and_close() -> None:
    """In both directions between a stand-in and the real one."""
    ours, theirs = socket_.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        socket_.send_fds(ours, [b"a"], [0, 1])
        data, fds, _, _ = socket.recv_fds(theirs, 16, 4)  # type: ignore[arg-type]
        assert (data, len(fds)) == (b"a", 2)
        socket.send_fds(theirs, [b"b"], fds)  # type: ignore[arg-type]
        for fd in fds:
            os.close(fd)
        data, fds, _, _ = socket_.recv_fds(ours, 16, 4)
        assert (data, len(fds)) == (b"b", 2)
        for fd in fds:
            os.close(fd)

    assert ours.fileno() == -1


def test_a_connection_is_accepted(tmp_path: Path) -> None:
    """As a stand-in, close-on-exec."""
    with socket_.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen(1)
        with socket_.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(f"{tmp_path}/s")
            connection, _ = listener.accept()
            with connection:
                assert not os.get_inheritable(connection.fileno())
                connection.set_inheritable(True)
                assert os.get_inheritable(connection.fileno())


def test_signals_have_their_numbers() -> None:
    """As plain integers."""
    import signal

    assert signal_.SIGTERM == signal.SIGTERM
    assert type(signal_.SIGTERM) is int


@pytest.mark.parametrize(
    "name",
    [
        *("c_char", "c_char_p", "c_void_p", "c_int", "c_int32", "c_ushort", "c_uint32", "c_uint64"),
        *("c_long", "c_ulong", "c_size_t"),
    ],
)
def test_c_types_hold_what_the_real_ones_hold(name: str) -> None:
    """Their size, and where each stands in a structure and an array."""
    own, real = getattr(ctypes_, name), getattr(ctypes, name)
    layouts = [
        [(module.sizeof(made), made.b.offset)]
        for module, kind in ((ctypes_, own), (ctypes, real))
        for fields in [(("a", module.c_char), ("b", kind))]
        for made in [type(module.Structure)("S", (module.Structure,), {"_fields_": fields})]
    ]

    assert ctypes_.sizeof(own * 3) == ctypes.sizeof(real * 3)
    assert layouts[0] == layouts[1]
    if name not in ("c_char", "c_char_p"):
        assert own(-1).value == real(-1).value


@pytest.mark.parametrize("kind", [ctypes_.CDLL, ctypes_.PyDLL])
def test_functions_of_the_c_library_are_called(kind: type[ctypes_.CDLL]) -> None:
    """With their errno; what is not there is an AttributeError, as of the real one."""
    library = kind(None, use_errno=True)
    library.strlen.restype = ctypes_.c_long
    library.getenv.argtypes = [ctypes_.c_char_p]
    library.getenv.restype = ctypes_.c_char_p

    assert library.strlen(b"four") == 4
    assert library.getenv(b"PATH") == os.environ["PATH"].encode()
    assert (library.close(ctypes_.c_int(-1)), ctypes_.get_errno()) == (-1, errno.EBADF)
    with pytest.raises(AttributeError):
        _ = library.no_such_function


def test_memory_is_written_by_its_address() -> None:
    """As the real buffers, with a NUL behind what they begin with."""
    buffer, empty = ctypes_.create_string_buffer(b"abcd"), ctypes_.create_string_buffer(3)
    ctypes_.memset(ctypes_.addressof(buffer), ord("x"), 2)
    ctypes_.memmove(ctypes_.addressof(empty), b"yz", 2)

    assert (buffer.raw, empty.raw) == (b"xxcd\0", b"yz\0")


PROBE = """
import sys
sys.path.append({launcher!r})
from ptylaunch.lean import NAMES, stand_in
stand_in()
import typing, json, signal, socket, ctypes
assert all(sys.modules[name].__name__ == f"ptylaunch.lean.{{name}}_" for name in NAMES)
print(typing.Generic.__module__, json.JSONDecodeError.__name__, signal.Signals(15).name,
    socket.AddressFamily.AF_UNIX.value, ctypes.c_byte(-1).value)
assert all(sys.modules[name].__name__ == name for name in NAMES)
assert not hasattr(json, "no_such_thing")
"""


def test_what_a_stand_in_does_not_have_is_the_real_ones() -> None:
    """And whoever imports the module later gets the real one."""
    done = run("-I", "-S", "-c", PROBE.format(launcher=str(LAUNCHER)))

    assert (done.stdout, done.stderr) == ("typing JSONDecodeError SIGTERM 1 -1\n", "")
    assert len(NAMES) == 5


@pytest.mark.parametrize("text", ["", "{", "[1,]", "1 2", '"\\x"', "\\u"])
def test_what_is_no_json_is_told_where_no_json_is_loaded(text: str) -> None:
    """The scanner in C then has no exception to raise."""
    script = f"import sys; sys.path.append({str(LAUNCHER)!r})\n"
    script += "from ptylaunch.lean import json_\ntry: json_.loads(sys.argv[1])\n"
    script += "except ValueError as error: print(repr(error))"
    done = run("-I", "-S", "-c", script, text)

    assert (done.stdout, done.stderr) == (f"{attempt(json.loads, text)!r}\n", "")


@pytest.mark.parametrize("words", [["state", "nobody"], ["kill", "nobody", "9"], ["list"]])
def test_the_command_loads_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    """Each of these modules costs more than what a command would use of it."""
    script = f"import sys; sys.path.append({str(LAUNCHER)!r}); import ptylaunch.__main__"
    done = run("-I", "-S", "-X", "importtime", "-c", script, "--root", str(tmp_path), *words)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "ptylaunch.main" in loaded
    assert loaded.isdisjoint(HEAVY)


def attempt(function: Any, *values: Any, **named: Any) -> Any:
    """Return what a function returns or raises."""
    try:
        return function(*values, **named)
    except (TypeError, ValueError, RecursionError) as error:
        return error


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False
    )
