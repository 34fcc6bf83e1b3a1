"""Packing and unpacking for ``ptyd cp``, out here: docker's table, a law, and hostile archives."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.copying.fault import line_of
from ptycli.copying.pack import Report, pack
from ptycli.copying.place import Host
from ptycli.copying.unpack import Terms, unpack
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = Terms(kept=False, follow=False, modes=0o777, whole=True)
STREAM = WHOLE._replace(whole=False)


def copy(source: str, target: str, *, follow: bool = False, terms: Terms = WHOLE) -> Report:
    """Copy as the command does: one side packs while the other unpacks, and its word counts."""
    reading, writing = os.pipe()
    said: list[Report | LaunchFailed] = []
    failures: list[LaunchFailed] = []

    def work() -> None:
        try:
            said.append(pack(Host(), source, writing, follow=follow))
        except LaunchFailed as failure:
            said.append(failure)
        finally:
            os.close(writing)

    packer = threading.Thread(target=work)
    packer.start()
    try:
        with open(reading, "rb") as file:
            try:
                unpack(Host(), target, file, terms)
            except LaunchFailed as failure:
                failures.append(failure)
            while file.read(1 << 16):
                pass
    finally:
        packer.join()
    (report,) = said
    if isinstance(report, LaunchFailed):
        raise report
    for failure in failures:
        raise failure
    return report


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "from"
    (folder / "dir/inner").mkdir(parents=True)
    (folder / "dir/inner/deep").write_text("deep")
    (folder / "dir/one").write_text("one")
    (folder / "file").write_text("file")
    (folder / "link").symlink_to("file")
    (folder / "dirlink").symlink_to("dir")
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """What may be a destination: ``folder``, ``file``, links to them, and nothing else."""
    folder = tmp_path / "to"
    (folder / "folder").mkdir(parents=True)
    (folder / "file").write_text("old")
    (folder / "to-folder").symlink_to("folder")
    (folder / "to-file").symlink_to(folder / "file")
    (folder / "to-new").symlink_to("folder/new")
    return folder


# docker container cp, "Description": SRC, DEST, and what is where afterwards.
TABLE = [
    ("file", "new", "new", "file"),
    ("file", "file", "file", "file"),
    ("file", "folder", "folder/file", "file"),
    ("file", "folder/", "folder/file", "file"),
    ("file", "to-folder", "folder/file", "file"),
    ("file", "to-file", "file", "file"),
    ("file", "to-new", "folder/new", "file"),
    ("dir", "new", "new/inner/deep", "deep"),
    ("dir", "new/", "new/one", "one"),
    ("dir", "folder", "folder/dir/one", "one"),
    ("dir/", "folder/.", "folder/dir/inner/deep", "deep"),
    ("dir/.", "new", "new/one", "one"),
    ("dir/.", "folder", "folder/inner/deep", "deep"),
    ("dirlink/", "folder", "folder/dirlink/one", "one"),
    ("dirlink/.", "new", "new/one", "one"),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} to {row[1]}")
def test_it_is_where_docker_puts_it(
    source: Path, there: Path, row: tuple[str, str, str, str]
) -> None:
    """Every row of the table, links included."""
    src, dest, where, text = row
    copy(f"{source}/{src}", f"{there}/{dest}")

    assert (there / where).read_text() == text
    assert not (there / where).is_symlink()
    assert (there / "to-file").is_symlink()


REFUSED = [
    ("file", "new/", "no such folder"),
    ("file", "no/new", "No such file"),
    ("dir", "file", "cannot be copied to a file"),
    ("dir", "no/new", "No such file"),
    ("file", "file/x", "Not a directory"),
    ("file/", "new", "Not a directory"),
    ("none", "new", "No such file"),
]


@pytest.mark.parametrize(("src", "dest", "line"), REFUSED)
def test_what_docker_refuses_is_refused(
    source: Path, there: Path, src: str, dest: str, line: str
) -> None:
    """In one line, and nothing is changed."""
    before = seen(str(there))
    with pytest.raises(LaunchFailed) as refused:
        copy(f"{source}/{src}", f"{there}/{dest}")

    assert seen(str(there)) == before
    assert line in line_of(refused.value)


def test_a_link_is_copied_and_if_asked_what_it_leads_to(source: Path, there: Path) -> None:
    """Under the name of the link; links in a folder stay links."""
    copy(f"{source}/link", f"{there}/folder")
    copy(f"{source}/link", f"{there}/followed", follow=True)
    copy(f"{source}/dirlink", f"{there}/folder/")
    copy(f"{source}/dirlink", f"{there}/asdir", follow=True)
    copy(f"{source}/.", f"{there}/all", follow=True)

    assert os.readlink(there / "folder/link") == "file"
    assert not (there / "followed").is_symlink()
    assert os.readlink(there / "folder/dirlink") == "dir"
    assert (there / "asdir/one").read_text() == "one"
    assert os.readlink(there / "all/link") == "file"


names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
files = st.tuples(st.binary(max_size=2000), st.sampled_from([0o600, 0o644, 0o755, 0o400]))
trees = st.recursive(
    st.dictionaries(names, files | names, max_size=4),
    lambda inner: st.dictionaries(names, files | names | inner, max_size=4),
    max_leaves=12,
)


def make(folder: str, tree: dict[str, object]) -> None:
    """Make a tree: bytes and a mode are a file, text is a link, a dictionary is a folder."""
    for name, what in tree.items():
        path = f"{folder}/{name}"
        if isinstance(what, dict):
            os.mkdir(path)
            make(path, what)
        elif isinstance(what, str):
            os.symlink(what, path)
        elif isinstance(what, tuple):
            data, mode = what
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, mode)


def seen(folder: str) -> dict[str, tuple[int, bytes, int]]:
    """Return mode, text or target, and time of everything below a folder."""
    found = {}
    for above, folders, inner in os.walk(folder):
        for name in (*folders, *inner):
            path = os.path.join(above, name)
            status = os.lstat(path)
            text = b""
            if stat.S_ISLNK(status.st_mode):
                text = os.readlink(path.encode())
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    text = file.read()
            key = os.path.relpath(path, folder)
            found[key] = (status.st_mode, text, round(status.st_mtime, 3))
    return found


@given(tree=trees)
def test_a_copy_of_a_tree_is_the_tree(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    """The law: names, texts, modes, links and times, whatever they are."""
    folder = str(tmp_path_factory.mktemp("law"))
    os.mkdir(f"{folder}/from")
    make(f"{folder}/from", tree)
    report = copy(f"{folder}/from", f"{folder}/to")

    assert report == Report("")
    assert seen(f"{folder}/to") == seen(f"{folder}/from")


def test_names_of_one_file_stay_so_and_holes_stay_holes(tmp_path: Path) -> None:
    """Hard links are links again; a large file of nothing costs no room."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from/a").write_text("x")
    (tmp_path / "from/b").hardlink_to(tmp_path / "from/a")
    with open(tmp_path / "from/holes", "wb") as file:
        file.truncate(20 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    copy(f"{tmp_path}/from", f"{tmp_path}/to")

    assert (tmp_path / "to/a").samefile(tmp_path / "to/b")
    status = (tmp_path / "to/holes").stat()
    assert (status.st_size, status.st_blocks < 4096) == ((20 << 20) + 3, True)
    assert (tmp_path / "to/holes").read_bytes().strip(b"\0") == b"end"


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    """A fifo is made again, and not waited for; sockets are counted."""
    import socket

    (tmp_path / "from").mkdir()
    os.mkfifo(tmp_path / "from/fifo", 0o600)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/from/sock")
        report = copy(f"{tmp_path}/from", f"{tmp_path}/to")

    assert report == Report("1 sockets or devices were left out")
    assert os.listdir(tmp_path / "to") == ["fifo"]
    assert stat.S_ISFIFO((tmp_path / "to/fifo").lstat().st_mode)


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> bytes:
    """Return one entry of an archive, a file with the text ``new`` if it is one."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.mode = kind, target, mode
    header.devmajor, header.devminor = 1, 3
    data = b"new" if kind == tarfile.REGTYPE else b""
    header.size = len(data)
    return header.tobuf(tarfile.PAX_FORMAT) + data.ljust(512 if data else 0, b"\0")


HOSTILE = {
    "dots": [entry("../canary")],
    "dots in the middle": [entry("a/../../canary")],
    "absolute": [entry("/canary")],
    "through a link": [entry("l", tarfile.SYMTYPE, "../outside"), entry("l/canary")],
    "folder over a link": [
        entry("l", tarfile.SYMTYPE, "../outside"),
        entry("l", tarfile.DIRTYPE),
        entry("l/canary"),
    ],
    "through a link that is there": [entry("out/canary")],
    "over a link that is there": [entry("victim")],
    "hard link out": [entry("h", tarfile.LNKTYPE, "../outside/canary"), entry("h")],
    "hard link through a link": [entry("h", tarfile.LNKTYPE, "out/canary"), entry("h")],
    "hard link to a link": [entry("h", tarfile.LNKTYPE, "victim"), entry("h")],
}


@pytest.mark.parametrize("terms", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_leads_out_of_the_destination(tmp_path: Path, name: str, terms: Terms) -> None:
    """Whatever the names and links of an archive: what is outside stays as it was."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/canary").write_text("mine")
    (tmp_path / "canary").write_text("mine")
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest/out").symlink_to(tmp_path / "outside")
    (tmp_path / "dest/victim").symlink_to(tmp_path / "outside/canary")
    archive = b"".join(HOSTILE[name]) + bytes(1024)
    with contextlib.suppress(LaunchFailed):
        unpack(Host(), f"{tmp_path}/dest", io.BytesIO(archive), terms)

    assert (tmp_path / "outside/canary").read_text() == "mine"
    assert (tmp_path / "canary").read_text() == "mine"
    assert os.listdir(tmp_path / "outside") == ["canary"]
    assert not [each for each in os.listdir(tmp_path / "dest") if each.startswith(".ptyd")]


def test_no_device_and_no_privilege_comes_out(tmp_path: Path) -> None:
    """Devices are passed over, set-user-id is taken away, a folder that is there stays closed."""
    (tmp_path / "dest").mkdir(mode=0o700)
    archive = entry("", tarfile.DIRTYPE, mode=0o777) + entry("null", tarfile.CHRTYPE)
    archive += entry("su", mode=0o6755) + entry("d", tarfile.DIRTYPE, mode=0o7777)
    unpack(Host(), f"{tmp_path}/dest", io.BytesIO(archive + bytes(1024)), STREAM)

    assert sorted(os.listdir(tmp_path / "dest")) == ["d", "su"]
    assert stat.S_IMODE((tmp_path / "dest").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "dest/su").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "dest/d").stat().st_mode) == 0o1777


@pytest.mark.parametrize("cut", [100, 512, 700, 1100])
def test_an_archive_that_ends_too_soon_leaves_what_was_there(tmp_path: Path, cut: int) -> None:
    """A file is replaced as a whole or not at all."""
    (tmp_path / "a").write_text("old")
    header = tarfile.TarInfo("a")
    header.size = 1000
    archive = (header.tobuf(tarfile.PAX_FORMAT) + b"x" * 1000)[:cut]
    with pytest.raises(LaunchFailed, match="no good archive"):
        unpack(Host(), str(tmp_path), io.BytesIO(archive), STREAM)

    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@given(data=st.binary(max_size=3000))
def test_no_bytes_do_more_than_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever comes: an archive, or the failure that is told in one line."""
    folder = tmp_path_factory.mktemp("bytes")
    with contextlib.suppress(LaunchFailed):
        unpack(Host(), str(folder), io.BytesIO(data), STREAM)
