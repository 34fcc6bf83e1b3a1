"""The options of one mount: words of mount(8) and the OCI spec become flags and attributes.

Flags of a recursive bind apply to the whole tree, as the user means them: classic ``rbind,ro``
leaves every mount below writable.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ptylaunch import syscall as sc

_FLAGS: Final = {
    "async": (False, sc.MS_SYNCHRONOUS),
    "atime": (False, sc.MS_NOATIME),
    "defaults": (True, 0),
    "dev": (False, sc.MS_NODEV),
    "diratime": (False, sc.MS_NODIRATIME),
    "dirsync": (True, sc.MS_DIRSYNC),
    "exec": (False, sc.MS_NOEXEC),
    "lazytime": (True, sc.MS_LAZYTIME),
    "noatime": (True, sc.MS_NOATIME),
    "nodev": (True, sc.MS_NODEV),
    "nodiratime": (True, sc.MS_NODIRATIME),
    "noexec": (True, sc.MS_NOEXEC),
    "norelatime": (False, sc.MS_RELATIME),
    "nostrictatime": (False, sc.MS_STRICTATIME),
    "nosuid": (True, sc.MS_NOSUID),
    "nosymfollow": (True, sc.MS_NOSYMFOLLOW),
    "relatime": (True, sc.MS_RELATIME),
    "ro": (True, sc.MS_RDONLY),
    "rw": (False, sc.MS_RDONLY),
    "silent": (True, sc.MS_SILENT),
    "strictatime": (True, sc.MS_STRICTATIME),
    "suid": (False, sc.MS_NOSUID),
    "symfollow": (False, sc.MS_NOSYMFOLLOW),
    "sync": (True, sc.MS_SYNCHRONOUS),
}

# The OCI spec's recursive forms ("rro") mean the same here, see above.
_RECURSIVE: Final = {
    "r" + name: _FLAGS[name]
    for name in ("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec")
}

_PROPAGATION: Final = {
    "private": sc.MS_PRIVATE,
    "rprivate": sc.MS_PRIVATE,
    "slave": sc.MS_SLAVE,
    "rslave": sc.MS_SLAVE,
    "shared": sc.MS_SHARED,
    "rshared": sc.MS_SHARED,
    "unbindable": sc.MS_UNBINDABLE,
    "runbindable": sc.MS_UNBINDABLE,
}

_BINDS: Final = ("bind", "rbind", "idmap", "ridmap")

_COPY_UP: Final = "tmpcopyup"
"""runc's and crun's: a tmpfs begins with what the root has in its place."""

_ATTRIBUTES: Final = (
    (sc.MS_RDONLY, sc.MOUNT_ATTR_RDONLY),
    (sc.MS_NOSUID, sc.MOUNT_ATTR_NOSUID),
    (sc.MS_NODEV, sc.MOUNT_ATTR_NODEV),
    (sc.MS_NOEXEC, sc.MOUNT_ATTR_NOEXEC),
    (sc.MS_NOSYMFOLLOW, sc.MOUNT_ATTR_NOSYMFOLLOW),
)


class Options(NamedTuple):
    """See :class:`ptylaunch.plan.Mount`; ``data`` is what the filesystem itself understands."""

    bind: bool = False
    recursive: bool = False
    idmap: bool = False
    idmap_all: bool = False
    """The mounts below as well (``ridmap``)."""
    copy_up: bool = False
    flags: int = 0
    propagation: int = sc.MS_PRIVATE
    data: str = ""

    @property
    def attrs(self) -> int:
        """The flags as MOUNT_ATTR bits; only ever set, so locked ones stay as they are."""
        return sum(attr for flag, attr in _ATTRIBUTES if self.flags & flag)


def known_options() -> set[str]:
    """Return every word that is understood here, for ``features``."""
    return {*_FLAGS, *_RECURSIVE, *_PROPAGATION, *_BINDS, _COPY_UP}


def propagation_of(word: str) -> int | None:
    """Return the MS_ flag of a word such as ``rslave``, None when it is none of them."""
    return _PROPAGATION.get(word)


def parse_options(words: tuple[str, ...]) -> Options:
    """Return what the words mean; unknown ones belong to the filesystem."""
    flags, propagation = 0, sc.MS_PRIVATE
    data: list[str] = []
    for word in words:
        if word in _FLAGS or word in _RECURSIVE:
            on, flag = _FLAGS.get(word) or _RECURSIVE[word]
            flags = flags | flag if on else flags & ~flag
        elif word in _PROPAGATION:
            propagation = _PROPAGATION[word]
        elif word not in _BINDS and word != _COPY_UP:
            data.append(word)
    return Options(
        bind="bind" in words or "rbind" in words,
        recursive="rbind" in words,
        idmap="idmap" in words or "ridmap" in words,
        idmap_all="ridmap" in words,
        copy_up=_COPY_UP in words,
        flags=flags,
        propagation=propagation,
        data=",".join(data),
    )
