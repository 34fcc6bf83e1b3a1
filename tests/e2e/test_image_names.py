"""``ptyd import``, ``images`` and ``rmi``: archives that become images with names."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from layouts import Layout, archive, archive_of, entry, folder
from small_root import make_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Ptyd


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return archive_of(make_root(tmp_path_factory.mktemp("base") / "root"))


@pytest.fixture
def owner(anybody: Ptyd) -> Iterator[Ptyd]:
    """The commands of root, and of an ordinary user; no image is left."""
    yield anybody
    anybody.remove_all()
    assert anybody("image", "prune", "-af").code == 0
    images = Path(anybody.root, "images")
    left = [path for name in ("trees", "unpacking") for path in (images / name).glob("*")]
    left += [*(images / "layout/blobs/sha256").glob("*")]
    assert left == []


def rows(ptyd: Ptyd, *words: str) -> list[dict[str, Any]]:
    done = ptyd("images", "--format", "json", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_an_archive_becomes_an_image(owner: Ptyd, base: bytes) -> None:
    """It runs by its name, as its changes say, and is listed as docker lists."""
    changes = ("-c", 'CMD ["sh", "-c", "echo $A; id -u"]', "-c", "ENV A=b", "-c", "LABEL x=y")
    done = owner("import", *changes, "-m", "first", "-", "small", stdin=gzip.compress(base, 1))
    identity = done.out.decode().strip()
    ran = owner("run", "--rm", "--image", "small")
    given = owner("run", "--rm", "--image=small:latest", "sh", "-c", "echo given")
    table = owner("images").out.decode().splitlines()
    (row,) = rows(owner, "--no-trunc")

    assert done.code == 0, done.err
    assert ran == (0, b"b\n0\n", "")
    assert given.out == b"given\n"
    assert table[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert table[1].split()[:3] == ["small", "latest", identity.removeprefix("sha256:")[:12]]
    assert (row["ID"], row["Containers"]) == (identity, "0")
    assert row["CreatedSince"].endswith("ago")


@pytest.mark.parametrize("pack", [bytes, bz2.compress, lzma.compress], ids=["plain", "bz2", "xz"])
def test_archives_may_be_packed(ptyd: Ptyd, base: bytes, tmp_path: Path, pack: Any) -> None:
    """As Python can unpack."""
    (tmp_path / "root.tar").write_bytes(pack(base))
    done = ptyd("import", str(tmp_path / "root.tar"), "packed:1.0")

    assert done.code == 0, done.err
    assert ptyd("run", "--rm", "--image=packed:1.0", "id", "-u").out == b"0\n"
    assert ptyd("rmi", "packed:1.0") == (0, b"packed:1.0\n", "")


def test_names_filters_and_removal(owner: Ptyd, base: bytes, tmp_path: Path) -> None:
    """Two names may have one tree; what a container has stays; a layout's image has no name."""
    other = archive([folder("etc"), entry("etc/only", b"x")])
    for name, data in (("one:a", base), ("one:b", base), ("lib/two", other)):
        assert owner("import", "-c", "LABEL of=" + name, "-", name, stdin=data).code == 0

    def found(*words: str) -> list[str]:
        done = owner("images", "--format", "{{.Repository}}:{{.Tag}}", *words)
        assert done.code == 0, done.err
        return sorted(done.out.decode().split())

    first = next(row for row in rows(owner) if row["Tag"] == "a")
    assert found() == ["lib/two:latest", "one:a", "one:b"]
    assert found("one") == ["one:a", "one:b"]
    assert found("-f", "reference=*/two") == ["lib/two:latest"]
    assert found("-f", "label=of=one:b") == ["one:b"]
    assert found("-f", "dangling=true") == []
    assert found("-f", "since=one:b") == ["lib/two:latest"]
    assert found("-f", f"before={first['ID']}") == []
    assert "sha256:" in owner("images", "--digests").out.decode()

    container = owner.start("--image=one:a", "sleep", "1000")
    assert owner("rmi", "one:a") == (0, b"one:a\n", "")
    kept = owner("rmi", "one:b")
    assert (kept.code, kept.err) == (1, f"ptyd rmi: one:b: container {container.id[:12]} has it\n")
    container.remove()
    assert owner("rmi", "one:b", "nobody", "lib/two").out == b"one:b\nlib/two:latest\n"
    assert owner("images", "-q") == (0, b"", "")


def test_images_of_layouts_are_listed_too(ptyd: Ptyd, base: bytes, tmp_path: Path) -> None:
    """By where they came from, until they are pruned."""
    layout = Layout(tmp_path / "layout")
    layout.add(
        layout.manifest([base], {"Cmd": ["id"]}, created="2024-01-02T03:04:05.678901234Z"), "v1"
    )
    assert ptyd("run", "--rm", f"--image=oci:{layout.path}:v1").code == 0
    (row,) = rows(ptyd)

    assert (row["Repository"], row["Tag"]) == (f"oci:{layout.path}", "v1")
    assert row["CreatedAt"].startswith("2024-01-02")
    assert ptyd("info", "-f", "{{.Images}}").out == b"1\n"
    assert ptyd("image", "prune", "-f").out.decode() == f"oci:{layout.path}:v1\n"
    assert rows(ptyd) == []


@pytest.mark.parametrize(
    ("data", "about"),
    [
        (b"", "empty"),
        (b"this is no archive" * 100, "archive"),
        (b"\x1f\x8b" + b"x" * 100, "archive"),
        (b"BZh9" + b"x" * 100, "archive"),
        (b"\xfd7zXZ\0" + b"x" * 100, "archive"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 100, "zstd"),
        (gzip.compress(archive([entry("a", b"x" * 5000)]))[:-40], "archive"),
        (archive([entry("../out", b"x")]), "out"),
    ],
    ids=["empty", "text", "gzip", "bzip2", "xz", "zstd", "torn", "dots"],
)
def test_a_bad_archive_leaves_nothing(ptyd: Ptyd, data: bytes, about: str) -> None:
    """One line, 1; neither a name nor a tree, and no blob."""
    done = ptyd("import", "-", "bad", stdin=data)

    assert (done.code, done.out, len(done.err.splitlines())) == (1, b"", 1), done
    assert about in done.err
    assert rows(ptyd) == []
    assert list(Path(ptyd.root, "images/layout/blobs/sha256").iterdir()) == []


def test_an_image_is_inspected(owner: Ptyd, base: bytes) -> None:
    """By docker's fields, by name or id; a container of the same name is meant first."""
    changes = ("-c", 'CMD ["sh"]', "-c", "ENV A=b", "-c", "LABEL x=y", "-c", "EXPOSE 80")
    identity = owner("import", *changes, "-m", "first", "-", "it", stdin=base).out.decode().strip()
    (found,) = json.loads(owner("image", "inspect", "it").out)
    shown = [
        owner("inspect", "-f", "{{.Id}} {{.Config.Cmd}} {{.Config.Labels.x}}", each).out.decode()
        for each in ("it:latest", identity, identity.removeprefix("sha256:")[:12])
    ]
    made = owner("create", "--name", "it", "cat").out.decode().strip()

    assert (found["Id"], found["RepoTags"], found["Comment"]) == (identity, ["it:latest"], "first")
    assert found["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert len(found["RootFS"]["Layers"]) == 1
    assert shown == [f"{identity} [sh] y\n"] * 3
    assert owner("inspect", "-f", "{{.Id}}", "it").out.decode() == f"{made}\n"
    assert owner("inspect", "--type", "image", "-f", "{{.Id}}", "it").out.decode() == (
        f"{identity}\n"
    )
    for words in (["image", "inspect", "no"], ["inspect", "--type", "container", "it:latest"]):
        done = owner(*words)
        assert (done.code, done.out, done.err.count("\n")) == (1, b"[]\n", 1)


@pytest.mark.parametrize(
    ("words", "code", "about"),
    [
        (["import", "/no/such.tar"], 1, "No such file"),
        (["import", "/"], 1, "folder"),
        (["import", "/dev/zero"], 1, "device"),
        (["import", "-", "Bad Name"], 1, "name"),
        (["import", "-", "x", "-c", "RUN rm"], 1, "CMD, ENTRYPOINT"),
        (["import", "-", "x", "-c", "CMD [1]"], 1, "texts"),
        (["import", "-", "x", "-c", "EXPOSE x"], 1, "port"),
        (["run", "--image", "nobody", "true"], 125, "no image nobody:latest"),
        (["run", "--image", "NoBody:", "true"], 125, "NAME[:TAG]"),
        (["rmi", "nobody"], 1, "no such image"),
        (["rmi", "sha256:"], 1, "no such image"),
        (["images", "-f", "dangling=x"], 1, "true or false"),
        (["images", "-f", "since=x"], 1, "no such image"),
        (["image", "lss"], 1, "did you mean ls?"),
        (["image"], 1, "prune"),
    ],
    ids=range(15),
)
def test_a_mistake_is_one_line(ptyd: Ptyd, words: list[str], code: int, about: str) -> None:
    """With a defined exit code."""
    done = ptyd(*words)

    assert (done.code, len(done.err.splitlines())) == (code, 1), done
    assert about in done.err
