"""Replies: what terminals type by themselves, in answer to queries.

One elected client answers for all; what the terminals of the others say is dropped. Control
strings (DCS, OSC, APC) are typed by no key. A cursor position report looks like Shift-F3 in xterm,
which is dropped as well. Alt-[ and the like are only told from a beginning by a timer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ptyd.session.sequence import SequenceFilter

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT: Final = 64 << 10
"""Bytes of one reply; the largest is a clipboard."""
HOLD: Final = 0.05
"""Seconds that a beginning may be held back before the caller flushes it: it was a key."""

_REPLY: Final = (
    rb"\x1b\[(?:"
    rb"[0-9]+;[0-9]+R"  # CPR
    rb"|\?[0-9;]*(?:[RncuS]|\$y)"  # DECXCPR, DSR, DA1, kitty flags, XTSMGRAPHICS, DECRPM
    rb"|[0-9;]*(?:n|\$y)"  # DSR, DECRPM of ANSI modes
    rb"|[>=][0-9;]*c"  # DA2, DA3
    rb"|>[0-9;]*m"  # XTQMODKEYS
    rb"|[0-9;]+[tx]"  # window reports, DECREPTPARM
    rb")|\x1b[P\]_][^\x07\x1b]*(?:\x1b\\|\x07)"
)
_WHOLE: Final = re.compile(_REPLY)
_NOTHING_ELSE: Final = re.compile(rb"(?:%b)+" % _REPLY)
_BEGINNING: Final = re.compile(rb"\x1b(?:\[[?>=]?[0-9;]*\$?|[P\]_][^\x07\x1b]*\x1b?)?")


class ReplyFilter(SequenceFilter):
    """Takes typed bytes, returns them without the replies that are not wanted, under any split."""

    def __init__(self, wants: Callable[[bytes], bool] = lambda _reply: False) -> None:
        """``wants`` is asked about each whole reply, in order, once."""
        super().__init__(_WHOLE, _BEGINNING, LIMIT)
        self.wants = wants

    def keeps(self, match: bytes) -> bool:
        return self.wants(match)

    def strip(self, data: bytes) -> bytes:
        """Return ``data`` without replies, less a beginning of one that is held back."""
        return self.feed(data)


def is_nobodys_typing(data: bytes) -> bool:
    """Tell whether typed bytes are whole replies and nothing else."""
    return data.startswith(b"\x1b") and _NOTHING_ELSE.fullmatch(data) is not None
