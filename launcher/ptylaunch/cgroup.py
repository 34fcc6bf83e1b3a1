"""The life of a box's cgroup: made and limited before there is a box, entered first, removed last.

Verbs on a running one: ``allotment.update``, ``freezer.pause`` and ``resume``, ``usage.stats``.
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import TYPE_CHECKING, Final

from ptylaunch import syscall as sc
from ptylaunch.allotment import STAGE, update
from ptylaunch.devicerule import enforce
from ptylaunch.errors import LaunchFailed
from ptylaunch.freezer import frozen_folder, kill_all, processes, wait_until_empty
from ptylaunch.hierarchy import read_or, read_text, write_text
from ptylaunch.placement import Cgroup, asked, asked_of_v2, place

if TYPE_CHECKING:
    from ptylaunch.plan import Resources

_LOOK_AGAIN: Final = 10
"""Milliseconds."""


def create(cgroup: Cgroup, resources: Resources) -> None:
    """Make the folders and set the limits; LaunchFailed("cgroup", …) with nothing left.

    An empty cgroup that is there already is taken, one with processes is somebody else's.
    """
    made: list[str] = []
    try:
        for folder in dict.fromkeys((*cgroup.folders, *cgroup.rooms)):
            made += [folder] if _make(folder) else []
        _require_thawed(cgroup)
        for controller in cgroup.controllers:
            try:
                _enable(cgroup.unified, controller)
            except OSError:
                if controller in asked_of_v2(resources):
                    raise
        _furnish(cgroup)
        update(cgroup, resources)
        enforce(cgroup, resources.devices)
    except (OSError, LaunchFailed) as error:
        for folder in reversed(made):
            _remove_tree(folder)
        if isinstance(error, LaunchFailed):
            raise
        raise LaunchFailed(STAGE, error.errno or errno.EIO, str(error.filename or "")) from error


def grown(cgroup: Cgroup, path: str, resources: Resources) -> Cgroup:
    """Return a box's cgroup with the controllers that limits want, as far as they can be had.

    ``path`` is what :func:`ptylaunch.placement.place` made it of. Nothing is made here.
    """
    missing = {name for name in asked(resources) if not cgroup.has(name)}
    wanted = place(path, resources) if missing else cgroup
    if not missing or (wanted.unified, wanted.inner) != (cgroup.unified, cgroup.inner):
        return cgroup
    served = {*cgroup.controllers, *(asked_of_v2(resources) & {*wanted.controllers})}
    more = tuple(pair for pair in wanted.v1 if pair[0] in missing)
    return cgroup._replace(controllers=tuple(sorted(served)), v1=(*cgroup.v1, *more))


def grow(cgroup: Cgroup, new: Cgroup) -> None:
    """Make what is new in one that :func:`grown` said, and move the box there; LaunchFailed."""
    added = Cgroup(v1=tuple(pair for pair in new.v1 if pair not in cgroup.v1), inner=new.inner)
    try:
        for controller in set(new.controllers) - set(cgroup.controllers):
            _enable(cgroup.unified, controller)
        for folder in dict.fromkeys((*added.folders, *added.rooms)):
            os.makedirs(folder, exist_ok=True)
        _furnish(added)
        # Who is forked by somebody outside is outside: until nobody is left there.
        while added.v1 and (left := set(processes(cgroup)) - set(processes(added))):
            for pid in left:
                _move(pid, added)
    except OSError as error:
        raise LaunchFailed(STAGE, error.errno or errno.EIO, str(error.filename or "")) from error


def _move(pid: int, cgroup: Cgroup) -> None:
    for room in cgroup.rooms:
        try:
            write_text(f"{room}/cgroup.procs", str(pid))
        except ProcessLookupError:
            return  # it has ended


def _furnish(cgroup: Cgroup) -> None:
    """Give a v1 cpuset what its parent has: without that nobody may enter; OSError."""
    if folder := cgroup.v1_folder("cpuset"):
        for name in ("cpuset.cpus", "cpuset.mems"):
            _inherit(f"{folder}/{cgroup.inner}".rstrip("/"), name)


def doors_of(cgroup: Cgroup) -> tuple[str, ...]:
    """Return the paths of the files that a process of one thread enters it by, v2's first.

    A thread that writes itself to v1's ``tasks`` need not wait for anybody. To move a whole process
    the kernel waits until no other one on the machine is just forking: 10 ms and more.
    """
    rooms = cgroup.rooms
    twos = 1 if cgroup.unified else 0
    entrances = [f"{room}/cgroup.procs" for room in rooms[:twos]]
    return (*entrances, *(f"{room}/tasks" for room in rooms[twos:]))


def open_doors(cgroup: Cgroup) -> list[int]:
    """Return fds for :func:`enter`; the caller closes them once the child is forked."""
    doors: list[int] = []
    try:
        for path in doors_of(cgroup):
            door = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            doors.append(door)
    except OSError as error:
        for door in doors:
            os.close(door)
        raise LaunchFailed(STAGE, error.errno or errno.EIO, str(error.filename)) from error
    return doors


def fork_into(cgroup: Cgroup, doors: list[int], namespaces: int = 0) -> tuple[int, bool]:
    """Fork; return what os.fork() does, and whether the child was born where it is wanted.

    That is in new ``namespaces``, CLONE_NEW flags, and inside v2's door, without the wait that a
    move means, where the kernel can do it (Linux 5.7) and no filter of system calls forbids it.
    The child has to :func:`enter` by the ``doors`` that are left then.
    """
    room = -1
    if cgroup.unified:
        room = os.open(cgroup.rooms[0], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    elif not namespaces:
        return os.fork(), True
    try:
        pid = sc.fork_into(namespaces, room)
    except OSError:
        return os.fork(), False  # what forbids that, too, is said by who does it step by step
    finally:
        if room >= 0:
            os.close(room)
    if room >= 0:
        os.close(doors.pop(0))
    return pid, True


def enter(doors: list[int]) -> None:
    """Move the calling process, which must have one thread only; OSError.

    The kernel checks who opened the fd, so this works for whoever we have become since.
    """
    for door in doors:
        os.write(door, b"0")
        os.close(door)


def remove(cgroup: Cgroup, timeout: float = 5.0) -> bool:
    """Kill what is in the cgroup and remove it; return whether it is gone. Idempotent.

    Waits for the end of the killed for at most ``timeout`` seconds.
    """
    if _remove_trees(cgroup):
        return True
    deadline = time.monotonic() + timeout
    while True:
        kill_all(cgroup)
        wait_until_empty(cgroup, max(0.0, deadline - time.monotonic()))
        if _remove_trees(cgroup):
            return True
        if time.monotonic() >= deadline:
            return False
        # Empty, yet busy: a process is between its end and its last look at the cgroup, of which
        # no event tells.
        select.poll().poll(_LOOK_AGAIN)


def _make(folder: str) -> bool:
    """Make a cgroup; return whether it is new. LaunchFailed when another's processes are in it."""
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        os.makedirs(folder)
    except FileExistsError:
        if read_or(f"{folder}/cgroup.procs"):
            detail = f"{folder}: the container's cgroup is not empty"
            raise LaunchFailed(STAGE, errno.EBUSY, detail) from None
        return False
    return True


def _require_thawed(cgroup: Cgroup) -> None:
    """What enters one that is held would never come out, and we would wait for it for ever."""
    if frozen := frozen_folder(cgroup):
        detail = f"{frozen}: container's cgroup unexpectedly frozen"
        raise LaunchFailed(STAGE, errno.EBUSY, detail)


def _enable(folder: str, controller: str) -> None:
    """Have v2's ``folder`` served by a controller, its ancestors first; OSError."""
    if controller in read_text(f"{folder}/cgroup.controllers").split():
        return
    parent = os.path.dirname(folder)
    _enable(parent, controller)
    write_text(f"{parent}/cgroup.subtree_control", f"+{controller}")


def _inherit(folder: str, name: str) -> str:
    """Give a v1 cpuset what its parent has: without processors nobody may enter; OSError."""
    path = f"{folder}/{name}"
    value = read_text(path).strip()
    if not value:
        value = _inherit(os.path.dirname(folder), name)
        write_text(path, value)
    return value


def _remove_trees(cgroup: Cgroup) -> bool:
    busy = [folder for folder in cgroup.folders if not _remove_tree(folder)]
    return not busy


def _remove_tree(folder: str) -> bool:
    """Remove a cgroup and those below it; return whether it is gone."""
    try:
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for path in inner:
            _remove_tree(path)
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
