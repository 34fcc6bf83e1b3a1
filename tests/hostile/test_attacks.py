"""Attacks from inside: each is lost in a box, whoever started it, and won where there is none.

The numbers are those of SECURITY.md. What the attacks do stands in ``tests/attacker.py``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import attacker
from ordinary_user import Account, ordinary_user
from ptyd_user import Ptyd
from ptylaunch import abi
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = "/usr/bin/python3"  # the host's; a box has the same /usr
SOURCE = Path(attacker.__file__).read_text()
CALLERS = ["root", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"]

VERBS = ["run", "exec"]

LOST = {"EPERM", "EACCES", "ENOSYS", "ENODATA"}

NOT_IN_EVERY_KERNEL = {
    f"a24_reaching_{name}"
    for name in ("delete_module", "finit_module", "init_module", "kcmp", "kexec_load", "swapon")
}
"""Then they answer ENOSYS where nothing keeps us in, too."""

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


def command(*, init: int, confined: bool) -> list[str]:
    numbers = abi.numbers(abi.own_family()[0])
    request = {"numbers": numbers, "init": init, "confined": confined}
    return [PYTHON, "-c", SOURCE, json.dumps(request)]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ordinary_user() as account:
        yield account


@functools.cache
def attacked(ptyd: Ptyd, verb: str, *options: str) -> dict[str, str]:
    """Make all attacks in one box, as its own program or as a second one; return the outcomes."""
    attack = command(init=1, confined=True)
    if verb == "run":
        done = ptyd("run", "--rm", *options, *attack)
    else:
        container = ptyd.start("sleep", "infinity")
        done = ptyd("exec", "-w", "/", *options, container.name, *attack)
        container.remove()
    assert done.code == 0, done
    wait_until(lambda: ptyd.left() == [])  # a keeper takes its time where there is little of it
    found: dict[str, str] = json.loads(done.out)
    return found


@pytest.fixture(scope="module", params=CALLERS)
def ptyd(request: pytest.FixtureRequest, account: Account) -> Iterator[Ptyd]:
    with tempfile.TemporaryDirectory(prefix="hostile") as folder:
        root = f"{folder}/root"
        if request.param == "root":
            ptyd = Ptyd(root)
        else:
            os.chown(folder, account.uid, -1)
            ptyd = account.ptyd(root)
        try:
            yield ptyd
        finally:
            ptyd.remove_all()
        assert ptyd.left() == []


@pytest.fixture(scope="module")
def unconfined() -> dict[str, str]:
    """What comes of the attacks beside a box, by root; "init" is then a process of ours."""
    with subprocess.Popen(["sleep", "infinity"]) as victim:
        try:
            done = subprocess.run(
                command(init=victim.pid, confined=False), capture_output=True, check=True
            )
        finally:
            victim.kill()
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", attacker.ATTACKS)
def test_attack_is_lost_in_a_box(ptyd: Ptyd, verb: str, name: str) -> None:
    """Whoever started the box, whatever started the program."""
    assert attacked(ptyd, verb)[name] in LOST


@pytest.mark.parametrize("name", sorted(NOT_BY_THE_FILTER))
def test_attack_is_lost_without_the_filter_as_well(ptyd: Ptyd, name: str) -> None:
    """More than one wall stands in its way."""
    assert attacked(ptyd, "run", "--security-opt", "seccomp=unconfined")[name] in LOST


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", attacker.ATTACKS)
def test_attack_is_lost_by_a_user_of_a_box(ptyd: Ptyd, verb: str, name: str) -> None:
    """Who is not its root."""
    if name != "a20_set_user_id_program_gives_root":  # which wants root, to make the program
        assert attacked(ptyd, verb, "--user", "1000:1000")[name] in LOST


@pytest.mark.parametrize("name", attacker.ATTACKS if os.geteuid() == 0 else [])
def test_attack_is_won_where_there_is_no_box(unconfined: dict[str, str], name: str) -> None:
    """Or the tests above would say nothing."""
    missing = {"ENOSYS"} if name in NOT_IN_EVERY_KERNEL else set[str]()

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
