"""Options about what a box sees: docker's words become mounts, or are refused with a line."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure
from ptycli.mount import (
    Tmpfs,
    Volume,
    add_options,
    by_depth,
    parse_device,
    parse_mount,
    parse_tmpfs,
    prepare,
    read_options,
)

if TYPE_CHECKING:
    from pathlib import Path


def options_of(mount: Volume | Tmpfs, *, rooted: bool = False) -> list[str]:
    words = mount.mount(rooted=rooted)["options"]
    assert isinstance(words, list)
    return words


def test_bind_has_dockers_words(tmp_path: Path) -> None:
    """Long and short, with and without a value; quoted as CSV has it."""
    (tmp_path / "a,b").mkdir()
    plain = parse_mount(f"type=bind,source={tmp_path},target=/x")
    full = parse_mount(
        f'type=bind,"src={tmp_path}/a,b",dst=/x/,ro,bind-propagation=rslave,bind-recursive=disabled'
    )

    assert plain == Volume(str(tmp_path), "/x")
    assert full == Volume(f"{tmp_path}/a,b", "/x", True, True, False, "rslave")
    assert options_of(full, rooted=True) == ["bind", "nosuid", "ro", "nodev", "idmap", "rslave"]


def test_tmpfs_is_dockers() -> None:
    """Nothing in it is executed unless that is asked for; everybody may write."""
    assert options_of(parse_tmpfs("/x")) == ["nosuid", "nodev", "noexec", "mode=1777"]
    assert options_of(parse_tmpfs("/x:exec,mode=700,size=64m"))[3:] == [
        "exec",
        "mode=700",
        "size=64m",
    ]
    assert parse_mount("type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=0755,readonly") == Tmpfs(
        "/x", ("size=1m", "mode=0755", "ro")
    )


def test_volume_is_made_once(tmp_path: Path) -> None:
    """Below the state folder, closed to others on the host."""
    volume = parse_mount("source=data,target=/x,readonly=false")
    (first,) = prepare([volume], str(tmp_path), "", None)
    assert isinstance(first, Volume)
    os.close(os.open(f"{first.source}/kept", os.O_CREAT | os.O_WRONLY))
    (second,) = prepare([volume], str(tmp_path), "", None)

    assert first == second == Volume(f"{tmp_path}/volumes/data/_data", "/x", name="data")
    assert os.listdir(first.source) == ["kept"]
    assert (tmp_path / "volumes/data").stat().st_mode & 0o777 == 0o700


def test_device_keeps_being_one() -> None:
    """It is shown at its own path or another, never idmapped, and alone may be opened."""
    device = parse_device("/dev/null:/dev/nothing:rwm")

    assert (device.source, device.target) == ("/dev/null", "/dev/nothing")
    assert parse_device("/dev/null").target == parse_device("/dev/null:rwm").target == "/dev/null"
    assert options_of(device, rooted=True) == ["bind", "nosuid", "rw", "noexec"]


def test_what_lies_inside_another_comes_behind_it() -> None:
    """Else it would be covered; apart from that the order is the user's."""
    mounts = [Tmpfs("/a/b/c"), Tmpfs("/z"), Tmpfs("/a/b"), Tmpfs("/a")]

    assert [each.target for each in by_depth(mounts)] == ["/z", "/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--mount", "type=bind,target=/x"], "no source"),
        (["--mount", "type=bind,source=/no/such,target=/x"], "does not exist"),
        (["--mount", "type=bind,source=/usr"], "not an absolute path"),
        (["--mount", "type=bind,source=/usr,target=/x,volume-nocopy"], "'volume-nocopy'"),
        (["--mount", "type=bind,source=/usr,target=/x,bind-propagation=shared"], "propagations"),
        (["--mount", "type=bind,source=/usr,target=/x,readonly=yes"], "neither true nor false"),
        (["--mount", "type=npipe,source=/usr,target=/x"], "the types are"),
        (["--mount", "type=tmpfs,source=/usr,target=/x"], "has no source"),
        (["--mount", "type=tmpfs,target=/x,tmpfs-size=much"], "no option of a tmpfs"),
        (["--mount", "source=../x,target=/x"], "name of a volume"),
        (["--mount", "target=/x"], "name of a volume"),
        (["--mount", '"x'], "--mount"),
        (["--mount", ""], "not an absolute path"),
        (["--tmpfs", "x"], "not an absolute path"),
        (["--tmpfs", "/proc/x"], "cannot be covered"),
        (["--tmpfs", "/x:context=y"], "no option of a tmpfs"),
        (["--tmpfs", "/x", "-v", "/usr:/x"], "two mounts at /x"),
        (["--device", "/etc/passwd"], "no device"),
        (["--device", "/dev"], "no device"),
        (["--device", "/no/such"], "does not exist"),
        (["--device", "/dev/null:/x:r"], "only rwm"),
        (["--shm-size", "0"], "no bound"),
        (["--shm-size", "x"], "a size is"),
    ],
)
def test_bad_option_is_refused_with_a_line(words: list[str], line: str) -> None:
    """Which names it."""
    parser = argparse.ArgumentParser()
    add_options(parser)

    with pytest.raises((ValueError, Failure), match=line):
        read_options(parser.parse_args(words))


@given(st.text(alphabet='abt=,"/\n:type', max_size=30))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    """It comes from a command line."""
    for parse in (parse_mount, parse_tmpfs, parse_device):
        with contextlib.suppress(ValueError):
            parse(text)
