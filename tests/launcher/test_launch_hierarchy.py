"""Finding the cgroup hierarchies of a host, from what proc(5) says on different ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptylaunch.hierarchy import Hierarchy, fields_of, find_hierarchies, parse_hierarchies

HYBRID = """\
22 1 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory,release_agent=/x
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID_OWN = "4:memory:/user/me\n3:cpu,cpuacct:/\n2:name=systemd:/user.slice\n0::/user.slice/1\n"


def test_a_hybrid_host_has_many() -> None:
    """One for each mount, named hierarchies aside, and our own place differs in each."""
    found = parse_hierarchies(HYBRID, HYBRID_OWN)

    assert found == (
        Hierarchy(1, ("cpu", "cpuacct"), *["/sys/fs/cgroup/cpu,cpuacct"] * 2),
        Hierarchy(1, ("memory",), "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/user/me"),
        Hierarchy(2, (), "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/user.slice/1"),
    )


def test_a_unified_host_has_one() -> None:
    """Mounted twice it still counts once, at its usual place."""
    mounts = (
        "50 1 0:27 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n"
        "30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    )
    found = parse_hierarchies(mounts, "0::/user.slice/x.scope\n")

    assert found == (Hierarchy(2, (), "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/x.scope"),)


def test_a_container_sees_a_part() -> None:
    """What is mounted begins at its own cgroup; what lies outside has no folder."""
    mounts = "35 31 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    own = [
        parse_hierarchies(mounts, f"4:memory:{path}\n")[0].own
        for path in ("/docker/1", "/docker/1/sub", "/docker/11", "/", "/../2")
    ]

    assert own == ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/sub", "", "", ""]


def test_names_with_spaces_are_read() -> None:
    """proc(5) writes them as octal numbers."""
    mounts = "50 1 0:27 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n"

    assert parse_hierarchies(mounts, "")[0].folder == "/mnt/a b"


@given(st.text(), st.text())
def test_no_text_makes_it_raise(mounts: str, own: str) -> None:
    """A line that makes no sense is nobody's."""
    assert parse_hierarchies(mounts, own) == ()


@given(st.text(alphabet="0123456789 abc\n\x00-²"))
def test_fields_are_numbers_by_name(text: str) -> None:
    """Whatever the file says, only pairs of a word and a number count."""
    assert all(value >= 0 for value in fields_of(text).values())


def test_this_host_has_some() -> None:
    """The tests need at least one."""
    assert find_hierarchies() != ()
