"""Imports without a module that is asked for and not used."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from ptywire.lean import without
with without("importlib.metadata"):
    import websockets.client, websockets.server
assert "zipfile" not in sys.modules
from importlib.metadata import version
assert websockets.__version__ == version("websockets")
with without("importlib.metadata"):
    from importlib.metadata import version
"""


def test_websockets_is_loaded_without_what_it_does_not_need() -> None:
    """Whoever wants that afterwards gets it, and once it is there it stays."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
