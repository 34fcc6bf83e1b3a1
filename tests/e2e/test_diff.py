"""``ptyd diff``: docker's A, C and D of what a box has written on its root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from small_root import make_root

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd


@pytest.fixture(params=["me", "ordinary"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Ptyd, Path]:
    """The commands as root and as an ordinary user, each with a root of theirs."""
    if request.param == "me":
        return request.getfixturevalue("ptyd"), make_root(tmp_path / "given")
    account, place = request.getfixturevalue("account"), request.getfixturevalue("folder")
    root = make_root(place / "given")
    for path in (root, *root.rglob("*")):
        os.chown(path, account.uid, account.uid, follow_symlinks=False)
    return request.getfixturevalue("theirs"), root


def lines(ptyd: Ptyd, name: str) -> list[str]:
    done = ptyd("diff", name)
    assert (done.code, done.err) == (0, "")
    return done.out.decode().splitlines()


CHANGES = """
echo x >>/etc/passwd; rm /etc/group; mkdir -m 700 /secret /secret/inner; touch /secret/inner/file
chown 1000:1000 /secret; ln -s /etc/shadow /link; rm -r /gone; rm -r /again; mkdir /again
touch /again/new; chown 1000 /kept; mkdir /as-it-was/x; rm -r /as-it-was/x
"""


def test_every_kind_of_change_is_told(given: tuple[Ptyd, Path]) -> None:
    """Added, changed, deleted, made anew; a folder that has changes is one, a mount point not."""
    ptyd, root = given
    for name in ("gone/inner", "again/old", "kept", "as-it-was"):
        (root / name).mkdir(parents=True)
    for path in (root / "gone", root / "gone/inner", root / "again", root / "again/old",
                 root / "kept", root / "as-it-was"):  # fmt: skip
        os.chown(path, root.stat().st_uid, root.stat().st_gid)
    words = ("--name", "it", "--no-tty", f"--rootfs={root}")
    assert ptyd("create", *words, "sh", "-ec", CHANGES).code == 0
    assert lines(ptyd, "it") == []
    assert ptyd("start", "-a", "it") == (0, b"", "")

    assert lines(ptyd, "it") == [
        "C /again",
        "A /again/new",
        "D /again/old",
        "C /etc",
        "D /etc/group",
        "C /etc/passwd",
        "D /gone",
        "C /kept",
        "A /link",
        "A /secret",
        "A /secret/inner",
        "A /secret/inner/file",
    ]


def test_the_hosts_programs_and_the_skeleton_are_told_of(ptyd: Ptyd) -> None:
    """With --writable each folder has a layer of its own, and the rest is held against a note."""
    script = "touch /usr/bin/new /opt/new; echo x >>/etc/passwd; rm /etc/group; exec cat"
    done = ptyd("run", "--name", "it", "--no-tty", "--writable", "sh", "-ec", script)
    assert done.code == 0, done.err

    assert lines(ptyd, "it") == [
        "C /etc",
        "D /etc/group",
        "C /etc/passwd",
        "C /opt",
        "A /opt/new",
        "C /usr/bin",
        "A /usr/bin/new",
    ]


def test_what_cannot_be_told_is_one_line(given: tuple[Ptyd, Path]) -> None:
    """A folder that is itself the root has no before; what nobody can write on has no after."""
    ptyd, root = given
    assert ptyd("create", "--name", "itself", "--writable", f"--rootfs={root}", "sh").code == 0
    assert ptyd("create", "--name", "host", "sh").code == 0
    for name, line in (("itself", "nobody knows what it was"), ("none", "no such container")):
        done = ptyd("diff", name)
        assert (done.code, len(done.err.splitlines()), line in done.err) == (1, 1, True)

    assert lines(ptyd, "host") == []
