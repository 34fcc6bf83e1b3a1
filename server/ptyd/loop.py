"""The event loop: asyncio's by uvloop, without the module ``ssl``.

Both load it, with two libraries in C, for a TLS of their own that nobody here uses (``net/tls.py``
has ours): 5 ms and 1 MB of each server.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Absent(ModuleType):
    """Has whatever an import asks of ``ssl``: numbers, and classes that nothing is one of."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the interpreter asks each module for its __path__ and the like
            raise AttributeError(name)
        return 0 if name.startswith("SSL_ERROR_") else type(name, (OSError,), {})


_is_absent = "ssl" not in sys.modules
if _is_absent:
    sys.modules["ssl"] = _Absent("ssl")
try:
    import asyncio

    import uvloop
finally:
    if _is_absent:
        del sys.modules["ssl"]  # whoever asks now means it


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, which runs no other."""
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop
