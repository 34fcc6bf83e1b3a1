"""What another OCI runtime is told, and what is understood of what it says."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ptykeep.engine import adapt
from ptykeep.runtime import Call, Runtime, RuntimeFailed, delete, from_json, release

if TYPE_CHECKING:
    from pathlib import Path

NOT_FOUND = 'unable to start: exec: "x": executable file not found in $PATH'
SPEC: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "root": {"path": "bundle/rootfs", "readonly": True},
    "mounts": [
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
    ],
    "annotations": {"org.ptyd.init": "true"},
    "linux": {"cgroupsPath": "ptyd-x", "resources": {"pids": {"limit": 5}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def program(folder: Path, script: str) -> Runtime:
    """Return a runtime that is a shell script."""
    path = folder / "fakerun"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Runtime(str(path), str(folder), "id")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (NOT_FOUND, 127),
        ("executable file `x` not found in $PATH: No such file or directory", 127),
        ('exec: "/etc": permission denied', 126),
        ("exec: x in PATH: No such file or directory", 127),
        ("rootfs not found", 125),
        ("cgroups in hybrid mode not supported", 125),
    ],
)
def test_a_line_gives_dockers_exit_code(line: str, code: int) -> None:
    """Only of the program it is 126 or 127."""
    failure = RuntimeFailed("runc", line)

    assert (failure.exit_code, str(failure)) == (code, f"runc: {line}")


def test_the_last_error_of_its_log_is_the_reason(folder: Path) -> None:
    """In one line; warnings and what is no JSON are none."""
    lines = [
        {"level": "error", "msg": "first"},
        {"level": "error", "msg": "the\nreason"},
        {"level": "warning", "msg": "x"},
    ]
    text = "\\n".join(json.dumps(line).replace("\\", "\\\\") for line in lines)
    runtime = program(folder, f"printf '%b\\n' '{text}' noise > \"$4\"; exit 3")
    with pytest.raises(RuntimeFailed) as caught:
        runtime.call("create", "id")

    assert str(caught.value) == "fakerun: the reason"


def test_a_runtime_that_hangs_is_killed(folder: Path) -> None:
    """And one that is not there says so; no descriptor stays."""
    before = os.listdir("/proc/self/fd")
    call = Call(program(folder, "exec sleep 1000"), str(folder), ("state",))
    with pytest.raises(RuntimeFailed, match="no answer within 0 s"):
        call.wait(0.0)
    call.close()
    with pytest.raises(RuntimeFailed, match="No such file"):
        Runtime("/no/such", str(folder), "id").call("state")

    assert os.listdir("/proc/self/fd") == before


def test_a_runtime_gets_no_descriptor_and_no_environment(folder: Path) -> None:
    """What the keeper holds is not its business."""
    before = os.listdir("/proc/self/fd")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    program(folder, "ls /proc/self/fd > fds; env > env; pwd > pwd").call("state")
    os.close(reading)
    os.close(writing)

    assert os.listdir("/proc/self/fd") == before
    assert (folder / "fds").read_text().split() == ["0", "1", "2", "3"]  # of ls itself
    assert {line.partition("=")[0] for line in (folder / "env").read_text().split()} == {
        "PATH",
        "PWD",
    }
    assert (folder / "pwd").read_text().strip() == str(folder)


def test_a_container_is_released_once(folder: Path) -> None:
    """state.json tells of it; what the runtime says to that is of no interest."""
    runtime = program(folder, 'echo "$*" >> calls; exit 1')
    state: dict[str, Any] = {"runtime": json.loads(json.dumps(runtime.to_json()))}
    released = [release(state), release(state)]
    delete(runtime)

    assert released == [True, False]
    assert from_json(runtime.to_json()) == runtime
    assert (folder / "calls").read_text().count("delete --force id") == 2


@pytest.mark.parametrize(
    ("said", "maps"),
    [
        ('{"linux": {"mountExtensions": {"idmap": {"enabled": true}}}}', True),
        ('{"linux": {"mountExtensions": {"idmap": {"enabled": false}}}}', False),
        ('{"linux": {}}', False),
        ("[]", False),
        ("what?", False),
    ],
)
def test_features_tell_whether_ids_are_mapped(folder: Path, said: str, *, maps: bool) -> None:
    """What says nothing of it, or nonsense, does not."""
    assert program(folder, f"echo '{said}'").maps_ids() is maps
    assert not program(folder, "exit 1").maps_ids()


def test_config_json_has_nothing_that_is_ours_alone() -> None:
    """No annotations, a root by its absolute path, read-only trees all the way down."""
    adapted = adapt(SPEC, "/mnt")

    assert "annotations" not in adapted
    assert adapted["root"] == {"path": "/mnt", "readonly": True}
    assert adapted["mounts"][0]["options"] == ["rbind", "ro", "rro"]
    assert adapted["mounts"][1] == SPEC["mounts"][1]
    if os.geteuid() == 0:
        assert adapted["linux"]["cgroupsPath"] == "/ptyd-x"
    else:
        assert adapted["linux"] == {}
    assert SPEC["annotations"]
