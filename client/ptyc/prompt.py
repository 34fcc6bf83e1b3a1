"""Ask for a token without showing it. prompt_toolkit takes 150 ms to import: only when needed."""

from __future__ import annotations

import os
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output

from ptyc.terminal import window_size


def ask_token(label: str) -> str:
    """Return what the user typed; raise EOFError or KeyboardInterrupt when they would not say."""
    # Standard output may be a pipe; and no cursor reports, whose answers would land in the session.
    term = os.environ.get("TERM")
    output = Vt100_Output(sys.stderr, _size, term=term, enable_cpr=False)
    session: PromptSession[str] = PromptSession(output=output)
    return session.prompt(f"token for {label}: ", is_password=True)


def _size() -> Size:
    size = window_size((2, 0))
    return Size(24, 80) if size is None else Size(size.rows, size.cols)
