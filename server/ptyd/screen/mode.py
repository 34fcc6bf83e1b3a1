"""Modes that differ from a fresh terminal's, and what sets them (DEC STD 070, ctlseqs).

Mouse tracking is the odd one: several modes may be set, the last one that was set is in force, and
resetting any of them turns all off. The flags do not tell; the library's mouse encoder does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptyd.screen.ghostty import Terminal, check, ffi, lib, new_sized

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGIN: Final = 6
AUTO_WRAP: Final = 7
CURSOR_BLINKS: Final = 12
CURSOR_VISIBLE: Final = 25
ALLOW_132_COLUMNS: Final = 40
MARGINS: Final = 69
BRACKETED_PASTE: Final = 2004
GRAPHEMES: Final = 2027
SYNCHRONIZED: Final = 2026
INSERT: Final = 4  # ANSI
ALTERNATE: Final = (1049, 1047, 47)

# 3 and 40 are left out: see the table in ptyd.screen. 12 is part of the cursor's shape.
KNOWN: Final = (
    *(1, 2, 4, 5, 8, 45, 66, 67, 1004, 1007, 1035, 1036, 1039, 1045),
    *(2004, 2031, 2048, 5522),
)
KNOWN_ANSI: Final = (2, 12, 20)
TRACKING: Final = (9, 1000, 1002, 1003)
ENCODING: Final = (1005, 1006, 1015, 1016)

_PIXEL_X: Final = 1505
"""Pixels: where the probing click is, in column 151 of cells of ten."""


class Mouse(NamedTuple):
    """What is in force: one of TRACKING, one of ENCODING, or 0."""

    tracking: int
    encoding: int


@cache
def defaults() -> dict[tuple[int, bool], bool]:
    """Return the modes of a fresh terminal, by number and whether they are ANSI."""
    fresh = Terminal.create(2, 2)
    found = {(n, False): fresh.mode(n) for n in KNOWN}
    return found | {(n, True): fresh.mode(n, ansi=True) for n in KNOWN_ANSI}


def changed_modes(terminal: Terminal) -> bytes:
    out = bytearray()
    for (number, ansi), default in defaults().items():
        value = terminal.mode(number, ansi=ansi)
        if value != default:
            out += b"\x1b[%s%d%s" % (b"" if ansi else b"?", number, b"h" if value else b"l")
    return bytes(out)


def mouse_modes(terminal: Terminal) -> bytes:
    """Return what sets the mouse modes that are set, so that the same ones are in force."""
    tracking = [n for n in TRACKING if terminal.mode(n)]
    encoding = [n for n in ENCODING if terminal.mode(n)]
    if not tracking and not encoding:
        return b""
    in_force = Probe.shared().mouse(terminal)
    last = [*_ordered(encoding, in_force.encoding), *_ordered(tracking, in_force.tracking)]
    out = b"".join(b"\x1b[?%dh" % n for n in last)
    for group, is_set, chosen in (
        (ENCODING, encoding, in_force.encoding),
        (TRACKING, tracking, in_force.tracking),
    ):
        off = [n for n in group if n not in is_set]
        if is_set and not chosen and off:
            out += b"\x1b[?%dl" % off[-1]
    return out


def _ordered(modes: Sequence[int], last: int) -> list[int]:
    return sorted(modes, key=lambda n: n == last)


class Probe:
    """A native mouse encoder: asked what it would send for some events."""

    _shared: Probe | None = None

    def __init__(self) -> None:
        encoder, event = ffi.new("GhosttyMouseEncoder*"), ffi.new("GhosttyMouseEvent*")
        check(lib.ghostty_mouse_encoder_new(ffi.NULL, encoder), "mouse_encoder_new")
        check(lib.ghostty_mouse_event_new(ffi.NULL, event), "mouse_event_new")
        self._encoder, self._event = encoder[0], event[0]
        self._buffer, self._length = ffi.new("char[64]"), ffi.new("size_t*")
        self._size = new_sized("GhosttyMouseEncoderSize")
        self._size.screen_width, self._size.screen_height = 8000, 4800
        self._size.cell_width, self._size.cell_height = 10, 20
        position = ffi.new("GhosttyMousePosition*", (_PIXEL_X, 55))
        lib.ghostty_mouse_event_set_position(self._event, position[0])

    @classmethod
    def shared(cls) -> Probe:
        """Return the one of this process: it is never freed."""
        if cls._shared is None:
            cls._shared = Probe()
        return cls._shared

    def mouse(self, terminal: Terminal) -> Mouse:
        lib.ghostty_mouse_encoder_reset(self._encoder)
        lib.ghostty_mouse_encoder_setopt_from_terminal(self._encoder, terminal.handle)
        size = lib.GHOSTTY_MOUSE_ENCODER_OPT_SIZE
        lib.ghostty_mouse_encoder_setopt(self._encoder, size, self._size)
        press = self._encode(lib.GHOSTTY_MOUSE_ACTION_PRESS, 1)
        events = (
            (1003, self._encode(lib.GHOSTTY_MOUSE_ACTION_MOTION, 0)),
            (1002, self._encode(lib.GHOSTTY_MOUSE_ACTION_MOTION, 1)),
            (1000, self._encode(lib.GHOSTTY_MOUSE_ACTION_RELEASE, 1)),
            (9, press),
        )
        tracking = next((mode for mode, sent in events if sent), 0)
        if not press:  # nothing is tracked, but what is tracked later will be told in some encoding
            normal: Any = ffi.new("GhosttyMouseTrackingMode*", lib.GHOSTTY_MOUSE_TRACKING_NORMAL)
            event = lib.GHOSTTY_MOUSE_ENCODER_OPT_EVENT
            lib.ghostty_mouse_encoder_setopt(self._encoder, event, normal)
            press = self._encode(lib.GHOSTTY_MOUSE_ACTION_PRESS, 1)
        return Mouse(tracking, _encoding_of(press))

    def _encode(self, action: int, button: int) -> bytes:
        lib.ghostty_mouse_event_set_action(self._event, action)
        if button:
            lib.ghostty_mouse_event_set_button(self._event, button)
        else:
            lib.ghostty_mouse_event_clear_button(self._event)
        pressed: Any = ffi.new("bool*", bool(button))
        option = lib.GHOSTTY_MOUSE_ENCODER_OPT_ANY_BUTTON_PRESSED
        lib.ghostty_mouse_encoder_setopt(self._encoder, option, pressed)
        failed = lib.ghostty_mouse_encoder_encode(
            self._encoder, self._event, self._buffer, len(self._buffer), self._length
        )
        return b"" if failed else bytes(ffi.buffer(self._buffer, self._length[0]))


def _encoding_of(press: bytes) -> int:
    if press.startswith(b"\x1b[<"):
        return 1016 if b";%d;" % _PIXEL_X in press or b";%d;" % (_PIXEL_X + 1) in press else 1006
    if press.startswith(b"\x1b[M"):
        return 0 if len(press) == 6 else 1005
    return 1015 if press else 0
