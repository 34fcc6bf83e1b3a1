"""Layers become a tree: as the specification defines it, and never anything outside of it."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import LAYER, archive, digest, entry, folder, hardlink, symlink
from ptycli.image import content as contents
from ptycli.image.applier import Applier, Owners
from ptycli.image.content import Budget, Content
from ptycli.image.layout import Descriptor
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import IdRange
from trees import OWNERS, apply, apply_bytes, listing

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

    Entry = tuple[tarfile.TarInfo, bytes]

# What layers mean


def test_later_layers_replace_and_add(tmp_path: Path) -> None:
    """A folder stays with what is in it, all else is replaced whatever it was."""
    apply(
        tmp_path / "t",
        [
            folder("./"),
            folder("d", 0o700),
            entry("d/kept", b"1"),
            entry("f", b"1"),
            symlink("l", "d"),
        ],
        [folder("d", 0o711), entry("d/new", b"2"), folder("f"), entry("l", b"2")],
    )

    assert listing(tmp_path / "t") == {"d": "/", "d/kept": "1", "d/new": "2", "f": "/", "l": "2"}
    assert (tmp_path / "t/d").stat().st_mode & 0o7777 == 0o711


@pytest.mark.parametrize("late", [False, True], ids=["first", "last"])
def test_whiteouts_hide_earlier_layers_alone(tmp_path: Path, *, late: bool) -> None:
    """Wherever in their layer they stand (layer.md, "Whiteouts")."""
    hiding = [entry(".wh.gone"), entry(".wh.d"), entry("o/.wh..wh..opq")]
    making = [folder("d"), entry("d/new", b"2"), folder("o"), entry("o/new", b"2")]
    apply(
        tmp_path / "t",
        [entry("gone"), folder("d"), entry("d/old"), folder("o"), folder("o/x"), entry("o/x/y")],
        [*making, *hiding] if late else [*hiding, *making],
    )

    assert listing(tmp_path / "t") == {"d": "/", "d/new": "2", "o": "/", "o/new": "2"}


def test_whiteouts_of_nothing_hide_nothing(tmp_path: Path) -> None:
    """Nor do aufs's own files, of which images are full."""
    apply(
        tmp_path / "t",
        [entry("kept", b"1"), entry(".wh.none"), entry("a/b/.wh.c"), entry("kept/.wh.x"),
         entry(".wh..wh.plnk"), entry("x/.wh..wh..opq")],
    )  # fmt: skip

    assert listing(tmp_path / "t") == {"kept": "1"}


def test_hard_links_reach_earlier_layers(tmp_path: Path) -> None:
    """And are one file; a link to itself changes nothing; replacing one leaves the other."""
    apply(
        tmp_path / "t",
        [entry("a", b"1"), hardlink("b", "a"), hardlink("b", "/b")],
        [folder("d"), hardlink("d/c", "./a"), entry("a", b"2")],
    )

    assert listing(tmp_path / "t") == {"a": "2", "b": "1", "d": "/", "d/c": "1"}
    assert (tmp_path / "t/b").samefile(tmp_path / "t/d/c")


def test_missing_parents_are_made_and_links_on_the_way_followed(tmp_path: Path) -> None:
    """As where /lib is a link into /usr."""
    apply(
        tmp_path / "t",
        [folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib")],
        [entry("lib/x", b"1"), entry("abs/y", b"2"), entry("new/z", b"3"), entry("usr/lib/.wh.x")],
        [entry("abs/.wh.y")],
    )

    assert listing(tmp_path / "t") == {
        "usr": "/", "usr/lib": "/", "usr/lib/x": "1", "lib": ">usr/lib", "abs": ">/usr/lib",
        "new": "/", "new/z": "3",
    }  # fmt: skip


def test_modes_times_and_attributes_are_kept(tmp_path: Path) -> None:
    """Of folders too, whatever was made in them afterwards; what an overlay obeys is not."""
    attributes = {
        "SCHILY.xattr.user.note": "otter",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
    }
    apply(
        tmp_path / "t",
        [
            folder("d", 0o1777, mtime=1000, pax_headers=attributes),
            entry("d/s", b"x", mode=0o4755, mtime=1234.5, pax_headers=attributes),
            entry("d/fifo", type=tarfile.FIFOTYPE, mode=0o620),
            entry("d/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        ],
    )
    made, file = tmp_path / "t/d", tmp_path / "t/d/s"

    assert (made.stat().st_mode & 0o7777, made.stat().st_mtime) == (0o1777, 1000)
    assert (file.stat().st_mode & 0o7777, file.stat().st_mtime) == (0o4755, 1234.5)
    assert os.listxattr(made) == os.listxattr(file) == ["user.note"]
    assert stat.S_ISFIFO((made / "fifo").stat().st_mode)
    assert not (made / "null").exists()


def test_an_owner_that_no_box_has_is_nobody(tmp_path: Path) -> None:
    """And what was set-user-id for them is that for nobody."""
    apply(tmp_path / "t", [entry("x", mode=0o4755, uid=1 << 40), folder("d", gid=-1)],
          owners=Owners((IdRange(0, 0, 1),), (IdRange(0, 0, 1),)))  # fmt: skip

    assert (tmp_path / "t/x").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "t/x").stat().st_uid == 0


def sparse_header(*, goes_on: bool = False) -> bytes:
    """Return that of a file of 2 MiB with 512 bytes in its middle, as GNU has it."""
    info = tarfile.TarInfo("s")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[124:136] = b"%011o\0" % 512  # what follows
    header[386:410] = b"%011o\0%011o\0" % (1 << 20, 512)
    header[482] = goes_on  # more of the map follows
    header[483:495] = b"%011o\0" % (2 << 20)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def test_holes_stay_holes(tmp_path: Path) -> None:
    """GNU's sparse files, of which only what is in them is written."""
    apply_bytes(tmp_path / "t", [sparse_header() + b"x" * 512 + archive([])])
    made = tmp_path / "t/s"

    assert made.stat().st_size == 2 << 20
    assert made.stat().st_blocks * 512 <= 64 << 10
    assert made.read_bytes() == bytes(1 << 20) + b"x" * 512 + bytes((1 << 20) - 512)


# What hostile layers try


def refusal(tmp_path: Path, *layers: Sequence[Entry]) -> str:
    """Apply layers that are no good beside a canary; return the line, which is one."""
    (tmp_path / "canary").write_text("mine")
    shutil.rmtree(tmp_path / "t", ignore_errors=True)
    with pytest.raises(LaunchFailed) as caught:
        apply(tmp_path / "t", *layers)
    assert caught.value.stage == "image"
    assert "\n" not in caught.value.detail
    assert sorted(os.listdir(tmp_path)) == ["canary", "t"]
    assert (tmp_path / "canary").read_text() == "mine"
    return caught.value.detail


@pytest.mark.parametrize("name", ["../canary", "a/../../canary", "/../canary", "..", "a/.."])
def test_names_that_lead_up_are_refused(tmp_path: Path, name: str) -> None:
    """Of files, of links' targets, of whiteouts."""
    assert "no name within" in refusal(tmp_path, [entry(name, b"x")])
    assert "no name within" in refusal(tmp_path, [hardlink("x", name)])
    if not name.endswith(".."):
        above, _, last = name.rpartition("/")
        assert "no name within" in refusal(tmp_path, [entry(f"{above}/.wh.{last}")])


def test_absolute_names_begin_at_the_trees_root(tmp_path: Path) -> None:
    """As docker has it."""
    apply(tmp_path / "t", [entry("/etc/x", b"1"), entry(f"//{tmp_path}/y", b"2")])

    assert (tmp_path / "t/etc/x").read_text() == "1"
    assert (tmp_path / f"t/{tmp_path}/y").read_text() == "2"
    assert os.listdir(tmp_path) == ["t"]


def test_files_through_links_stay_inside(tmp_path: Path) -> None:
    """The oldest trick: a link out, then a file through it; or a hard link through it."""
    (tmp_path / "canary").write_text("mine")
    out = [symlink("abs", str(tmp_path)), symlink("up", "../../../.."), folder(f".{tmp_path}")]
    apply(tmp_path / "t", out, [entry("abs/canary", b"theirs"), entry("up/root", b"theirs")])

    assert (tmp_path / "canary").read_text() == "mine"
    assert (tmp_path / f"t/{tmp_path}/canary").read_text() == "theirs"
    assert (tmp_path / "t/root").read_text() == "theirs"
    assert "cannot be made" in refusal_of_link(tmp_path)


def refusal_of_link(tmp_path: Path) -> str:
    with pytest.raises(LaunchFailed) as caught:
        apply(tmp_path / "u", [symlink("up", str(tmp_path))], [hardlink("x", "up/canary")])
    return caught.value.detail


def test_a_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    """Also by whiteouts and opaque folders, which remove the link and not what it means."""
    (tmp_path / "canary").write_text("mine")
    links = [symlink("a", "../canary"), symlink("b", "../canary"), symlink("c", "..")]
    apply(tmp_path / "t", links, [entry("a", b"new"), entry(".wh.b"), folder("c")])

    assert listing(tmp_path / "t") == {"a": "new", "c": "/"}
    assert (tmp_path / "canary").read_text() == "mine"


def test_the_root_stays(tmp_path: Path) -> None:
    """It is neither hidden nor replaced."""
    for bad in (entry(".wh."), entry(".wh.."), entry(".wh..."), entry("x/.wh.")):
        assert "hides nothing" in refusal(tmp_path, [folder("x"), bad])
    for bad in (entry("."), symlink("./", "x"), hardlink("x", "/")):
        assert "root" in refusal(tmp_path, [bad])


def test_entries_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A file as a parent, a loop of links, a link to nowhere, no target, strange types."""
    for bad in (
        [entry("f"), entry("f/x")],
        [symlink("a", "b"), symlink("b", "a"), entry("a/x")],
        [symlink("a", "nowhere"), entry("a/x")],
        [hardlink("a", "nowhere")],
        [folder("d"), hardlink("a", "d")],
        [entry("x" * 300)],
    ):
        assert "cannot be made" in refusal(tmp_path, bad)
    assert "link to nothing" in refusal(tmp_path, [symlink("a", "")])
    assert "type" in refusal(tmp_path, [entry("a", type=b"Z")])


def test_depth_is_limited(tmp_path: Path) -> None:
    """Also where links shorten the names: removing the tree must be possible."""
    part = "/".join("d" * 150)
    assert "nested" in refusal(tmp_path, [entry("/".join("d" * 202))])
    assert "nested" in refusal(tmp_path, [folder(part), symlink("s", part), entry(f"s/{part}/x")])


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it unpacks to, by a sparse file's size, by the number of entries, by a header."""
    monkeypatch.setattr(contents, "_FLOOR", 1 << 20)
    zeros = archive([entry("zeros", bytes(4 << 20))])
    with pytest.raises(LaunchFailed, match="unpacks to more than"):
        apply_bytes(tmp_path / "t", [zeros], packed=True)
    huge = entry("x", b"1")
    huge[0].pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.map": "0,1",
                           "GNU.sparse.size": str(1 << 60)}  # fmt: skip
    with pytest.raises(LaunchFailed, match="unpacks to more than"):
        apply(tmp_path / "t", [huge])
    monkeypatch.setattr(contents, "MOST_ENTRIES", 10)
    assert "entries" in refusal_in(tmp_path / "n", [entry(f"f{n}") for n in range(11)])
    monkeypatch.setattr(contents, "MOST_ENTRIES", 1000)
    many = archive([folder(f"d{n}") for n in range(300)])
    with pytest.raises(LaunchFailed, match="unpacks to more than"):
        apply_bytes(tmp_path / "m", [many], packed=True)


def test_a_bomb_cannot_lie_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the manifest says is proven at the end, when the disk would be full."""
    monkeypatch.setattr(contents, "_FLOOR", 1 << 20)
    data = archive([entry("zeros", bytes(4 << 20))])
    blob = gzip.compress(data)
    read_fd, tree_fd = os.memfd_create("layer"), os.open(tmp_path, os.O_RDONLY)
    os.write(read_fd, blob)
    os.lseek(read_fd, 0, os.SEEK_SET)
    layer = Descriptor(LAYER + "+gzip", digest(blob), 1 << 60)
    budget = Budget()
    try:
        with pytest.raises(LaunchFailed, match="unpacks to more than"):
            Applier(tree_fd, OWNERS, budget).apply(Content(read_fd, layer, digest(data), budget))
    finally:
        os.close(read_fd)
        os.close(tree_fd)


def test_headers_are_limited(tmp_path: Path) -> None:
    """One, all of one entry's, a sparse file's map, and those that hold for all entries."""
    long = entry("x", pax_headers={"comment": "x" * (2 << 20)})
    several = entry("x", pax_headers={f"k{n}": "x" * 5000 for n in range(300)})
    assert "header" in refusal_in(tmp_path / "t", [long])
    assert "header" in refusal_in(tmp_path / "t", [several])
    mapped = b"300000\n" + b"0\n" * 600_000  # of GNU's format 1.0
    sparse = entry("x", mapped + bytes(-len(mapped) % 512), pax_headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1",
    })  # fmt: skip
    assert "header" in refusal_in(tmp_path / "t", [sparse])
    everywhere = tarfile.TarInfo.create_pax_global_header({f"k{n}": "x" for n in range(100)})
    with pytest.raises(LaunchFailed, match="global headers"):
        apply_bytes(tmp_path / "t", [everywhere + archive([entry("x")])])


def refusal_in(tree: Path, layer: Sequence[Entry]) -> str:
    with pytest.raises(LaunchFailed) as caught:
        apply(tree, layer)
    return caught.value.detail


def test_half_an_archive_is_refused(tmp_path: Path) -> None:
    """Cut in a file or a map, or with rubbish for a header; though its digest is right."""
    whole = archive([entry("a", bytes(2000)), entry("b", b"x")])
    mapped = sparse_header(goes_on=True)
    for data in (whole[:1000], whole[:2560] + b"rubbish" * 100, b"rubbish" * 100, b"", mapped):
        with pytest.raises(LaunchFailed, match="no good archive"):
            apply_bytes(tmp_path / "t", [data])


def test_what_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    """Blob and contents have a digest each; a stream may be cut or larger than it says."""
    data = archive([entry("a", bytes(2000))])
    blob = gzip.compress(data)
    kind = LAYER + "+gzip"
    for stream, layer, diff_id, line in (
        (blob, Descriptor(kind, digest(b""), len(blob)), digest(data), "its digest is another"),
        (blob, Descriptor(kind, digest(blob), len(blob)), digest(b""), "something else"),
        (blob, Descriptor(kind, digest(blob), len(blob) - 1), digest(data), "larger than"),
        (blob, Descriptor(kind, digest(blob), len(blob) + 1), digest(data), "bytes, not"),
        (blob[:-9], Descriptor(kind, digest(blob[:-9]), len(blob) - 9), digest(data), "no good"),
        (data, Descriptor(kind, digest(data), len(data)), digest(data), "no good archive"),
        (blob, Descriptor(LAYER + "+zstd", digest(blob), len(blob)), digest(data), "not installed"),
        (blob, Descriptor(LAYER + "+xz", digest(blob), len(blob)), digest(data), "'xz'"),
    ):
        read_fd = os.memfd_create("layer")
        os.write(read_fd, stream)
        os.lseek(read_fd, 0, os.SEEK_SET)
        tree_fd = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(LaunchFailed, match=line):
                Applier(tree_fd, OWNERS, Budget()).apply(Content(read_fd, layer, diff_id, Budget()))
        finally:
            os.close(tree_fd)
            os.close(read_fd)


@given(st.randoms(use_true_random=False))
def test_no_bytes_lead_out_or_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random
) -> None:
    """A good archive with some of its bytes changed."""
    base = tmp_path_factory.mktemp("changed")
    data = bytearray(
        archive([folder("d"), entry("d/f", b"text"), symlink("l", "d"), hardlink("h", "d/f"),
                 entry("l/p", b"x", pax_headers={"SCHILY.xattr.user.a": "b", "path": "d/q"})])
    )  # fmt: skip
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.choice(
            b"\0\xff./07Lgx1235 " + chance.randbytes(3)
        )
    with contextlib.suppress(LaunchFailed):
        apply_bytes(base / "t", [bytes(data)])

    assert os.listdir(base) == ["t"]


def test_a_layer_is_read_forward() -> None:
    """The file that tarfile is given has no way back."""
    data = archive([entry("a", b"text")])
    fd = os.memfd_create("layer")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    layer = Descriptor(LAYER, digest(data), len(data))
    content = Content(fd, layer, digest(data), Budget())
    content.read(10)

    assert content.seek(512) == content.tell() == 512
    with pytest.raises(LaunchFailed, match="backwards"):
        content.seek(0)
    os.close(fd)
