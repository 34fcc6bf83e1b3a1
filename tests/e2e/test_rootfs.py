"""``--rootfs`` and ``--writable``: what a box writes is its own, and goes with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from small_root import make_root

if TYPE_CHECKING:
    from ordinary_user import Account
    from ptyd_user import Ptyd


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that belongs to who runs the tests."""
    return make_root(tmp_path / "given")


@pytest.fixture
def their_root(account: Account, folder: Path) -> Path:
    given = make_root(folder / "given")
    for path in (given, *given.rglob("*")):
        os.chown(path, account.uid, account.uid, follow_symlinks=False)
    return given


@pytest.fixture(params=["me", "ordinary"])
def given(request: pytest.FixtureRequest) -> tuple[Ptyd, Path]:
    """The commands as root and as an ordinary user, each with a root of theirs."""
    mine = request.param == "me"
    commands: Ptyd = request.getfixturevalue("ptyd" if mine else "theirs")
    path: Path = request.getfixturevalue("root" if mine else "their_root")
    return commands, path


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return owner, mode and text of everything that is in a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_uid, status.st_mode, text)
    return found


def test_a_folder_is_not_changed(given: tuple[Ptyd, Path]) -> None:
    """Whatever the box does to it: it may write everywhere, and the next box starts afresh."""
    ptyd, folder = given
    before = contents(folder)
    script = "touch /new; echo x >>/etc/passwd; rm /etc/group; mkdir -p /a/b; chown 0:0 /a"
    done = ptyd("run", "--rm", f"--rootfs={folder}", "sh", "-ec", f"{script}; ls /; id -u; pwd")

    assert (done.code, done.err) == (0, "")
    assert {b"new", b"a", b"0", b"/"} < set(done.out.split())
    assert contents(folder) == before
    assert ptyd("run", "--rm", f"--rootfs={folder}", "cat", "/new").code == 1
    assert ptyd.left() == []


def test_what_others_of_the_box_wrote_goes_with_it(given: tuple[Ptyd, Path]) -> None:
    """An ordinary user could not remove a closed folder of another id by themselves."""
    ptyd, folder = given
    script = "mkdir -m 700 /a && touch /a/b && chown -R 1000:1001 /a && ls -n / && ls -n /a"
    container = ptyd.start(f"--rootfs={folder}", "sh", "-c", f"{script}; exec cat")
    with container.attach() as client:
        client.read_until(" 1000 ")
    container.remove()

    assert ptyd.left() == []


def test_depth_does_not_keep_what_a_box_wrote(given: tuple[Ptyd, Path]) -> None:
    """Folders in folders, more than there may be calls or descriptors, hold nobody up."""
    ptyd, folder = given
    script = "n=0; while [ $n -lt 1500 ]; do mkdir d && cd d || exit; n=$((n+1)); done; echo end"
    done = ptyd("run", "--name=deep", "--no-tty", f"--rootfs={folder}", "sh", "-c", script)
    looked = ptyd("inspect", "-s", "deep")
    removed = ptyd("rm", "-f", "deep")

    assert (done.code, done.out) == (0, b"end\n")
    assert (looked.code, looked.err) == (0, "")
    assert (removed.code, removed.err) == (0, "")
    assert ptyd.left() == []


def test_users_are_those_of_the_folder(given: tuple[Ptyd, Path]) -> None:
    """By name, with their groups; and the root's own files are its root's."""
    ptyd, folder = given
    done = ptyd("run", "--rm", f"--rootfs={folder}", "-u", "ann", "sh", "-c",
                "id; stat -c %u:%g /etc/passwd; touch /etc/x")  # fmt: skip

    first, second = done.out.decode().splitlines()
    assert first.split()[:2] == ["uid=1000(ann)", "gid=1001(ann)"]
    assert "77(club)" in first
    assert second == "0:0"
    assert "Permission denied" in done.err


def test_read_only_is_read_only(given: tuple[Ptyd, Path]) -> None:
    """Mount points are there all the same."""
    ptyd, folder = given
    done = ptyd("run", "--rm", "--read-only", f"--rootfs={folder}", "--tmpfs", "/scratch", "sh",
                "-c", "touch /scratch/x && echo ok; touch /x")  # fmt: skip

    assert done.out == b"ok\n"
    assert "Read-only file system" in done.err


def test_with_writable_the_folder_itself_is_the_root(given: tuple[Ptyd, Path]) -> None:
    """As with podman: what the box's root writes is the caller's."""
    ptyd, folder = given
    owner = folder.stat().st_uid
    done = ptyd("run", "--rm", "--writable", f"--rootfs={folder}", "sh", "-c", "echo x >/kept")

    assert (done.code, done.err) == (0, "")
    assert (folder / "kept").read_text() == "x\n"
    assert (folder / "kept").stat().st_uid == owner
    assert ptyd.left() == []


def test_names_are_right_and_no_link_leads_out(given: tuple[Ptyd, Path], tmp_path: Path) -> None:
    """hosts, hostname and resolv.conf are the box's, also behind links to nowhere or to outside."""
    ptyd, folder = given
    canary = folder.parent / "canary"
    canary.write_text("mine")
    (folder / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (folder / "etc/hosts").symlink_to(canary)
    words = [f"--rootfs={folder}", "--hostname=otter", "--network=none"]
    script = "cat /etc/hostname /etc/hosts; cat /etc/resolv.conf"
    for writable in ([], ["--writable"]):
        done = ptyd("run", "--rm", *words, *writable, "sh", "-c", script)

        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(b"otter\n127.0.0.1\tlocalhost\n")
        assert canary.read_text() == "mine"


def test_no_root_no_box(anybody: Ptyd, tmp_path: Path) -> None:
    """One line, 125, nothing left; the host's root is not to be had."""
    for given, line in (("/no/such", "No such file"), ("/etc/passwd", "not a folder"),
                        ("/", "the host's own root")):  # fmt: skip
        done = anybody("run", f"--rootfs={given}", "true")

        assert (done.code, len(done.err.splitlines())) == (125, 1)
        assert line in done.err
    assert anybody.left() == []
    both = anybody("run", "--writable", "--read-only", "true")
    assert (both.code, "exclude" in both.err) == (125, True)


def test_the_hosts_programs_can_be_changed_for_the_box_alone(ptyd: Ptyd) -> None:
    """Root maps the host's owners: what an installer does works inside, and is gone afterwards."""
    name = f"ptyd-test-{os.getpid()}"
    script = f"echo 'echo hi' >/usr/bin/{name}; chmod 755 /usr/bin/{name}; {name}; "
    script += f"rm /usr/bin/env; touch /etc/{name} /opt/{name} /var/lib/{name} /{name}; env"
    done = ptyd("run", "--rm", "--writable", "sh", "-c", script)

    assert (done.code, done.out) == (127, b"hi\n")
    for folder in ("/usr/bin", "/etc", "/opt", "/var/lib", "/"):
        assert name not in os.listdir(folder)
    assert Path("/usr/bin/env").exists()
    assert ptyd.left() == []


def test_a_package_is_installed_for_the_box_alone(ptyd: Ptyd, tmp_path: Path) -> None:
    """dpkg knows what the host has, adds to it, and the host does not hear of it."""
    (tmp_path / "deb/DEBIAN").mkdir(parents=True)
    control = "Package: ptyd-otter\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\n"
    (tmp_path / "deb/DEBIAN/control").write_text(control + "Description: x\n")
    (tmp_path / "deb/usr/bin").mkdir(parents=True)
    (tmp_path / "deb/usr/bin/ptyd-otter").write_text("#!/bin/sh\necho I am here\n")
    (tmp_path / "deb/usr/bin/ptyd-otter").chmod(0o755)
    for path in (tmp_path / "deb").rglob("*"):
        path.chmod(0o755)
    build = ["dpkg-deb", "--build", str(tmp_path / "deb"), str(tmp_path / "otter.deb")]
    subprocess.run(build, check=True, capture_output=True)
    done = ptyd("run", "--rm", "--writable", "-v", f"{tmp_path}/otter.deb:/mnt/otter.deb", "sh",
                "-c", "dpkg -i /mnt/otter.deb >/dev/null && ptyd-otter")  # fmt: skip

    assert (done.code, done.out) == (0, b"I am here\n"), done.err
    asked = subprocess.run(["dpkg-query", "-W", "ptyd-otter"], check=False, capture_output=True)
    assert asked.returncode == 1


def test_an_ordinary_user_may_write_beside_the_hosts_programs(theirs: Ptyd) -> None:
    """The host's folders belong to nobody inside, which a person is told."""
    script = "touch /etc/x /opt/x /x && echo ok; touch /usr/bin/x"
    done = theirs("run", "--rm", "--writable", "sh", "-c", script)

    assert done.out == b"ok\n"
    assert done.code != 0
    assert not Path("/usr/bin/x").exists()
    with theirs.terminal("ptyd", "run", "--rm", "--writable", "true") as user:
        user.sees("only files of your own can be changed")

        assert user.finish() == 0
    assert theirs.left() == []
