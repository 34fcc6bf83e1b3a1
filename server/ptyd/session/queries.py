"""Queries: what a program prints to be answered by its terminal (ctlseqs, kitty's protocols).

With many viewers each of their terminals would answer. So queries are taken out of what all but
one of them get; one who was missed here is caught by :mod:`ptyd.session.replies`. ENQ is not among
them: terminals answer it with nothing, and it is common in binary data.
"""

from __future__ import annotations

import re
from typing import Final

from ptyd.session.sequence import ST, SequenceFilter

LIMIT: Final = 1024
"""Bytes: a longer sequence is no query."""

_CSI: Final = (
    rb"[>=]?0*c",  # DA1, DA2, DA3
    rb"0*[56]n",  # DSR: status, cursor position
    rb"\?[0-9;]+n",  # DSR of DEC: DECXCPR, printer, keyboard, ?996 colour scheme
    rb"\??[0-9;]*\$p",  # DECRQM
    rb">0*q",  # XTVERSION
    rb"\?u",  # kitty keyboard flags
    rb"\?[0-9;]*m",  # XTQMODKEYS
    rb"\?[0-9;]+S",  # XTSMGRAPHICS
    rb"(?:11|1[3-6]|18|19|20|21)(?:;[0-9]*)*t",  # XTWINOPS: state, position, sizes, titles
    rb"[01]?x",  # DECREQTPARM
    rb"[0-9;]*\*y",  # DECRQCRA
    rb"[0-9]*\$w",  # DECRQPSR
    rb"[0-9;]*#[|R]",  # XTREPORTSGR, XTREPORTCOLORS
)
_OSC: Final = (
    rb"[45](?:;[0-9]+;\?)+",  # entries of the palette
    rb"1[0-9](?:;\?)+",  # foreground, background, cursor, …
    rb"21(?:;[^;=\x07\x1b]*=\?)+",  # kitty's colours
    rb"52;[^;\x07\x1b]*;\?",  # the clipboard
    rb"99;(?=[^;\x07\x1b]*p=\?)[^;\x07\x1b]*;[^\x07\x1b]*",  # notifications
    rb"1337;Report[^\x07\x1b]*",  # iTerm2
)
# Colours and cursor movements, of which there may be thousands in a chunk: a fifth of the time.
_NEVER: Final = rb"(?![0-9;]*[@-bd-mo-su-vz-~])"
# Nothing is matched twice over, hence the lookaheads: 64 KiB of a well-chosen sequence would hold
# the event loop for seconds.
_WHOLE: Final = re.compile(
    rb"\x1bZ|\x1b\[%b(?:%b)|\x1b\](?:%b)%b" % (_NEVER, b"|".join(_CSI), b"|".join(_OSC), ST)
    + rb"|\x1bP(?:\$q|\+[qQ])[^\x07\x1b]*\x1b\\"  # DECRQSS, XTGETTCAP, XTGETXRES
    + rb"|\x1b_G(?=(?:[^;\x1b]*,)?a=q)[^\x1b]*\x1b\\"  # kitty graphics
)
_BEGINNING: Final = re.compile(
    rb"\x1b(?:\[[?>=]?[0-9;]*[$*#]?"
    rb"|\](?:[0-9]{0,4}|(?:4|5|1[0-9]|21|52|99|1337);[^\x07\x1b]*\x1b?)"
    rb"|P(?:[$+](?:[qQ][^\x07\x1b]*\x1b?)?)?"
    rb"|_(?:G[^\x1b]*\x1b?)?)?"
)


class QueryFilter(SequenceFilter):
    """Takes output, returns it without queries, under any split."""

    def __init__(self) -> None:
        super().__init__(_WHOLE, _BEGINNING, LIMIT)

    def strip(self, data: bytes) -> bytes:
        """Return ``data`` without queries, less a beginning of one that is held back."""
        return self.feed(data)


def find_queries(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return where whole queries lie in output, and where one begins that is not over yet.

    ``data`` begins outside of any query. Without a beginning the second is the length of ``data``.
    """
    if b"\x1b" not in data:
        return [], len(data)
    spans = [match.span() for match in _WHOLE.finditer(data)]
    spans = [(start, end) for start, end in spans if end - start <= LIMIT]
    last = data.rfind(b"\x1b")
    candidates = [last]
    if last == len(data) - 1 and last > 0:
        candidates.insert(0, data.rfind(b"\x1b", 0, last))  # it may be the first half of an ST
    for start in candidates:
        if start >= 0 and len(data) - start < LIMIT and _BEGINNING.fullmatch(data, start):
            return spans, start
    return spans, len(data)


def holds_query(data: bytes) -> bool:
    """Tell whether a piece of output holds a whole query."""
    return _WHOLE.search(data) is not None
