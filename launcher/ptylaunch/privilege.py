"""Identity and privileges: becoming the box's root, and giving them up for the program."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from ptylaunch import syscall as sc
from ptylaunch.capability import NUMBERS, Capabilities, bits_of

if TYPE_CHECKING:
    from ptylaunch.plan import Program

NOTHING: Final = Capabilities()
_HIGHEST: Final = 63


def become_root() -> None:
    """Become id 0 of the user namespace; only then belongs what we make to the box.

    A change of credentials resets "dumpable", so it is cleared after it: a process that enters
    must not be traced or read through /proc by what runs inside (CVE-2016-9962).
    """
    _set_groups(())
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    sc.prctl(sc.PR_SET_DUMPABLE, 0)


def drop_bounding(keep: int) -> None:
    """Drop all capabilities but ``keep`` from the bounding set (wants CAP_SETPCAP)."""
    for number in range(_HIGHEST + 1):
        if not keep >> number & 1:
            try:
                sc.prctl(sc.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno == errno.EINVAL:  # past the last one that this kernel knows
                    return
                raise


def assume(program: Program, capabilities: Capabilities, *, no_new_privileges: bool) -> None:
    """Become the program's user with exactly ``capabilities``."""
    if no_new_privileges:
        sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    drop_bounding(capabilities.bounding)
    sc.prctl(sc.PR_SET_KEEPCAPS, 1)
    _set_groups(program.groups)
    os.setresgid(program.gid, program.gid, program.gid)
    os.setresuid(program.uid, program.uid, program.uid)
    sc.prctl(sc.PR_SET_KEEPCAPS, 0)
    more = 0
    if program.seccomp is not None and not no_new_privileges:
        # Then a filter wants CAP_SYS_ADMIN (seccomp(2)). It goes with execve, which gives nothing
        # that is neither in the bounding set nor ambient (capabilities(7)).
        more = 1 << NUMBERS["CAP_SYS_ADMIN"]
    sc.capset(
        capabilities.effective | more, capabilities.permitted | more, capabilities.inheritable
    )
    sc.prctl(sc.PR_CAP_AMBIENT, sc.PR_CAP_AMBIENT_CLEAR_ALL)
    for number in bits_of(capabilities.ambient):
        sc.prctl(sc.PR_CAP_AMBIENT, sc.PR_CAP_AMBIENT_RAISE, number)


def _set_groups(groups: tuple[int, ...]) -> None:
    try:
        os.setgroups(groups)
    except PermissionError:
        # "deny" in /proc/pid/setgroups, the price of a map without newgidmap: the user's own
        # groups stay (user_namespaces(7)). Asked for others, that is a failure.
        if groups:
            raise
