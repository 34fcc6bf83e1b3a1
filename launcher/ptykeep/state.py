"""The state directory: where containers, names and sockets are, and how they are claimed.

Data lives in ``/var/lib/ptyd`` or ``$XDG_STATE_HOME/ptyd``, sockets in ``/run/ptyd`` or
``$XDG_RUNTIME_DIR/ptyd``; ``PTYD_ROOT`` sets both. Claims are atomic by symlink(2), changes by
rename(2). A container's ``state.json`` is written by its keeper alone.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptykeep import event
from ptykeep.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMAT: Final = "1\n"
OPTIONS: Final = "org.ptyd.options"
"""The annotation of config.json that holds ptyd's own options, as JSON."""
INIT: Final = "org.ptyd.init"
STOP_TIMEOUT: Final = 10.0
"""Seconds between the signal that asks a program to end and SIGKILL, as docker's."""

RANGE_FIRST: Final = 524288
RANGE_LAST: Final = 1879048191
RANGE_LENGTH: Final = 65536
# The uid after a container's range belongs to its server, so ranges lie two lengths apart.
RANGE_STRIDE: Final = 2 * RANGE_LENGTH


class NotFound(LookupError):
    """No container answers to a name or id; the message is a line for the user."""


class Dirs(NamedTuple):
    """Absolute paths of the data and the socket directory."""

    data: str
    run: str


def directories(environ: Mapping[str, str] = os.environ) -> Dirs:
    """Return where state is kept; create nothing."""
    if root := environ.get("PTYD_ROOT"):
        root = os.path.abspath(root)
        return Dirs(root, root + "/run")
    if os.geteuid() == 0:
        return Dirs("/var/lib/ptyd", "/run/ptyd")
    data, run = environ.get("XDG_STATE_HOME", ""), environ.get("XDG_RUNTIME_DIR", "")
    if not data.startswith("/"):  # a relative path is to be ignored, says the specification
        data = _home(environ) + "/.local/state"
    run = run if run.startswith("/") else ""
    return Dirs(data + "/ptyd", run + "/ptyd" if run else f"/tmp/ptyd-{os.geteuid()}")  # noqa: S108 - owner and mode are checked


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    if not home:
        import pwd  # only for those who are started without an environment

        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "HOME is not set, nor PTYD_ROOT") from None
    if not home.startswith("/"):
        raise NotADirectoryError(errno.ENOTDIR, "HOME is no absolute path", home)
    return home


def prepare(dirs: Dirs) -> None:
    """Create the directories, 0700; raise PermissionError when they are somebody else's."""
    for path in (dirs.data, dirs.run):
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "not a directory of yours", path)
        if stat.S_IMODE(status.st_mode) & 0o077:
            os.chmod(path, 0o700)
    for name in ("containers", "names", "ranges"):
        os.makedirs(f"{dirs.data}/{name}", mode=0o700, exist_ok=True)
    if not os.path.exists(f"{dirs.data}/format"):
        write_file(f"{dirs.data}/format", FORMAT.encode())


def container_dir(dirs: Dirs, container: str) -> str:
    return f"{dirs.data}/containers/{container}"


def layers_dir(directory: str) -> str:
    """Return where what a box writes on its root is kept, in the folder of its container."""
    return f"{directory}/bundle/layers"


def socket_dir(dirs: Dirs, container: str) -> str:
    return f"{dirs.run}/{container[:12]}"


def list_containers(dirs: Dirs) -> list[str]:
    """Return the ids; what is no folder there is none of ours."""
    try:
        with os.scandir(f"{dirs.data}/containers") as entries:
            return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def resolve(dirs: Dirs, reference: str) -> str:
    """Return the id of a container from its name, its id, or a unique prefix of the id."""
    if "/" not in reference and reference not in ("", ".", ".."):
        try:
            return os.readlink(f"{dirs.data}/names/{reference}")
        except OSError:
            pass
        found = [name for name in list_containers(dirs) if name.startswith(reference)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"{reference} is a prefix of {len(found)} containers: give more digits")
    raise NotFound(f"no such container: {reference}")


def claim_name(dirs: Dirs, name: str, container: str) -> None:
    """Take ``name`` for ``container``, which has its folder; raise FileExistsError when taken."""
    _claim(dirs, f"names/{name}", container)


def name_of(dirs: Dirs, container: str) -> str:
    """Return the name of a container, "" when it has none."""
    return next((entry.name for entry in _claims(dirs, "names", container)), "")


def give_up_names(dirs: Dirs, container: str, unwanted: Callable[[str], bool]) -> None:
    """Give up those of a container's names that are unwanted."""
    _unlink_claims(dirs, "names", container, unwanted)


def release_name(dirs: Dirs, name: str) -> bool:
    """Give up a name whose container is gone; return whether there was one."""
    if "/" in name or name in ("", ".", "..") or not os.path.lexists(f"{dirs.data}/names/{name}"):
        return False
    return _release(dirs, f"names/{name}")


def _claim(dirs: Dirs, claim: str, container: str) -> None:
    """Take what nobody has, or what only somebody has who is gone."""
    path = f"{dirs.data}/{claim}"
    try:
        os.symlink(container, path)
    except FileExistsError:
        if not _release(dirs, claim):
            raise
        os.symlink(container, path)


def _release(dirs: Dirs, claim: str) -> bool:
    """Remove a claim of a container without a folder; a container has that before any claim."""
    path = f"{dirs.data}/{claim}"
    lock = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Of two that find the same old claim, the later must not remove the other's new one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if os.path.lexists(container_dir(dirs, os.readlink(path))):
                return False
            os.unlink(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):
                raise
            return False
        return True
    finally:
        os.close(lock)


def _claims(dirs: Dirs, kind: str, container: str) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(f"{dirs.data}/{kind}") as entries:
            for entry in entries:
                try:
                    if os.readlink(entry.path) == container:
                        found.append(entry)
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.EINVAL):
                        raise
    except FileNotFoundError:
        pass
    return found


def claim_range(dirs: Dirs, container: str, reserved: list[tuple[int, int]]) -> int:
    """Take a free range of RANGE_LENGTH uids and return its first.

    ``reserved`` are ``(first, length)`` pairs that belong to somebody else, as in subuid(5).
    """
    for base in range(RANGE_FIRST, RANGE_LAST - RANGE_STRIDE, RANGE_STRIDE):
        if any(base < first + length and first < base + RANGE_STRIDE for first, length in reserved):
            continue
        try:
            _claim(dirs, f"ranges/{base}", container)
        except FileExistsError:
            continue
        return base
    raise OSError(errno.ENOSPC, "no free range of user ids")


def release_cgroup(directory: str, timeout: float = 5.0) -> None:
    """Remove the cgroup of a container without a keeper, with what lives in it; wait for its end.

    The keeper does it itself at the end; this is for those that were killed.
    """
    try:
        fields = read_json(f"{directory}/state.json")
    except (OSError, ValueError):
        return  # it did not get as far
    folders = fields.get("cgroup")
    if fields.get("runtime"):
        from ptykeep.runtime import release  # of another engine's box alone

        release(fields)
    if folders:
        from ptylaunch.cgroup import remove
        from ptylaunch.placement import Cgroup

        remove(Cgroup.from_json(folders), timeout)


def remove_container(dirs: Dirs, container: str) -> None:
    """Forget a container that is not running: cgroup, name, files, range. Idempotent.

    In this order: whoever is killed in between leaves a folder that can be removed by its id, and
    no file of a range that is another's already.
    """
    release_cgroup(container_dir(dirs, container))
    _note_end(dirs, container)
    _unlink_claims(dirs, "names", container)
    remove_sockets(dirs, container)
    _remove_layers(container_dir(dirs, container))
    remove_tree(container_dir(dirs, container))
    _unlink_claims(dirs, "ranges", container)


def _note_end(dirs: Dirs, container: str) -> None:
    """Note that a container goes, unless it never came to be, or somebody else is at it."""
    directory = container_dir(dirs, container)
    if not os.path.exists(f"{directory}/config.json"):
        return
    try:
        fields = read_json(f"{directory}/state.json")
    except (OSError, ValueError):
        fields = {}
    event.note(dirs.data, "destroy", {"name": name_of(dirs, container), **fields, "id": container})


def remove_sockets(dirs: Dirs, container: str) -> None:
    """Remove what is only there while a container has a keeper."""
    remove_tree(socket_dir(dirs, container))


def _remove_layers(directory: str) -> None:
    """Remove what a box wrote, as whoever may: its root, where the box's ids are not ours."""
    layers = layers_dir(directory)
    if os.geteuid() == 0 or not os.path.isdir(layers):
        return
    from functools import partial

    from ptylaunch.errors import LaunchFailed
    from ptylaunch.idspace import work_as_root
    from ptylaunch.spec import read_id_maps

    try:
        maps = read_id_maps(read_json(f"{directory}/config.json"))
        work_as_root(*maps, partial(remove_tree, layers))
    except (LaunchFailed, OSError, ValueError):
        return  # it never ran; or what is left is ours to remove, or nobody's


def _unlink_claims(
    dirs: Dirs, kind: str, container: str, unwanted: Callable[[str], bool] | None = None
) -> None:
    for entry in _claims(dirs, kind, container):
        if unwanted is not None and not unwanted(entry.name):
            continue
        try:
            os.unlink(entry.path)
        except FileNotFoundError:
            pass  # somebody else forgets it, too


def write_file(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file by rename(2); readers see the old one or the new one."""
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb", buffering=0) as file:
            os.fchmod(fd, mode)  # whatever the umask is
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def write_json(path: str, value: dict[str, Any], mode: int = 0o600) -> None:
    write_file(path, json.dumps(value, indent=1).encode() + b"\n", mode)


def read_json(path: str) -> dict[str, Any]:
    """Return the JSON object in a file; raise ValueError when it holds something else."""
    with open(path, "rb") as file:
        value = json.load(file)
    if not isinstance(value, dict):
        raise ValueError(f"{path} does not hold a JSON object")  # noqa: TRY004 - the file's fault
    return value  # pyright: ignore[reportUnknownVariableType]


def claim_root(directory: str, *, wait: bool) -> int:
    """Hold what a container's root is made of, and return an fd that does; or BlockingIOError.

    For who sets its box up without being its keeper: that one looks whether somebody holds it.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd
