"""The life of a box's cgroup: real ones, for root and for an ordinary user who was given some."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import leaks
from boxes import Caller, account_of, callers, run_box
from cgroups import delegated, made, process_in, stale
from ptylaunch import syscall as sc
from ptylaunch.cgroup import create, enter, fork_into, open_doors, remove
from ptylaunch.errors import LaunchFailed
from ptylaunch.freezer import pause
from ptylaunch.placement import Cgroup, place
from ptylaunch.plan import Resources
from waiting import is_alive, wait_until

M = 1 << 20
CALLERS = [caller for caller in callers() if caller.ids == "range"]
every_caller = pytest.mark.parametrize("caller", CALLERS, ids=str)
MINE = [["linux", "cgroupsPath"], "MINE"]
LIMITS = {"memory": {"limit": 64 * M}, "pids": {"limit": 20}, "cpu": {"cpus": "0"}}


def uid_of(caller: Caller) -> int:
    return account_of(caller.user).pw_uid


@every_caller
def test_a_box_is_in_its_cgroup_and_sees_only_that(caller: Caller) -> None:
    """Every process of it is, the caller is not, and the paths inside begin at it."""
    script = (
        "grep -v -e name= -e blkio -e devices -e cpuset /proc/self/cgroup | cut -d: -f3 | sort -u"
    )
    with delegated(uid_of(caller)) as leaf:
        result = run_box(caller, ["sh", "-c", script], inside=leaf, edit=[MINE])

    assert (result.failure, result.output, result.errors) == (None, "/\n", "")
    assert result.info["within"]
    assert result.info["removed"]
    assert result.left == []


@every_caller
def test_limits_hold_for_a_box(caller: Caller) -> None:
    """It is killed for memory, runs where it may, and forks no more than it may."""
    script = """
        /usr/bin/python3 -c 'import os; print(os.sched_getaffinity(0))'
        /usr/bin/python3 -c 'x = bytearray(200 << 20)'; echo $?
        i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i + 1)); done
    """
    edit = [MINE, [["linux", "resources"], LIMITS]]
    with delegated(uid_of(caller)) as leaf:
        result = run_box(caller, ["sh", "-c", script], inside=leaf, edit=edit)

    assert result.failure is None
    assert result.output == "{0}\n137\n"
    assert "fork" in result.errors
    assert result.left == []


@every_caller
def test_a_box_is_paused_updated_counted_and_resumed(caller: Caller) -> None:
    """The verbs of ``ptylaunch``, on a box that runs."""
    with delegated(uid_of(caller)) as leaf:
        result = run_box(
            caller,
            ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do :; done"],
            inside=leaf,
            edit=[MINE, [["linux", "resources"], LIMITS]],
            then="pause",
        )

    assert result.failure is None
    assert result.status == 5
    assert result.info["paused"] == [True, False]
    assert result.info["usage"]["pids_limit"] == 77
    assert result.info["usage"]["memory"] > 0
    assert result.left == []


@every_caller
def test_a_box_that_fails_leaves_no_cgroup(caller: Caller) -> None:
    """Wherever it fails: in the build, at exec, or for want of memory in between."""
    with delegated(uid_of(caller)) as leaf:
        for place_, value, errno_ in (
            (["process", "cwd"], "/proc/no/such", "ENOENT"),
            (["process", "args"], ["no-such-program"], "ENOENT"),
            (["linux", "resources"], {"cpu": {"quota": 1}}, "EINVAL"),
            (["linux", "resources"], {"memory": {"limit": M}}, "ENOMEM"),
            (["linux", "resources"], {"pids": {"limit": 1}}, "EAGAIN"),
        ):
            result = run_box(caller, ["true"], inside=leaf, edit=[MINE, [place_, value]])

            assert result.failure is not None
            assert result.failure["errno"] == errno_
            assert result.left == []


@pytest.mark.parametrize("caller", [c for c in CALLERS if c.user != "root"], ids=str)
def test_without_delegation_a_limit_is_refused_and_no_limit_is_not(caller: Caller) -> None:
    """One line that says what would help; a box that asks for none runs where its caller is."""
    limited = run_box(caller, ["true"], edit=[MINE, [["linux", "resources"], LIMITS]])
    free = run_box(caller, ["true"], edit=[MINE])

    assert limited.failure is not None
    assert (limited.failure["stage"], limited.failure["exit_code"]) == ("cgroup", 125)
    assert "systemd-run --user --scope -p Delegate=yes" in limited.failure["text"]
    assert len(limited.failure["text"].splitlines()) == 1
    assert (free.failure, free.status) == (None, 0)
    assert limited.left == free.left == []


ATTACK = r"""
cat >/tmp/attack <<'END'
cd /tmp && mkdir one two
mount -t cgroup -o pids none one && (cat one/pids.max; echo max >one/pids.max)
mount -t cgroup2 none two && (cat two/pids.max; echo max >two/pids.max)
find one two -name pids.max
END
unshare -UrmC sh /tmp/attack 2>/tmp/errors
"""


@every_caller
def test_a_box_cannot_lift_its_own_limits(caller: Caller) -> None:
    """Where root may mount the hierarchies in a user namespace of its own it sees no limit."""
    resources = {"pids": {"limit": 33}}
    with delegated(uid_of(caller)) as leaf:
        result = run_box(
            caller,
            ["sh", "-c", ATTACK + "echo ready; while :; do :; done"],
            inside=leaf,
            edit=[MINE, [["linux", "resources"], resources], [["linux", "seccomp"], None]],
            then="limits",
        )

    assert result.failure is None
    assert "33" not in result.output
    assert result.info["pids_limit"] == 33
    assert result.left == []


def test_what_lives_in_it_dies_with_it() -> None:
    """Paused processes, cgroups below, all of it, and a second call finds nothing to do."""
    with leaks.checked(), made() as cgroup:
        inner = Cgroup(f"{cgroup.unified}/a/b" if cgroup.unified else "")
        create(inner, Resources())
        with process_in(cgroup, "cat") as one, process_in(inner, "cat") as other:
            pause(cgroup)
            gone = remove(cgroup)
            wait_until(lambda: one.poll() is not None and other.poll() is not None)

        assert gone
        assert remove(cgroup)
        assert not any(os.path.exists(folder) for folder in cgroup.folders)


def test_without_patience_it_is_tried_once() -> None:
    """Killed it is all the same; whoever comes next finds it empty."""
    with made() as cgroup, process_in(cgroup, "cat") as process:
        remove(cgroup, timeout=0)
        wait_until(lambda: process.poll() is not None)

        assert not is_alive(process.pid)
        assert remove(cgroup)


def test_a_cgroup_with_processes_is_not_taken() -> None:
    """Two boxes never share one; the processes in it are left alone."""
    with made() as cgroup, process_in(cgroup, "cat") as process:
        with pytest.raises(LaunchFailed) as caught:
            create(cgroup, Resources())

        assert caught.value.errno == errno.EBUSY
        assert is_alive(process.pid)


def test_an_empty_one_is_taken_and_limited() -> None:
    """What a killed runtime left is no obstacle."""
    with made() as cgroup:
        create(cgroup, Resources(pids=3))
        folder = cgroup.v1_folder("pids") or cgroup.unified

        assert Path(folder, "pids.max").read_text() == "3\n"


def test_a_limit_that_fails_leaves_nothing() -> None:
    """The folders go with it."""
    before = stale()
    resources = Resources(memory=64 * M, pids=5, quota=1)
    cgroup = place(f"ptyd-test-{os.getpid()}-fails", resources)
    with pytest.raises(LaunchFailed, match="cpu"):
        create(cgroup, resources)

    assert not any(os.path.exists(folder) for folder in cgroup.folders)
    assert not {path for path in stale() - before if "fails" in path}


def test_v2_controllers_are_enabled_from_the_top_down(tmp_path: Path) -> None:
    """Each ancestor passes on what its parent gave it; the tree is made up."""
    for folder, controllers in ((tmp_path, "cpu memory pids"), (tmp_path / "a", "cpu")):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text("")
    leaf = tmp_path / "a" / "box"
    leaf.mkdir()
    (leaf / "cgroup.controllers").write_text("")
    (leaf / "cgroup.procs").write_text("")
    (leaf / "pids.max").write_text("max")
    create(Cgroup(str(leaf), ("pids",)), Resources(pids=8))

    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "a" / "cgroup.subtree_control").read_text() == "+pids"
    assert (leaf / "pids.max").read_text()[0] == "8"


def test_a_cgroup_survives_being_written_down() -> None:
    """state.json has it, for whoever has to remove it later."""
    cgroup = place("/x", Resources(cpus="0"))

    assert Cgroup.from_json(cgroup.to_json()) == cgroup
    assert Cgroup.from_json(None) == Cgroup()


def no_clone3(_flags: int, _fd: int) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_child_is_forked_into_its_cgroup(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By v2's way without a move; where the kernel knows none, by a move; nothing stays open."""
    if kernel == "old":
        monkeypatch.setattr(sc, "fork_into", no_clone3)
    before = os.listdir("/proc/self/fd")
    with made() as cgroup:
        doors = open_doors(cgroup)
        read_fd, write_fd = os.pipe()
        pid, as_wanted = fork_into(cgroup, doors)
        if pid == 0:
            with open("/proc/self/cgroup", "rb") as file:
                is_in = os.path.basename(cgroup.unified).encode() in file.read()
            os.write(write_fd, b"+" if is_in else b"-")
            enter(doors)
            with open("/proc/self/cgroup", "rb") as file:
                os.write(write_fd, file.read())
            os._exit(0)
        os.waitpid(pid, 0)
        born = os.read(read_fd, 1)
        inside = os.read(read_fd, 4096).decode()
        for fd in (*doors, read_fd, write_fd):
            os.close(fd)
        name = os.path.basename(cgroup.unified)

    assert (born, as_wanted) == ((b"+", True) if kernel == "new" else (b"-", False))
    assert inside.count(name) == len(cgroup.folders)
    assert os.listdir("/proc/self/fd") == before
