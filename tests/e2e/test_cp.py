"""``ptyd cp``: files between here and a container, in whatever state and with whatever root."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from small_root import make_root
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from ordinary_user import Account
    from ptyd_user import Ptyd

FILL = "mkdir -p $0/dir && echo one >$0/dir/one && ln -s one $0/dir/link && echo ready; exec cat"


@pytest.fixture(params=["me", "ordinary"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Ptyd, Path]:
    """The commands as root and as an ordinary user, and an empty folder of theirs."""
    if request.param == "me":
        place = tmp_path / "place"
        place.mkdir()
        return request.getfixturevalue("ptyd"), place
    folder: Path = request.getfixturevalue("folder")
    account: Account = request.getfixturevalue("account")
    place = folder / "place"
    place.mkdir()
    os.chown(place, account.uid, account.uid)
    return request.getfixturevalue("theirs"), place


def given(place: Path, name: str, text: str, mode: int = 0o644) -> Path:
    """Make a file in a folder, its owner's."""
    path = place / name
    path.write_text(text)
    path.chmod(mode)
    status = place.stat()
    os.chown(path, status.st_uid, status.st_gid)
    return path


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getnames()


def start_filled(ptyd: Ptyd, place: str, *words: str) -> None:
    """Start ``it`` with some files below a place in it."""
    it = ptyd.start("--name", "it", *words, "sh", "-c", FILL, place)
    wait_until(lambda: b"ready" in it.journal(), what="its files")


def test_files_go_in_and_out_while_it_runs(user: tuple[Ptyd, Path]) -> None:
    """A file, a folder, its contents; root's also while it is paused, which it stays."""
    ptyd, place = user
    start_filled(ptyd, "/tmp/here")
    note = given(place, "note", "hello\n", 0o640)
    mine = place.stat().st_uid == 0  # others may have no cgroup to hold a box by
    for held in (False, True):
        if held and mine:
            assert ptyd("pause", "it").code == 0
        done = ptyd("cp", str(note), "it:/tmp/here/dir")
        assert (done.code, done.out) == (0, b"")
        assert done.err == "Successfully copied 2.05kB to it:/tmp/here/dir\n"
        assert ptyd("cp", "-q", "it:tmp/here", str(place)) == (0, b"", "")
        assert ptyd("cp", "-q", "it:/tmp/here/dir/.", f"{place}/new{held}") == (0, b"", "")
        assert (place / "here/dir/one").read_text() == "one\n"
        assert os.readlink(place / "here/dir/link") == "one"
        assert (place / f"new{held}/note").read_text() == "hello\n"
        shutil.rmtree(place / "here")

    assert ptyd.inspect("it")["State"]["Paused"] is mine
    assert (place / "newTrue/note").stat().st_uid == place.stat().st_uid
    assert stat.S_IMODE((place / "newTrue/note").stat().st_mode) == 0o640
    ptyd("unpause", "it")
    said = ptyd("exec", "it", "stat", "-c", "%u:%g %a", "/tmp/here/dir/note")
    assert said.out == b"0:0 640\n"


@pytest.mark.parametrize("root", ["--rootfs", "--writable", "both"])
def test_files_go_in_and_out_of_what_has_ended_or_never_ran(
    user: tuple[Ptyd, Path], root: str
) -> None:
    """What was copied is there when it starts; what it wrote can be fetched after its end."""
    ptyd, place = user
    given_root = make_root(place.parent / "given")
    owner = place.stat()
    for path in (given_root, *given_root.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    words = {
        "--rootfs": [f"--rootfs={given_root}"],
        "--writable": ["--writable"],
        "both": [f"--rootfs={given_root}", "--writable"],
    }[root]
    script = "cat /opt/note; mkdir /opt/out; echo out >/opt/out/file"
    if root != "--writable":
        (given_root / "opt").mkdir()
        os.chown(given_root / "opt", owner.st_uid, owner.st_gid)
    made = ptyd("create", "--name", "it", "--no-tty", *words, "sh", "-ec", script)
    assert made.code == 0, made.err
    note = given(place, "note", "hello\n")
    assert ptyd("cp", "-q", str(note), "it:/opt") == (0, b"", "")
    done = ptyd("start", "-a", "it")
    assert (done.code, done.out) == (0, b"hello\n")
    assert ptyd("cp", "-q", "it:/opt/out", str(place)) == (0, b"", "")

    assert (place / "out/file").read_text() == "out\n"
    assert (given_root / "opt/out").exists() == (root == "both")
    assert ptyd.inspect("it")["State"]["Status"] == "exited"


def test_an_archive_goes_in_and_out_by_the_streams(user: tuple[Ptyd, Path]) -> None:
    """``-`` is a tar archive, also a packed one; it goes to a folder that is there."""
    ptyd, _ = user
    start_filled(ptyd, "/tmp/here")
    out = ptyd("cp", "it:/tmp/here/dir", "-")
    assert (out.code, out.err, names(out.out)) == (0, "", ["dir", "dir/link", "dir/one"])
    assert names(ptyd("cp", "it:/tmp/here/dir/one", "-").out) == ["one"]
    packed = subprocess.run(["gzip", "-c"], input=out.out, capture_output=True, check=True).stdout
    for number, archive in enumerate((out.out, packed)):
        assert ptyd("exec", "it", "mkdir", f"/tmp/{number}").code == 0
        done = ptyd("cp", "-", f"it:/tmp/{number}", stdin=archive)
        assert (done.code, done.err.startswith("Successfully copied")) == (0, True)
        assert ptyd("exec", "it", "cat", f"/tmp/{number}/dir/one").out == b"one\n"
    for where, line in (("/tmp/none", "no such folder"), ("/tmp/here/dir/one", "to a file")):
        done = ptyd("cp", "-", f"it:{where}", stdin=out.out)
        assert (done.code, line in done.err, len(done.err.splitlines())) == (1, True, 1)
    done = ptyd("cp", "-", "it:/tmp", stdin=b"this is none" * 100)
    assert (done.code, "no good archive" in done.err) == (1, True)


def test_owners_are_the_containers_and_with_a_those_of_the_source(
    ptyd: Ptyd, tmp_path: Path
) -> None:
    """As numbers, both ways; without -a nothing that comes out is set-user-id."""
    it = ptyd.start("--name", "it", "sh", "-c", "echo x >/tmp/x; chown 77:78 /tmp/x; "
                    "chmod 4711 /tmp/x; echo ready; exec cat")  # fmt: skip
    wait_until(lambda: b"ready" in it.journal())
    assert ptyd("cp", "it:/tmp/x", f"{tmp_path}/plain").code == 0
    assert ptyd("cp", "-a", "it:/tmp/x", f"{tmp_path}/kept").code == 0
    plain, kept = (tmp_path / "plain").stat(), (tmp_path / "kept").stat()
    assert (plain.st_uid, plain.st_gid, stat.S_IMODE(plain.st_mode)) == (0, 0, 0o711)
    assert (kept.st_uid, kept.st_gid, stat.S_IMODE(kept.st_mode)) == (77, 78, 0o4711)
    assert ptyd("cp", f"{tmp_path}/kept", "it:/tmp/root").code == 0
    assert ptyd("cp", "-a", f"{tmp_path}/kept", "it:/tmp/same").code == 0
    said = ptyd("exec", "it", "stat", "-c", "%u:%g %a", "/tmp/root", "/tmp/same")
    assert said.out == b"0:0 4711\n77:78 4711\n"
    os.chown(tmp_path / "kept", 70000, 70000)
    done = ptyd("cp", "-a", f"{tmp_path}/kept", "it:/tmp/more")

    assert (done.code, "70000:70000 is none that the container has" in done.err) == (1, True)


def test_an_ordinary_user_is_told_that_they_cannot_give_files_away(theirs: Ptyd) -> None:
    """-a on the way out: one line, before anything is done."""
    theirs.start("--name", "it", "sleep", "1000")
    done = theirs("cp", "-a", "it:/etc/passwd", "/tmp")

    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "only root" in done.err


MISTAKES = (
    (["a", "b"], "of a container"),
    (["it:/a", "it:/b"], "between containers"),
    (["it:", "b"], "empty"),
    (["none:/a", "/tmp"], "no such container"),
    (["it:/no/such", "/tmp"], "/no/such: No such file"),
    (["it:/dev/null", "/tmp/x"], "is a device"),
    (["/etc/hostname", "it:/no/such/file"], "No such file"),
    (["/etc/hostname", "it:/usr/"], "it:/usr/ is read-only"),
    (["/etc/hostname", "it:/tmp/none/"], "no such folder"),
    (["/etc", "it:/etc/passwd"], "cannot be copied to a file"),
    (["/no/such", "it:/tmp"], "/no/such: No such file"),
    (["./it:/x", "it:/tmp"], "No such file"),
)


def test_what_cannot_be_copied_is_one_line(anybody: Ptyd) -> None:
    """And docker's exit code, 1."""
    anybody.start("--name", "it", "sleep", "1000")
    for words, line in MISTAKES:
        done = anybody("cp", *words)

        assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
        assert line in done.err


def test_memory_of_what_does_not_run_is_not_written_to(anybody: Ptyd) -> None:
    """It would be gone when the program sees it; said in one line."""
    assert anybody("create", "--name", "it", "sh").code == 0
    done = anybody("cp", "/etc/hostname", "it:/tmp/")

    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "it:/tmp/ is read-only: memory is there only while the container runs" in done.err


def test_nobody_starts_what_is_being_copied_from(ptyd: Ptyd, tmp_path: Path) -> None:
    """An overlay is mounted once at a time: the start says why not, and works afterwards."""
    (tmp_path / "big").write_bytes(bytes(8 << 20))
    assert ptyd("create", "--name", "it", "--writable", "sleep", "1000").code == 0
    assert ptyd("cp", f"{tmp_path}/big", "it:/opt").code == 0
    with ptyd.background("ptyd", "cp", "it:/opt/big", "-") as copying:
        assert copying.stdout is not None
        assert copying.stdout.read(512)  # it is there, and more of it than a pipe holds
        done = ptyd("start", "it")
        assert (done.code, "ptyd cp copies its files" in done.err) == (1, True)
        assert len(copying.stdout.read()) > 8 << 20
        assert copying.wait() == 0

    assert ptyd("start", "it").code == 0


def test_volumes_are_seen_as_the_box_sees_them(user: tuple[Ptyd, Path]) -> None:
    """Also of a container that does not run; read-only ones cannot be written to."""
    ptyd, place = user
    note = given(place, "note", "hello\n")
    for name in ("rw", "ro"):
        (place / name).mkdir()
        os.chown(place / name, place.stat().st_uid, place.stat().st_gid)
    words = ["-v", f"{place}/rw:/mnt/rw", "-v", f"{place}/ro:/mnt/ro:ro"]
    made = ptyd("create", "--name", "it", "--no-tty", *words, "sleep", "1000")
    assert made.code == 0, made.err
    for started in (False, True):
        if started:
            assert ptyd("start", "it").code == 0
        assert ptyd("cp", "-q", str(note), f"it:/mnt/rw/{started}") == (0, b"", "")
        assert (place / f"rw/{started}").read_text() == "hello\n"
        assert (place / f"rw/{started}").stat().st_uid == place.stat().st_uid
        done = ptyd("cp", str(note), "it:/mnt/ro")
        assert (done.code, "it:/mnt/ro is read-only" in done.err) == (1, True)


def test_a_box_of_runc_is_copied_to_and_from(anybody: Ptyd) -> None:
    """Although nobody holds its namespaces while it has no network."""
    words = ("--runtime", "runc", "--network", "none", "--name", "it")
    anybody.start(*words, "sleep", "1000")
    assert anybody("cp", "-q", "/etc/hostname", "it:/tmp/") == (0, b"", "")

    assert names(anybody("cp", "it:/tmp/hostname", "-").out) == ["hostname"]


def test_an_image_is_copied_to_before_its_first_start(user: tuple[Ptyd, Path]) -> None:
    """What came into one box is in no other of the image, and diff tells of it."""
    ptyd, place = user
    root = make_root(place.parent / "given")
    archive = place.parent / "root.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    archive.chmod(0o644)
    assert ptyd("import", str(archive), "small").code == 0
    note = given(place, "note", "hello\n")
    for name in ("one", "two"):
        made = ptyd("create", "--name", name, "--no-tty", "--image=small", "cat", "/opt")
        assert made.code == 0, made.err
    assert ptyd("cp", "-q", str(note), "one:/opt") == (0, b"", "")
    assert ptyd("diff", "one").out == b"A /opt\n"
    assert ptyd("start", "-a", "one") == (0, b"hello\n", "")
    assert ptyd("start", "-a", "two").code == 1
    assert ptyd("diff", "one").out == b"A /opt\n"
    assert ptyd("diff", "two").out == b""
