"""Hooks: each at its point of the life, in its namespaces, with the state on standard input."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from leaks import descendants
from oci_user import Runtime, runtime, users
from ptylaunch.errors import LaunchFailed
from ptylaunch.hook import KINDS, read_hooks, run_hooks
from waiting import is_alive, wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE = 'echo "$POINT $(readlink /proc/self/ns/uts) $(cat | tr -d \\\\n) $PWD $*" >>"$NOTES"'


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        # Anybody may write to it: hooks in the box are run as its root.
        (made.folder / "notes").touch()
        (made.folder / "notes").chmod(0o666)
        yield made


def hook(oci: Runtime, kind: str, script: str = NOTE) -> dict[str, Any]:
    notes = "/notes" if kind == "startContainer" else str(oci.folder / "notes")
    return {
        "path": "/bin/sh",
        "args": ["sh", "-c", script, "sh", "one", "two"],
        "env": [f"POINT={kind}", f"NOTES={notes}", "PATH=/usr/bin:/bin"],
    }


def use(oci: Runtime, **scripts: str) -> None:
    oci.edit("hooks", to={kind: [hook(oci, kind, text)] for kind, text in scripts.items()})


def notes(oci: Runtime) -> list[list[str]]:
    lines = (oci.folder / "notes").read_text().splitlines()
    return [[*line.split(" {")[0].split(), line] for line in lines]


def told(line: str) -> dict[str, Any]:
    return json.loads(line[line.index("{") : line.rindex("}") + 1])  # type: ignore[no-any-return]


def test_hooks_run_in_order_and_place_with_the_state(oci: Runtime) -> None:
    """Two in the box's namespaces, four in the host's; each knows status, pid and bundle."""
    use(oci, **dict.fromkeys(reversed(KINDS), NOTE))
    bind = {
        "destination": "/notes", "source": str(oci.folder / "notes"), "options": ["bind"]
    }  # fmt: skip
    spec = json.loads((oci.bundle / "config.json").read_text())
    oci.edit("mounts", to=[*spec["mounts"], bind])
    oci.script("exec sleep 1000")
    oci.do("create", "c")
    at_create = [line[0] for line in notes(oci)]
    pid = oci.pid("c")
    oci.do("start", "c")
    at_start = [line[0] for line in notes(oci)][3:]
    oci.do("delete", "--force", "c")
    lines = notes(oci)
    host = os.readlink("/proc/self/ns/uts")
    states = [told(line[-1]) for line in lines]

    assert at_create == ["prestart", "createRuntime", "createContainer"]
    assert at_start == ["startContainer", "poststart"]
    assert [line[0] for line in lines] == list(KINDS)
    assert [line[1] == host for line in lines] == [True, True, False, False, True, True]
    assert [state["status"] for state in states] == [
        *["creating"] * 3, "created", "running", "stopped",
    ]  # fmt: skip
    assert [state["pid"] for state in states] == [pid, pid, 1, 1, pid, 0]
    assert {state["bundle"] for state in states} == {str(oci.bundle)}
    assert all(line[-1].endswith(" one two") for line in lines)


def test_hook_has_the_environment_of_the_spec_alone(oci: Runtime) -> None:
    """Nothing of the caller's."""
    use(oci, createRuntime='env >>"$NOTES"; ls /proc/self/fd >>"$NOTES"')
    oci.script("true")
    oci.do("run", "c")
    lines = (oci.folder / "notes").read_text().splitlines()

    assert sorted(line.partition("=")[0] for line in lines if "=" in line) == [
        "NOTES", "PATH", "POINT", "PWD",
    ]  # fmt: skip
    assert lines[-4:] == ["0", "1", "2", "3"]  # its three and the listing's own


def test_hook_without_an_environment_has_the_callers_or_the_programs(oci: Runtime) -> None:
    """As runc and crun have it: outside what the runtime has, in the box what its program has."""
    notes = "echo $CANARY-$IN >>" + str(oci.folder / "notes")
    outside = {"path": "/bin/sh", "args": ["sh", "-c", notes]}
    inside = {"path": "/bin/sh", "args": ["sh", "-c", "test -z $CANARY && test $IN = side"]}
    oci.edit("hooks", to={"createRuntime": [outside], "startContainer": [inside]})
    oci.edit("process", "env", to=["IN=side", "PATH=/usr/bin:/bin"])
    oci.script("true")
    oci.do("run", "c")

    assert (oci.folder / "notes").read_text() == "caller-secret-\n"


def test_create_hooks_see_the_boxs_mounts_at_the_bundle(oci: Runtime) -> None:
    """That is where they mount what the box is to have."""
    script = "test -c $ROOT/dev/null && mkdir $ROOT/tmp/made && mount -t tmpfs made $ROOT/tmp/made"
    use(oci, createContainer=script.replace("$ROOT", str(oci.bundle / "rootfs")))
    oci.script("grep -q ' /tmp/made ' /proc/self/mountinfo")

    assert oci.run("run", "c").returncode == 0


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_failed_hook_fails_create_and_the_last_hooks_run(oci: Runtime, kind: str) -> None:
    """Its name, its status and what it said are told; the container never was."""
    use(oci, **{kind: "echo broken; exit 3", "poststop": NOTE})
    done = oci.run("create", "c")

    assert done.returncode == 1
    said = f"error running {kind} hook #0: /bin/sh exited with 3: broken: failed"
    assert done.stderr == f"ptylaunch: {said}\n"
    assert [line[0] for line in notes(oci)] == ["poststop"]
    assert list(oci.root.iterdir()) == []


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
@pytest.mark.parametrize("init", [False, True])
def test_failed_hook_fails_start_and_ends_the_container(
    oci: Runtime, kind: str, *, init: bool
) -> None:
    """It is gone then, after its last hooks: so says the runtime spec."""
    use(oci, **{kind: "exit 3", "poststop": NOTE})
    oci.edit("annotations", to={"org.ptyd.init": str(init).lower()})
    oci.script("exec sleep 1000")
    oci.do("create", "c")
    pid = oci.pid("c")
    done = oci.run("start", "c")

    assert not is_alive(pid)
    assert done.returncode == 1
    assert f"{kind} hook #0: /bin/sh exited with 3" in done.stderr
    assert [line[0] for line in notes(oci)] == ["poststop"]
    assert list(oci.root.iterdir()) == []


def test_killed_create_leaves_no_process_and_an_id_that_can_be_used(oci: Runtime) -> None:
    """Its half-built box ends by itself; nobody lists what it left, the next create takes it."""
    gate, told = oci.bundle / "gate", oci.bundle / "told"
    os.mkfifo(gate)
    os.chown(gate, oci.uid, -1)
    use(oci, createRuntime=f"cat >{told}; cat {gate}")
    before = descendants()
    process = oci.popen("create", "c")
    wait_until(lambda: told.exists() and "pid" in told.read_text())
    pid = told_pid(told)
    process.kill()
    process.wait(30)
    wait_for_end(pid)
    listed = oci.do("list", "-q")
    gate.write_text("")  # the hook is the author's, and lives until it has what it waits for
    wait_until(lambda: not running(descendants() - before))
    oci.edit("hooks", to={})
    oci.do("create", "c")
    oci.do("delete", "c")

    assert listed == ""


def told_pid(file: Path) -> int:
    return int(json.loads(file.read_text())["pid"])


def running(pids: set[int]) -> set[int]:
    return {pid for pid in pids if is_alive(pid)}


def test_failed_last_hook_is_a_warning(oci: Runtime) -> None:
    """The container is gone all the same, and the hooks after it run."""
    oci.edit("hooks", to={"poststop": [hook(oci, "x", "exit 3"), hook(oci, "poststop")]})
    oci.script("exit 4")
    done = oci.run("--log", "log", "--log-format", "json", "run", "c")
    entry = json.loads((oci.bundle / "log").read_text())

    assert done.returncode == 4
    assert entry["level"] == "warning"
    assert [line[0] for line in notes(oci)] == ["poststop"]


def test_timeout_ends_a_hook_and_its_children(tmp_path: Path) -> None:
    """It is an error of its own; nobody of the hook's group stays."""
    script = f"sleep 1000 & echo $! >{tmp_path}/pid; wait"
    entry = {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1}
    hooks = read_hooks({"hooks": {"prestart": [{**entry, "env": ["PATH=/bin"]}]}})
    before = time.monotonic()
    with pytest.raises(LaunchFailed, match=r"prestart hook #0: /bin/sh: .* timed out"):
        run_hooks(hooks, {}, "prestart")

    assert time.monotonic() - before < 30
    wait_for_end(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ({"prestart": [{"path": "x"}]}, "hooks.prestart[0].path must be an absolute path"),
        ({"poststop": [{}]}, "hooks.poststop[0].path must be"),
        ({"poststop": [{"path": "/x", "timeout": 0}]}, "timeout must be greater than zero"),
        ({"poststop": [{"path": "/x", "args": [1]}]}, "hooks.poststop[0].args"),
        ({"poststop": {}}, "hooks.poststop must be a list"),
        ({"afterwards": []}, "hooks.afterwards is not supported"),
    ],
)
def test_bad_hook_is_refused_with_its_place(hooks: dict[str, Any], words: str) -> None:
    """Before anything is built."""
    with pytest.raises(LaunchFailed) as caught:
        read_hooks({"hooks": hooks})

    assert words in str(caught.value)
