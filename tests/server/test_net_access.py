"""Access: who has a token, and which headers betray the page of another site."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.net.access import (
    Tokens,
    digest_of,
    host_is_ours,
    is_owner,
    lesser,
    origin_matches,
)
from ptyd.session.people import CONTROL, OWNER, VIEW

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a-token-of-sixteen-letters"


def entry(token: str = SECRET, role: Any = CONTROL, **more: Any) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(token.encode()).hexdigest(), "role": role, **more}


def write(path: Path, value: Any) -> Tokens:
    """Put a file in place as ``ptyd share`` does, by rename."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    path.with_suffix(".new").write_bytes(text)
    path.with_suffix(".new").rename(path)
    return Tokens(str(path))


@pytest.mark.parametrize("role", [VIEW, CONTROL])
def test_a_token_gives_its_role(tmp_path: Path, role: str) -> None:
    """Among others, with and without an expiry that has not come."""
    path = tmp_path / "tokens.json"
    others = [entry(f"another-{n}", VIEW) for n in range(3)]
    tokens = write(path, {"tokens": [*others, entry(role=role, expires=time.time() + 60)]})

    assert tokens.role_of(SECRET) == role
    assert write(path, {"tokens": [entry(role=role, expires=None)]}).role_of(SECRET) == role


@pytest.mark.parametrize(
    ("more", "session"),
    [({}, 0), ({"session": 3}, 3), ({"session": "3"}, -1), ({"session": None}, -1)],
    ids=str,
)
def test_a_token_opens_one_session(tmp_path: Path, more: dict[str, Any], session: int) -> None:
    """The container's own where an older ptyd wrote it down, none where that is damaged."""
    tokens = write(tmp_path / "tokens.json", {"tokens": [entry(**more)]})

    assert tokens.session_by(digest_of(SECRET)) == session


@pytest.mark.parametrize("token", ["", "a", SECRET[:-1], SECRET + "x", SECRET.upper(), "\xe9"])
def test_another_token_gives_nothing(tmp_path: Path, token: str) -> None:
    """Nor does one that is nearly right."""
    assert write(tmp_path / "tokens.json", {"tokens": [entry()]}).role_of(token) is None


def test_a_token_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its time, without anybody touching the file."""
    now = time.time()
    tokens = write(tmp_path / "tokens.json", {"tokens": [entry(expires=now + 10)]})
    assert tokens.role_of(SECRET) == CONTROL
    monkeypatch.setattr(time, "time", lambda: now + 10)

    assert tokens.role_of(SECRET) is None


@pytest.mark.parametrize("role", [OWNER, "root", None, 1, ["control"], ""])
def test_no_token_gives_more_than_control(tmp_path: Path, role: Any) -> None:
    """An owner is known by the socket alone, whatever the file says."""
    assert write(tmp_path / "tokens.json", {"tokens": [entry(role=role)]}).role_of(SECRET) is None


def test_what_the_owner_changes_counts_at_once(tmp_path: Path) -> None:
    """Tokens come and go while the server runs; a file that is gone lets nobody in."""
    path = tmp_path / "tokens.json"
    tokens = Tokens(str(path))
    seen = [tokens.role_of(SECRET)]
    for value in ({"tokens": [entry()]}, {"tokens": []}, {"tokens": [entry(role=VIEW)]}):
        write(path, value)
        seen.append(tokens.role_of(SECRET))
    path.unlink()
    seen.append(tokens.role_of(SECRET))

    assert seen == [None, CONTROL, None, VIEW, None]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        {"tokens": None},
        {"tokens": 3},
        {"tokens": {"a": "b"}},
        {"tokens": [1, None, "x", []]},
        {"tokens": [{}]},
        {"tokens": [{"role": CONTROL}]},
        {"tokens": [{"sha256": None, "role": CONTROL}]},
        {"tokens": [{"sha256": "\xe9" * 64, "role": CONTROL}]},
        {"tokens": [entry(expires="tomorrow")]},
        {"tokens": [entry(expires=[])]},
        b'{"tokens": [' + json.dumps(entry(expires=0)).encode().replace(b": 0", b": NaN") + b"]}",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_damage_lets_nobody_in(tmp_path: Path, damaged: Any) -> None:
    """And is repaired by the next good file, without a word to the peer."""
    path = tmp_path / "tokens.json"
    tokens = write(path, damaged)
    before = tokens.role_of(SECRET)
    write(path, {"tokens": [entry()]})

    assert before is None
    assert tokens.role_of(SECRET) == CONTROL


def test_one_damaged_entry_does_not_cost_the_others(tmp_path: Path) -> None:
    """Each token stands for itself."""
    bad = [3, {"sha256": "\xe9"}, entry("other-token-of-mine", expires="soon")]

    assert write(tmp_path / "tokens.json", {"tokens": [*bad, entry()]}).role_of(SECRET) == CONTROL


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "10.1.2.3:1",
        "[::1]",
        "[::1]:8000",
        "[2001:db8::1]:443",
        "localhost",
        "LOCALHOST:80",
        "box.example.org",
        "Box.Example.Org:8000",
    ],
)
def test_hosts_that_are_served(host: str) -> None:
    """Addresses, localhost, and the names that were given."""
    assert host_is_ours(host, ["box.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":",
        ":80",
        "example.org",
        "evil.box.example.org",
        "box.example.org.evil.net",
        "localhost.evil.net",
        "localhost.evil.net:80",
        "127.0.0.1.evil.net",
        "127.0.0.1.nip.io:80",
        "127.1",
        "0x7f000001",
        "2130706433",
        "user@127.0.0.1.evil.net",
    ],
)
def test_hosts_that_are_not(host: str) -> None:
    """A name that a page made up to reach us (DNS rebinding) is none of ours."""
    assert not host_is_ours(host, ["box.example.org"])


@given(st.text(max_size=40))
def test_no_host_makes_it_raise(host: str) -> None:
    """It is a header: a peer wrote it."""
    assert host_is_ours(host, []) in (True, False)
    assert origin_matches(host, host) in (True, False)


@pytest.mark.parametrize(
    ("origin", "host", "matches"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://Box.Example.Org", "box.example.ORG", True),
        ("http://[::1]:80", "[::1]:80", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("http://127.0.0.1", "127.0.0.1:8000", False),
        ("http://evil.net", "127.0.0.1:8000", False),
        ("http://evil.net/127.0.0.1:8000", "127.0.0.1:8000", False),
        ("null", "null", False),
        ("", "", False),
        ("127.0.0.1:8000", "127.0.0.1:8000", False),
        ("file://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("chrome-extension://abc", "abc", False),
    ],
)
def test_an_origin_is_the_host_or_foreign(origin: str, host: str, *, matches: bool) -> None:
    """Scheme http or https, and the rest the Host header, port included."""
    assert origin_matches(origin, host) is matches


def test_the_lesser_role_counts() -> None:
    """Nobody gets more by asking."""
    assert [lesser(a, b) for a in (VIEW, CONTROL, OWNER) for b in (VIEW, CONTROL, OWNER)] == [
        *(VIEW, VIEW, VIEW),
        *(VIEW, CONTROL, CONTROL),
        *(VIEW, CONTROL, OWNER),
    ]


def test_the_owner_is_known_by_the_socket() -> None:
    """The peer's uid, or root (unix(7), SO_PEERCRED)."""
    one, other = socket.socketpair()
    with one, other:
        assert is_owner(one, os.geteuid())
        assert is_owner(one, os.geteuid() + 1) is (os.geteuid() == 0)
