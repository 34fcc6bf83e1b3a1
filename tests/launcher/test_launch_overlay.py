"""Overlays, and a first mount that is the root: what a box writes stays in its own layer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import Caller, callers, run_box
from ptylaunch.errors import LaunchFailed
from ptylaunch.overlay import escape, read_layers
from ptylaunch.plan import Layers

every_caller = pytest.mark.parametrize("caller", callers(), ids=str)


def overlay(caller: Caller, target: str, lower: str, *words: str) -> dict[str, Any]:
    """Return the mount of a folder of the state over ``target``; root's lower layers are mapped."""
    options = [f"lowerdir={lower}", "userxattr", *words]
    # The skeleton is the box's own already.
    idmap = ["idmap"] if caller.user == "root" and lower != "bundle/rootfs" else []
    return {"destination": target, "type": "overlay", "options": [*options, *idmap]}


UPPER = ("upperdir=layers/upper", "workdir=layers/work")
FOLDERS = {"layers/upper/made": "", "layers/work/made": "", "lower/kept": "old\n", "lower/a/b": "x"}


@every_caller
def test_what_is_written_does_not_reach_the_lower_layer(caller: Caller) -> None:
    """Files are changed, made and removed inside; the folder of the host stays as it was."""
    script = "cd /opt; cat kept; echo new >kept; echo more >a/c; rm -r a/b; cat kept; ls a"
    result = run_box(
        caller,
        ["sh", "-c", f"{script}; chmod 600 kept; ln -s x link; find . | sort"],
        files=FOLDERS,
        upper="layers",
        add=[overlay(caller, "/opt", "lower", *UPPER)],
        look=["lower/kept", "lower/a/b", "layers/upper/kept"],
    )

    assert (result.failure, result.errors) == (None, "")
    assert result.output.splitlines()[:3] == ["old", "new", "c"]
    assert result.info["look"] == ["old\n", "x", "new\n"]
    assert result.left == []


@every_caller
def test_the_first_mount_may_be_the_root(caller: Caller) -> None:
    """An overlay over the skeleton: then / itself can be written."""
    result = run_box(
        caller,
        ["sh", "-c", "touch /new /etc/new && ls / /etc | grep -c new; grep ' / ' /proc/mounts"],
        files=FOLDERS,
        upper="layers",
        first=[overlay(caller, "/", "bundle/rootfs", *UPPER, "nosuid", "nodev")],
        edit=[[["root", "readonly"], False]],
    )

    assert (result.failure, result.errors) == (None, "")
    lines = result.output.splitlines()
    assert lines[0] == "2"
    assert lines[1].split()[2] == "overlay"
    assert {"nosuid", "nodev"} < set(lines[1].split()[3].split(","))
    assert result.left == []


@every_caller
def test_without_an_upper_layer_nothing_is_writable(caller: Caller) -> None:
    """Two lower layers, the first hides the second."""
    result = run_box(
        caller,
        ["sh", "-c", "cat /opt/kept /opt/a/b; echo x >/opt/kept"],
        files={**FOLDERS, "over/kept": "over\n"},
        add=[overlay(caller, "/opt", "over:lower")],
    )

    assert result.output == "over\nx"
    assert "Read-only file system" in result.errors


@every_caller
def test_a_layer_that_is_not_there_is_named(caller: Caller) -> None:
    """With its path; nothing is left."""
    result = run_box(caller, ["true"], add=[overlay(caller, "/opt", "missing")])

    assert result.failure is not None
    assert (result.failure["stage"], result.failure["errno"]) == ("mount /opt", "ENOENT")
    assert "missing" in result.failure["text"]
    assert result.left == []


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("userxattr", "wants lowerdir"),
        ("lowerdir=a,upperdir=b", "go together"),
        ("lowerdir=a,upperdir=b/c,workdir=d", "same folder"),
    ],
)
def test_half_an_overlay_is_refused(data: str, line: str) -> None:
    """Before anything is built."""
    with pytest.raises(LaunchFailed, match=line):
        read_layers(data, "/bundle", "mounts[0]")


@given(st.lists(st.text(min_size=1).filter(lambda text: "\0" not in text and "/" not in text
                                            and text not in (".", "..")), min_size=1))  # fmt: skip
def test_any_path_can_be_a_layer(names: list[str]) -> None:
    """Commas, colons and backslashes are escaped."""
    data = "lowerdir=" + ":".join(escape(f"/x/{name}") for name in names) + ",userxattr"

    assert read_layers(data, "/", "") == (
        Layers(tuple(f"/x/{name}" for name in names)),
        "userxattr",
    )
