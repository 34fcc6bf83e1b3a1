"""``ptyd doctor``: what it says of this host is so, and it sees what was taken away."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ordinary_user import Account, ordinary_user
from ptycli.probe_host import is_hybrid
from ptyd_user import Ptyd
from small_world import small_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FORBID = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
_WITHOUT_NAMESPACES = ["unshare", "--user", "--map-root-user", "sh", "-c", _FORBID, "sh"]
NEEDED = {"python", "namespaces", "mounts", "state folders", "ids"}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ordinary_user() as account:
        yield account


def examine(ptyd: Ptyd, code: int, **env: str) -> dict[str, dict[str, Any]]:
    """Return what ``doctor`` finds, by name, after checking that both formats agree."""
    done = ptyd("doctor", "--format", "json", **env)
    assert (done.code, done.err) == (code, "")
    said = json.loads(done.out)
    assert said["ok"] == (code == 0)
    lines = ptyd("doctor", **env).out.decode().splitlines()
    assert len(lines) == len(said["probes"])
    for line, probe in zip(lines, said["probes"], strict=True):
        assert line.startswith(f"{probe['status']:8} {probe['name']}")
    return {probe["name"]: probe for probe in said["probes"]}


def test_a_host_that_runs_boxes_is_well(ptyd: Ptyd) -> None:
    """Boxes run here, so what they need is there, and nothing is left of having tried."""
    found = examine(ptyd, 0)

    assert {name for name, probe in found.items() if probe["needed"]} == NEEDED
    assert {found[name]["status"] for name in NEEDED} == {"ok"}
    assert {found[name]["status"] for name in ("seccomp", "overlay", "splice")} == {"ok"}
    assert all(probe["detail"] for probe in found.values())
    assert ptyd.left() == []


def test_an_ordinary_user_is_told_the_same(account: Account) -> None:
    """With the ids of /etc/subuid; what is not theirs to have comes with advice."""
    theirs = account.ptyd(f"{account.home}/doctor")
    found = examine(theirs, 0)

    assert {found[name]["status"] for name in NEEDED} == {"ok"}
    assert int(found["ids"]["detail"].split()[0]) > 1
    assert all(probe["advice"] for probe in found.values() if probe["status"] != "ok")


def test_forbidden_user_namespaces_are_seen(tmp_path: Path) -> None:
    """By trying: exit 1, and the line names what forbids."""
    there = Ptyd(str(tmp_path / "root"), prefix=_WITHOUT_NAMESPACES)
    found = examine(there, 1)

    assert found["namespaces"]["status"] == "missing"
    assert "max_user_namespaces" in found["namespaces"]["detail"]
    assert found["overlay"]["status"] == "missing"


def test_a_state_folder_that_cannot_be_is_seen(ptyd: Ptyd) -> None:
    """Nothing runs without one."""
    found = examine(ptyd, 1, PTYD_ROOT="/proc/nowhere")

    assert found["state folders"]["status"] == "missing"
    assert "/proc/nowhere" in found["state folders"]["detail"]


def test_a_missing_newuidmap_is_a_limit(account: Account) -> None:
    """There is a box without it, in which only root exists; the line says what to install."""
    prefix = [*account.prefix, "env", "PATH=/nowhere"]
    theirs = Ptyd(
        f"{account.home}/doctor", programs=account.programs, prefix=prefix, HOME=account.home
    )
    found = examine(theirs, 0)

    assert found["ids"]["status"] == "limited"
    assert "uidmap" in found["ids"]["advice"]


@pytest.mark.parametrize("helper", ["pasta", "slirp4netns"])
def test_a_network_helper_is_tried(tmp_path: Path, account: Account, helper: str) -> None:
    """Either, as root and as a user: a box is connected. Without one the line names a package."""
    programs = {f"/usr/bin/{name}" for name in ("pasta", "slirp4netns")}
    with small_world(tmp_path / "resolv.conf", *(programs - {f"/usr/bin/{helper}"})) as world:
        root = examine(Ptyd(str(tmp_path / "root"), prefix=world.prefix), 0)
        prefix = [*world.prefix, *account.prefix]
        place = f"{account.home}/doctor"
        theirs = Ptyd(place, programs=account.programs, prefix=prefix, HOME=account.home)
        user = examine(theirs, 0)
    with small_world(tmp_path / "resolv.conf", *programs) as world:
        without = examine(Ptyd(str(tmp_path / "root"), prefix=world.prefix), 0)

    for found in (root, user):
        assert found["/dev/net/tun"]["status"] == "ok"
        assert found["private network"]["detail"] == f"by {helper}"
    assert without["private network"]["status"] == "missing"
    assert "passt" in without["private network"]["advice"]


WRONG = [
    ("mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200",
     "/dev/net/tun", "closed to you", "chmod 666"),
    ("mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200",
     "private network", "cannot use /dev/net/tun", "see /dev/net/tun"),
    ("mount -t tmpfs none /dev/net", "/dev/net/tun", "No such file", "modprobe tun"),
    ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 1 3",
     "/dev/net/tun", "another device", "mknod"),
    ("mount --bind /dev/null /etc/subuid", "ids", "/etc/subuid has no range", "usermod"),
    ("mount --bind /usr /usr && mount -o remount,bind,nosuid /usr",
     "ids", "only root exists inside", "nosuid"),
    ("umount -R /sys/fs/cgroup", "cgroups", "none is mounted", "mount -t cgroup2"),
    ("mount --bind /dev/null /dev/ptmx", "splice", "no terminal", "/dev/ptmx"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "name", "detail", "advice"),
    WRONG if os.geteuid() == 0 else [],
    ids=range(len(WRONG) if os.geteuid() == 0 else 0),
)
def test_what_was_taken_away_is_named(
    account: Account, taken: str, name: str, detail: str, advice: str
) -> None:
    """And not what merely suffers from it: the line says what to do about the cause."""
    script = f'mount --make-rprivate / && {taken} && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh", *account.prefix]
    place = f"{account.home}/doctor"
    theirs = Ptyd(place, programs=account.programs, prefix=prefix, HOME=account.home)
    done = theirs("doctor", "--format", "json")
    found = {probe["name"]: probe for probe in json.loads(done.out)["probes"]}[name]

    assert found["status"] != "ok"
    assert detail in found["detail"]
    assert advice in found["advice"]


def test_other_runtimes_are_found_and_their_limits_told(ptyd: Ptyd, tmp_path: Path) -> None:
    """crun refuses a host with both versions of cgroups."""
    crun = tmp_path / "crun"
    crun.write_text("#!/bin/sh\n")
    crun.chmod(0o755)
    alone = examine(ptyd, 0)["other runtimes"]
    both = examine(ptyd, 0, PATH=f"{tmp_path}:{ptyd.env['PATH']}")["other runtimes"]

    assert "runc" in alone["detail"]
    assert both["detail"].startswith("runc, crun")
    assert both["status"] == ("limited" if is_hybrid() else "ok")


def test_a_wrong_format_is_one_line(ptyd: Ptyd) -> None:
    """As everywhere."""
    done = ptyd("doctor", "--format", "xml")

    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1)
