"""Stand-ins for modules of the standard library that cost more than what is used of them.

Half of what ``ptylaunch run true`` takes would be imports, where all of ``runc run true`` is 25 ms:
``re`` with ``enum`` is 4 ms, ``typing`` 3, each ``typing.NamedTuple`` 0.2, ``socket`` and
``signal`` 2 for their enums, ``ctypes`` 1.5. The command and the keeper, which start for each box
and are ours alone, have these in their place. Sources name the modules as anybody's do, and whoever
asks a stand-in for something that it does not have gets the real one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # the one of typing is what this is not to load
if TYPE_CHECKING:
    from typing import Any

NAMES = ("typing", "json", "signal", "socket", "ctypes")


def stand_in(names: tuple[str, ...] = NAMES) -> None:
    """Have the stand-ins imported in place of those modules that nobody has imported yet."""
    for name in names:
        if name not in sys.modules:
            own = f"{__name__}.{name}_"
            try:
                __import__(own)
            except (AttributeError, ImportError):
                continue  # a Python that has something else beneath it: the real one knows
            sys.modules[name] = sys.modules[own]


def real(name: str, wanted: str) -> Any:
    """Return what a stand-in does not have, and let whoever imports ``name`` later have the real.

    Not in a child that builds a box: it has forgotten where modules are (child.py).
    """
    if wanted.startswith("__"):  # the interpreter asks each module for its __path__ and the like
        raise AttributeError(wanted)
    if sys.modules.get(name) is sys.modules.get(f"{__name__}.{name}_"):
        del sys.modules[name]
    return getattr(__import__(name), wanted)
