"""Attacks from inside: each is lost in a box, whoever started it, and won where there is none.

The numbers are those of docs/hostile.md. What the attacks do stands in ``tests/attacker.py`` and
``tests/prowler.py``.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from confrontation import ATTACKS, LEAKY, LOST, PYTHON, command, make_python_root
from layouts import Layout, archive_of
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Ptyd

VERBS = ["run", "exec"]

NOT_IN_EVERY_KERNEL = {
    f"a24_reaching_{name}"
    for name in ("delete_module", "finit_module", "init_module", "kcmp", "kexec_load", "swapon")
} | {"a24_talking_to_devices_by_ports"}
"""Then they answer ENOSYS where nothing keeps us in, too."""

NOT_OF_EVERY_ROOT = {"a32_lowering_ones_oom_score", "a32_raising_a_limit"}
"""They want CAP_SYS_RESOURCE, which root of a machine that is itself a container may lack."""

NOT_BY_THE_FILTER = {
    "a07_kernel_settings_can_be_opened_for_writing",
    "a08_mask_can_be_taken_off",
    "a08_masked_files_have_content",
    "a20_set_user_id_program_gives_root",
    "a21_making_a_node_for_a_disk",
    "a21_making_a_node_for_memory",
    "a21_opening_memory_and_the_kernels_log",
    "a22_mounting_memory",
    "a22_new_mount_namespace",
    "a24_reading_inits_memory",
    "a24_tracing_init",
}
"""Capabilities, mounts and namespaces alone are enough for these."""

WANTING_ROOT = {"a20_set_user_id_program_gives_root", "a20_file_with_a_capability_gives_it"}
"""To make the program, in the box."""

ROOTS = ["host", "image", "folder", "writable host"]


@pytest.fixture(scope="session")
def python_root() -> Iterator[Path]:
    """A folder and, beside it, an image of the same, for everybody to read."""
    with tempfile.TemporaryDirectory(prefix="hostile") as place:
        root = make_python_root(Path(place, "root"))
        layout = Layout(Path(place, "layout"))
        layout.add(layout.manifest([archive_of(root)], {}))
        for path in (Path(place), *layout.path.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield root


def may_use_more_than_its_share() -> bool:
    """Tell whether we have CAP_SYS_RESOURCE."""
    (line,) = re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())
    return bool(int(line, 16) >> 24 & 1)


@functools.cache
def attacked(ptyd: Ptyd, words: str, verb: str, *options: str) -> dict[str, str]:
    """Make all attacks in one box, as its own program or as a second one; return the outcomes."""
    attack = command(json.loads(words), init=1, confined=True)
    user = [each for each in options if each.startswith("--user")]
    if verb == "run":
        done = ptyd("run", "--rm", *options, *attack, CANARY=json.loads(words)["word"])
    else:
        own = [each for each in options if each not in user]
        container = ptyd.start(*own, "sleep", "infinity")
        done = ptyd("exec", "-w", "/", *user, container.name, *attack)
        container.remove()
    assert done.code == 0, done
    wait_until(lambda: ptyd.left() == [])  # a keeper takes its time where there is little of it
    found: dict[str, str] = json.loads(done.out)
    return found


@pytest.fixture(scope="module", params=VERBS)
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=ROOTS)
def root(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outcomes(
    ptyd: Ptyd, baits: dict[str, Any], python_root: Path, verb: str, root: str
) -> dict[str, str]:
    """What comes of the attacks in a box with one of the roots."""
    option = {
        "host": (),
        "image": (f"--image=oci:{python_root.parent}/layout",),
        "folder": (f"--rootfs={python_root}",),
        "writable host": ("--writable",),
    }[root]
    return attacked(ptyd, json.dumps(baits), verb, *option)


@pytest.fixture(scope="module")
def unconfined(baits: dict[str, Any]) -> dict[str, str]:
    """What comes of the attacks beside a box, by root; "init" is then a process of ours."""
    with subprocess.Popen(["sleep", "infinity"]) as victim:
        try:
            attack = command(baits, init=victim.pid, confined=False)
            done = subprocess.run([*LEAKY, *attack], capture_output=True, check=True)
        finally:
            victim.kill()
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_lost_in_a_box(outcomes: dict[str, str], name: str) -> None:
    """Whoever started the box, whatever started the program, whatever its root is."""
    assert outcomes[name] in LOST


@pytest.mark.parametrize("name", sorted(NOT_BY_THE_FILTER))
def test_attack_is_lost_without_the_filter_as_well(
    ptyd: Ptyd, baits: dict[str, Any], name: str
) -> None:
    """More than one wall stands in its way."""
    unfiltered = ("--security-opt", "seccomp=unconfined")
    assert attacked(ptyd, json.dumps(baits), "run", *unfiltered)[name] in LOST


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_lost_by_a_user_of_a_box(
    ptyd: Ptyd, baits: dict[str, Any], verb: str, name: str
) -> None:
    """Who is not its root."""
    if name not in WANTING_ROOT:
        assert attacked(ptyd, json.dumps(baits), verb, "--user=1000:1000")[name] in LOST


@pytest.mark.parametrize("name", ATTACKS if os.geteuid() == 0 else [])
def test_attack_is_won_where_there_is_no_box(unconfined: dict[str, str], name: str) -> None:
    """Or the tests above would say nothing."""
    missing = {"ENOSYS"} if name in NOT_IN_EVERY_KERNEL else set[str]()
    if name in NOT_OF_EVERY_ROOT and not may_use_more_than_its_share():
        missing = {"EACCES"}

    assert unconfined[name] in {"won", *missing}


def test_threads_and_processes_work_under_the_filter(ptyd: Ptyd) -> None:
    """C libraries fall back where a call does not exist (26)."""
    script = (
        "import os, subprocess, threading, socket, tempfile, asyncio\n"
        "thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()\n"
        "print(subprocess.run(['echo', 'spawned'], capture_output=True).stdout)\n"
        "print(os.posix_spawn('/bin/true', ['true'], {}) > 0)\n"
        "socket.create_server(('127.0.0.1', 0)); tempfile.TemporaryFile(); os.openpty()\n"
        "asyncio.run(asyncio.sleep(0))\n"
    )
    done = ptyd("run", "--rm", PYTHON, "-c", script)

    assert (done.code, done.out) == (0, b"thread\nb'spawned\\n'\nTrue\n")
