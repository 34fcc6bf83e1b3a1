"""Addresses: what the user may write, and where a name leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ptyc.address import Target, check_token, control_socket, parse_target

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "a1" * 32
SECOND = "a2" * 32


@pytest.fixture
def root(tmp_path: Path) -> dict[str, str]:
    for container in (FIRST, SECOND):
        (tmp_path / "containers" / container).mkdir(parents=True)
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "otter").symlink_to(FIRST)
    return {"PTYD_ROOT": str(tmp_path)}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:80", Target("127.0.0.1", 80)),
        ("localhost:8022", Target("localhost", 8022)),
        ("[::1]:8022", Target("::1", 8022)),
        ("example.org:8022", Target("example.org", 8022, tls=True)),
        ("[2001:db8::1]:1", Target("2001:db8::1", 1, tls=True)),
        (
            f"https://h:1/p/#t={'t' * 20}&s=4&fp={'f' * 64}",
            Target("h", 1, "t" * 20, 4, "f" * 64, tls=True, prefix="/p/"),
        ),
    ],
)
def test_networks(text: str, target: Target) -> None:
    """A bare host and port is in clear text on loopback only."""
    assert parse_target(text) == target


def test_names_and_prefixes(root: dict[str, str]) -> None:
    """A name, a whole id and a unique prefix lead to the same kind of socket."""
    run = f"{root['PTYD_ROOT']}/run"

    assert control_socket("otter", root) == f"{run}/{FIRST[:12]}/control.sock"
    assert control_socket(SECOND[:3], root) == f"{run}/{SECOND[:12]}/control.sock"
    assert parse_target("otter/7", root).session == 7
    assert parse_target("otter/7", root).label == "otter"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a", "a is a prefix of 2 containers: give more digits"),
        ("nobody", "no such container: nobody"),
        ("otter/x", "is no address"),
        ("../otter", "is no address"),
        ("", "is no address"),
        ("h:99999", "port 99999 is not between 1 and 65535"),
    ],
)
def test_mistakes(root: dict[str, str], text: str, line: str) -> None:
    """Each is a ValueError with a line for the user."""
    with pytest.raises(ValueError, match=line):
        parse_target(text, root)


def test_directories_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without PTYD_ROOT a user's state is where XDG says."""
    monkeypatch.setattr("os.geteuid", lambda: 4321)
    (tmp_path / "ptyd" / "names").mkdir(parents=True)
    (tmp_path / "ptyd" / "names" / "x").symlink_to(FIRST)
    environ = {"XDG_STATE_HOME": str(tmp_path), "HOME": "/nowhere"}

    assert control_socket("x", environ) == f"/tmp/ptyd-4321/{FIRST[:12]}/control.sock"
    environ["XDG_RUNTIME_DIR"] = "/run/user/4321"
    assert control_socket("x", environ).startswith("/run/user/4321/ptyd/")


def test_tokens_lose_their_white_space() -> None:
    """A token from a file ends with a newline; a broken one is refused here already."""
    assert check_token(f" {'t' * 16}\n") == "t" * 16
    with pytest.raises(ValueError, match="not a token"):
        check_token("t" * 15)
