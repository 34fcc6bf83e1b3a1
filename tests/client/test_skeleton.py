"""The skeleton root: what is in it is chosen."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ptycli.skeleton import build_skeleton, host_trees


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    umask = os.umask(0o077)
    try:
        build_skeleton(
            str(tmp_path / "rootfs"),
            etc={"hosts": "127.0.1.1 otter", "hostname": "otter\n"},
            binds=["/data/", "/a/b/file", "/usr/x/"],
        )
    finally:
        os.umask(umask)
    return tmp_path / "rootfs"


def test_links_are_the_hosts(rootfs: Path) -> None:
    """bin, sbin and lib lead where they lead on the host, or are targets of mounts."""
    for name in ("bin", "sbin", "lib"):
        host, ours = Path("/", name), rootfs / name
        if host.is_symlink():
            assert Path("/", ours.readlink()) == Path("/", host.readlink())
        else:
            assert ours.is_dir()
            assert f"/{name}" in host_trees()


def test_identity_is_generated(rootfs: Path) -> None:
    """No user of the host is named."""
    users = [line.split(":")[0] for line in (rootfs / "etc/passwd").read_text().splitlines()]

    assert users == ["root", "daemon", "nobody"]
    assert (rootfs / "etc/hostname").read_text() == "otter\n"
    assert "otter" in (rootfs / "etc/hosts").read_text()


def test_no_secret_is_copied(rootfs: Path) -> None:
    """Neither what only root may read, nor what is not on the list."""
    for name in ("shadow", "gshadow", "environment", "sudoers", "ssh", "machine-id", "ssl/private"):
        assert not (rootfs / "etc" / name).exists()
    for path in rootfs.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_size < 4 << 20


def test_everybody_in_the_box_can_read_it(rootfs: Path) -> None:
    """Whatever the umask of the caller was."""
    for path in (rootfs, *rootfs.rglob("*")):
        mode = path.lstat().st_mode
        if path.name != "root" and not stat.S_ISLNK(mode):
            assert mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH), path


def test_targets_are_there(rootfs: Path) -> None:
    """Of the host's trees and of volumes, folders and files."""
    assert all((rootfs / tree[1:]).is_dir() for tree in host_trees())
    assert (rootfs / "data").is_dir()
    assert (rootfs / "a/b/file").is_file()


def test_the_umask_is_left_as_it_was(rootfs: Path) -> None:
    """It belongs to the process."""
    before = os.umask(0o022)
    os.umask(before)
    build_skeleton(str(rootfs.parent / "other"), etc={})
    after = os.umask(before)

    assert after == before


def test_local_time_is_the_hosts(rootfs: Path) -> None:
    """A link into zoneinfo, or the same bytes."""
    zone = rootfs / "etc/localtime"
    host = Path("/etc/localtime").resolve()

    assert zone.is_symlink() or zone.exists() == host.exists()
    if zone.is_symlink():
        assert Path(os.path.normpath(f"/etc/{zone.readlink()}")) == host


def test_no_link_is_absolute(rootfs: Path) -> None:
    """Followed from outside it would lead into the host."""
    links = [path for path in rootfs.rglob("*") if path.is_symlink()]

    assert rootfs / "var/run" in links
    assert [link for link in links if link.readlink().is_absolute()] == []


def test_targets_behind_links_stay_inside(tmp_path: Path) -> None:
    """Also behind a link that points out of the root."""
    name = f"ptyd-test-{os.getpid()}"
    rootfs, host = tmp_path / "rootfs", tmp_path / "host"
    host.mkdir()
    rootfs.mkdir()
    (rootfs / "out").symlink_to(host)
    (rootfs / host.relative_to("/")).mkdir(parents=True)
    binds = [f"/var/run/{name}/folder/", f"/var/run/{name}/file", "/out/x/", "/../../up/"]
    build_skeleton(str(rootfs), etc={}, binds=binds)

    assert not Path("/run", name).exists()
    assert list(host.iterdir()) == []
    assert (rootfs / "run" / name / "folder").is_dir()
    assert (rootfs / "run" / name / "file").is_file()
    assert (rootfs / host.relative_to("/") / "x").is_dir()
    assert (rootfs / "up").is_dir()
