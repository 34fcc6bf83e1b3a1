"""Who the program is: ``--user`` and ``--group-add``, looked up in the box's own files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ptylaunch.account import Account, parse_user, resolve
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import host_id
from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptycli.idmap import IdMaps

ROOT: Final = Account(0, 0, (), "/root")


def find_user(rootfs: str, user: str | None, groups: Sequence[str], maps: IdMaps) -> Account:
    """Return who ``USER[:GROUP]`` is in the box at ``rootfs``, with more ``groups``.

    ROOT when nothing is asked for; ValueError with a line for the user.
    """
    if user is None and not groups:
        return ROOT
    root = Rootfs(os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        # With a group of its own root is not given those that it is a member of, as with docker.
        account = resolve(root, parse_user("0:0" if user is None else user))
        more = [resolve(root, parse_user(f"0:{group}")).gid for group in groups]
    except LaunchFailed as failure:
        raise ValueError(failure.detail) from None
    finally:
        os.close(root.fd)
    account = account._replace(groups=tuple(dict.fromkeys((*account.groups, *more))))
    for number, ranges in (
        (account.uid, maps.uids),
        *((gid, maps.gids) for gid in (account.gid, *account.groups)),
    ):
        if host_id(number, ranges) is None:
            because = f" ({maps.notice})" if maps.notice else ""
            raise ValueError(f"the id {number} does not exist inside{because}")
    return account
