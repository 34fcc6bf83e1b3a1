"""Write ``server/ptyd/screen/ghostty_tables.py``: libghostty's C interface, parsed beforehand.

pyghostty parses 80 KB of declarations when it is imported, and cffi more at each first use of a
type: 0.3 s of processor for every screen that starts. These tables are what comes of the very same
text; :mod:`ptyd.screen.library` uses them while they are of the text that is installed.

    python scripts/ghostty_tables.py          # needs pyghostty
"""  # noqa: INP001 - a script, in a folder of its own

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from cffi import FFI  # type: ignore[import-untyped,unused-ignore]

from ptyd.screen.library import declarations, fingerprint

TABLES: Final = Path(__file__).parent.parent / "server/ptyd/screen/ghostty_tables.py"
_TWINS: Final = """
typedef struct { uint16_t x; uint32_t y; uint64_t _pad; } GhosttyPointValueS;
typedef struct { GhosttyPointTag tag; GhosttyPointValueS value; } GhosttyPointS;
"""
"""libffi cannot pass a union by value; a struct of the same layout is passed alike."""
_HEADER: Final = '''\
"""Written by scripts/ghostty_tables.py. Do not edit."""

# mypy: ignore-errors
# pyright: basic

FINGERPRINT = {fingerprint}
'''


def tables() -> str:
    """Return the module for the pyghostty that is installed."""
    source = declarations()
    if source is None:
        sys.exit("ghostty_tables: pyghostty is not installed, or not as we know it")
    names: dict[str, str] = {}
    exec(source, names)  # noqa: S102 - a module of pyghostty, without the rest of it
    ffi = FFI()
    ffi.cdef(names["CDEF"])
    ffi.cdef(_TWINS)
    ffi.set_source("ghostty_tables", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ghostty_tables.py")
        ffi.emit_python_code(str(path))
        return _HEADER.format(fingerprint=fingerprint(source)) + path.read_text()


if __name__ == "__main__":
    TABLES.write_text(tables())
