"""Users of a box: strictly parsed, looked up in its own files, which may hold anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptylaunch.account import Account, Wanted, parse_user, resolve
from ptylaunch.errors import LaunchFailed
from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:,:/home/ann:/bin/sh\nodd:x:5:5::rel:/\n"
GROUP = b"root:x:0:\nwheel:x:10:ann,bob\nann:x:1001:\nall:x:20:bob,ann\nbig:x:4294967295:ann\n"
IDS = st.integers(0, 4294967294)
NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,30}\$?", fullmatch=True)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Rootfs]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(PASSWD)
    (tmp_path / "etc/group").write_bytes(GROUP)
    fd = os.open(tmp_path, os.O_PATH)
    yield Rootfs(fd)
    os.close(fd)


@given(st.text())
def test_any_text_is_a_user_or_an_error(text: str) -> None:
    """Nothing else, and what is taken for a user says the same again."""
    try:
        user, group = parse_user(text)
    except ValueError:
        return
    again = f"{user}" if group is None else f"{user}:{group}"

    assert parse_user(again) == (user, group)
    assert -1 not in (user, group)
    assert 4294967295 not in (user, group)


@given(IDS | NAMES, IDS | NAMES)
def test_users_and_groups_are_names_or_numbers(user: int | str, group: int | str) -> None:
    """Both halves, in every combination."""
    assert parse_user(f"{user}:{group}") == Wanted(user, group)
    assert parse_user(f"{user}") == Wanted(user, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "a:", ":0", "-1", "4294967295", "4294967296", "0x0", "0:0:0", "a b", "+0"),
        *("\u0661", "a\nb", "0\n", " 0", "1e3", "a/b", "-", "root\0", "../x"),
    ],
)
def test_what_is_neither_is_refused(text: str) -> None:
    """-1 above all: setresuid(2) would take it for "stay who you are"."""
    with pytest.raises(ValueError, match="user"):
        parse_user(text)


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("root", Account(0, 0, (), "/root")),
        ("ann", Account(1000, 1001, (10, 20), "/home/ann")),
        ("1000", Account(1000, 1001, (10, 20), "/home/ann")),
        ("ann:wheel", Account(1000, 10, (), "/home/ann")),
        ("ann:7", Account(1000, 7, (), "/home/ann")),
        ("77", Account(77, 0, (), "/")),
        ("77:88", Account(77, 88, (), "/")),
        ("odd", Account(5, 5, (), "/")),
    ],
)
def test_accounts_are_looked_up_as_docker_does(root: Rootfs, text: str, account: Account) -> None:
    """A user brings its groups, unless one is named; a number needs no entry."""
    assert resolve(root, parse_user(text)) == account


@pytest.mark.parametrize("text", ["bob", "ann:nobody", "ann:big"])
def test_a_name_that_is_not_there_is_a_failure(root: Rootfs, text: str) -> None:
    """Of the stage ``user``, whatever the files hold."""
    with pytest.raises(LaunchFailed) as caught:
        resolve(root, parse_user(text))

    assert caught.value.stage == "user"


@given(data=st.binary(max_size=300))
def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """What the box has written there cannot make the lookup raise anything else."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "etc").mkdir()
    for name in ("passwd", "group"):
        (folder / "etc" / name).write_bytes(PASSWD + data)
    fd = os.open(folder, os.O_PATH)
    try:
        assert resolve(Rootfs(fd), parse_user("root")).uid == 0
        assert resolve(Rootfs(fd), parse_user("4000000000:3")).gid == 3
    finally:
        os.close(fd)


def test_only_regular_files_of_the_root_are_read(root: Rootfs, tmp_path: Path) -> None:
    """A fifo does not stop us, a folder or a way out is nothing."""
    etc = tmp_path / "etc"
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"spy:x:7:7::/:/bin/sh\n")
    try:
        for make in (
            lambda: os.mkfifo(etc / "passwd"),
            (etc / "passwd").mkdir,
            lambda: (etc / "passwd").symlink_to(outside),
            lambda: (etc / "passwd").symlink_to(f"../../{outside.name}"),
            lambda: (etc / "passwd").symlink_to("passwd"),
        ):
            path = etc / "passwd"
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            make()

            with pytest.raises(LaunchFailed):
                resolve(root, parse_user("spy"))
    finally:
        outside.unlink()
