"""Kinds: which reply of a terminal belongs to which query (ctlseqs, kitty's protocols).

A kind is what both have in common: the final byte of a control sequence, the number of an operating
system command, or that it is a device control string.
"""

from __future__ import annotations

import re
from typing import Final

_CSI: Final = re.compile(rb"\x1b\[([?>=]?)([0-9;]*)[$*#]?(.)", re.DOTALL)
_OSC: Final = re.compile(rb"\x1b\](?:[0-9]+|.?)", re.DOTALL)
_DEVICE_CONTROL: Final = b"P"
_STATUS_STRINGS: Final = b"qyw|"
"""Finals of queries that a string answers: XTVERSION, DECRQCRA, DECRQPSR, XTREPORTCOLORS."""
_TITLES: Final = {b"20": b"]L", b"21": b"]l"}


def kind_of_query(query: bytes) -> bytes:
    """Return the kind of the reply that a whole query asks for."""
    parts = _CSI.match(query)
    if parts is None:
        return b"c" if query == b"\x1bZ" else kind_of_reply(query)
    prefix, parameters, final = parts.groups()
    if final == b"n":
        return b"R" if parameters.lstrip(b"0") == b"6" else b"n"
    if final == b"t":
        return _TITLES.get(parameters, b"t")
    if final in _STATUS_STRINGS or prefix + final == b"=c":
        return _DEVICE_CONTROL
    return {b"p": b"y", b"R": b"m"}.get(final, final)


def kind_of_reply(reply: bytes) -> bytes:
    """Return the kind of a whole reply."""
    parts = _CSI.match(reply)
    if parts is not None:
        return parts[3]
    parts = _OSC.match(reply)
    return parts[0][1:] if parts is not None else reply[1:2]
