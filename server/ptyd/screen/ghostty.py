"""A typed face of libghostty-vt: one native terminal, and the calls that ptyd makes on it.

Only this file and :mod:`ptyd.screen.grid` touch the library. Its results are 0 for success, -2 when
it cannot do what was asked in the present state; out-parameters are filled in. A terminal is not
locked: one caller at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ptyd.screen.library import identity, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ffi, lib = load()

Rgb: TypeAlias = tuple[int, int, int]

_OUT_OF_STATE: Final = -2
_TERMINAL_EXTRAS: Final = frozenset(("scrolling_region", "tabstops", "keyboard"))
"""Extras of the formatter that belong to the terminal; the others belong to a screen."""


class GhosttyError(Exception):
    """The library refused a call that we believed to be right."""


def version() -> str:
    """Return what a native snapshot depends on: it is only for the very same library."""
    text = ffi.new("GhosttyString*")
    check(lib.ghostty_build_info(lib.GHOSTTY_BUILD_INFO_VERSION_STRING, text), "build_info")
    native = bytes(ffi.buffer(text.ptr, text.len)).decode("ascii", "replace")
    return f"{native} {identity()}"


def check(result: int, what: str) -> None:
    if result:
        raise GhosttyError(f"libghostty: {what} gave {result}")


def new_sized(ctype: str) -> Any:
    """Allocate a struct whose ``size`` fields, at every depth, say how large it is."""
    pointer = ffi.new(ctype + "*")
    _fill_sizes(pointer)
    return pointer


def _fill_sizes(pointer: Any) -> None:
    struct = ffi.typeof(pointer).item
    for name, field in struct.fields:
        if name == "size":
            pointer.size = ffi.sizeof(struct)
        elif field.type.kind == "struct":
            _fill_sizes(ffi.addressof(pointer[0], name))


class Terminal:
    """A native terminal; freed with this object, or at once by :meth:`close`."""

    def __init__(self, handle: Any) -> None:
        self.handle = ffi.gc(handle, lib.ghostty_terminal_free)
        self._callbacks: dict[str, Any] = {}

    @classmethod
    def create(cls, rows: int, cols: int) -> Terminal:
        handle = ffi.new("GhosttyTerminal*")
        check(lib.ghostty_terminal_new(ffi.NULL, handle, cols, rows), "terminal_new")
        return cls(handle[0])

    @classmethod
    def decode(cls, data: bytes) -> Terminal:
        """Return the terminal that :meth:`encode` wrote; limits and callbacks are not part of it.

        Raises GhosttyError for what is not such a snapshot.
        """
        decoder = ffi.new("GhosttySnapshotDecoder*")
        source = ffi.from_buffer("uint8_t[]", data)
        check(lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, source, len(data)), "decoder")
        handle = ffi.new("GhosttyTerminal*")
        # Without this a terminal in the middle of a sequence does not know the bytes of it.
        retain = lib.GHOSTTY_SNAPSHOT_DECODER_OPT_RETAIN_CONTINUATION
        try:
            check(
                lib.ghostty_snapshot_decoder_set(decoder[0], retain, ffi.new("bool*", True)),
                "decoder_set",
            )
            check(lib.ghostty_snapshot_decoder_decode(decoder[0], handle), "decode")
        finally:
            lib.ghostty_snapshot_decoder_free(decoder[0])
        return cls(handle[0])

    def encode(self) -> bytes:
        """Return everything as the library's own binary snapshot (0.02 ms for a screen)."""
        return self._allocated(lib.ghostty_snapshot_encode_alloc, "encode")

    def clone(self) -> Terminal:
        """Return a copy to be driven for what cannot be read, outside of any sequence."""
        copy = Terminal.decode(self.encode())
        if not copy.at_ground:
            copy.feed(b"\x18")  # CAN
        return copy

    def close(self) -> None:
        ffi.release(self.handle)

    def feed(self, data: bytes) -> None:
        lib.ghostty_terminal_vt_write(self.handle, data, len(data))

    def resize(self, rows: int, cols: int, cell_width: int, cell_height: int) -> None:
        """Change the size; cells are in pixels, for size reports only."""
        check(
            lib.ghostty_terminal_resize(self.handle, cols, rows, cell_width, cell_height), "resize"
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.number("ROWS"), self.number("COLS")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column from 0, in the active screen."""
        return self.number("CURSOR_Y"), self.number("CURSOR_X")

    @property
    def at_ground(self) -> bool:
        """Whether the parser is outside of any sequence and any UTF-8 character."""
        return self.flag("VT_GROUND")

    @property
    def continuation(self) -> bytes | None:
        """The bytes of the sequence that is not finished, None if they are beyond the limit."""
        pointer, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        result = lib.ghostty_terminal_continuation_alloc(self.handle, ffi.NULL, pointer, length)
        if result == _OUT_OF_STATE:
            return None
        check(result, "continuation")
        return _take(pointer, length)

    # Reading and setting values

    def _get(self, name: str, out: Any) -> int:
        result: int = lib.ghostty_terminal_get(
            self.handle, getattr(lib, "GHOSTTY_TERMINAL_DATA_" + name), out
        )
        return result

    def number(self, name: str, ctype: str = "uint16_t") -> int:
        out = ffi.new(ctype + "*")
        check(self._get(name, out), name)
        return int(out[0])

    def flag(self, name: str) -> bool:
        return bool(self.number(name, "bool"))

    def text(self, name: str) -> bytes:
        out = ffi.new("GhosttyString*")
        check(self._get(name, out), name)
        return bytes(ffi.buffer(out.ptr, out.len)) if out.len else b""

    def colour(self, name: str) -> Rgb | None:
        out = ffi.new("GhosttyColorRgb*")
        return None if self._get(name, out) else (out.r, out.g, out.b)

    def palette(self, name: str) -> list[Rgb]:
        out = ffi.new("GhosttyColorRgb[256]")
        check(self._get(name, out), name)
        return [(colour.r, colour.g, colour.b) for colour in out]

    def pen(self) -> Any:
        """Return the native style that the next character would get."""
        # CURSOR_STYLE is this, and not the cursor's shape: read into an int it corrupts the heap.
        style = new_sized("GhosttyStyle")
        check(self._get("CURSOR_STYLE", style), "pen")
        return style

    def mode(self, number: int, *, ansi: bool = False) -> bool:
        config = _mode_config(number, ansi=ansi)
        return bool(config.value) if not self._get("MODE", config) else False

    def set_mode(self, number: int, *, value: bool) -> None:
        """Set a DEC private mode without its side effects."""
        config = _mode_config(number, ansi=False)
        config.value = value
        check(self._set("MODE", config), "set mode")

    def _set(self, name: str, value: Any) -> int:
        result: int = lib.ghostty_terminal_set(
            self.handle, getattr(lib, "GHOSTTY_TERMINAL_OPT_" + name), value
        )
        return result

    def set_number(self, name: str, value: int, ctype: str = "size_t") -> None:
        check(self._set(name, ffi.new(ctype + "*", value)), name)

    def set_colour(self, name: str, colour: Rgb) -> None:
        check(self._set(name, ffi.new("GhosttyColorRgb*", colour)), name)

    def set_text(self, name: str, text: bytes) -> None:
        buffer = ffi.new("uint8_t[]", text)
        self._callbacks[name + ".text"] = buffer  # must live as long as the library may read it
        check(self._set(name, ffi.new("GhosttyString*", (buffer, len(text)))), name)

    def set_callback(self, name: str, ctype: str, function: Callable[..., Any]) -> None:
        """Have the library call ``function`` during :meth:`feed`; it must not raise."""
        callback = ffi.callback(ctype, function)
        self._callbacks[name] = callback
        check(self._set(name, callback), name)

    def cursor_shape(self) -> tuple[int, bool]:
        """Return GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_* and whether the cursor blinks."""
        state = ffi.new("GhosttyRenderState*")
        check(lib.ghostty_render_state_new(ffi.NULL, state), "render_state_new")
        shape, blinking = ffi.new("int*"), ffi.new("bool*")
        try:
            check(lib.ghostty_render_state_update(state[0], self.handle), "render_state_update")
            for name, out in (("VISUAL_STYLE", shape), ("BLINKING", blinking)):
                key = getattr(lib, "GHOSTTY_RENDER_STATE_DATA_CURSOR_" + name)
                check(lib.ghostty_render_state_get(state[0], key, out), name)
        finally:
            lib.ghostty_render_state_free(state[0])
        return shape[0], blinking[0]

    # Formatting

    def format(
        self,
        selection: Any,
        extras: Iterable[str] = (),
        *,
        plain: bool = False,
        unwrap: bool = False,
        trim: bool = False,
    ) -> bytes:
        """Return the cells of a native selection as text or as VT sequences, with ``extras``."""
        options = new_sized("GhosttyFormatterTerminalOptions")
        options.emit = (
            lib.GHOSTTY_FORMATTER_FORMAT_PLAIN if plain else lib.GHOSTTY_FORMATTER_FORMAT_VT
        )
        options.unwrap, options.trim, options.selection = unwrap, trim, selection
        for extra in extras:
            owner = options.extra if extra in _TERMINAL_EXTRAS else options.extra.screen
            setattr(owner, extra, True)
        formatter = ffi.new("GhosttyFormatter*")
        check(
            lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, self.handle, options[0]),
            "formatter_new",
        )
        pointer, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        try:
            check(
                lib.ghostty_formatter_format_alloc(formatter[0], ffi.NULL, pointer, length),
                "format",
            )
            return _take(pointer, length)
        finally:
            lib.ghostty_formatter_free(formatter[0])

    def _allocated(self, function: Any, what: str) -> bytes:
        pointer, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        check(function(self.handle, ffi.NULL, pointer, length), what)
        return _take(pointer, length)


def _take(pointer: Any, length: Any) -> bytes:
    """Copy and free bytes that the library allocated."""
    if not length[0]:
        return b""
    data = bytes(ffi.buffer(pointer[0], length[0]))
    lib.ghostty_free(ffi.NULL, pointer[0], length[0])
    return data


def _mode_config(number: int, *, ansi: bool) -> Any:
    config = ffi.new("GhosttyTerminalModeConfig*")
    # ghostty_mode_new is static inline in the header: 15 bits of number, one for ANSI modes.
    config.mode = (number & 0x7FFF) | (ansi << 15)
    return config
