"""``ptyd run``, interrupted on its way: it says nothing and leaves nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("option", ["-i", "-d"])
@pytest.mark.parametrize("sign", ["", "names/*", "containers/*/keeper.log", "containers/*/lock"])
def test_nothing_is_left_of_a_start(
    ptyd: Ptyd, sign: str, option: str, number: signal.Signals
) -> None:
    """Before the keeper and while it starts; 128 and the signal's number."""
    root = Path(ptyd.root)
    ptyd("run", "--rm", "true")
    with ptyd.background("ptyd", "run", option, "sleep", "1000") as process:
        if sign:
            wait_until(lambda: list(root.glob(sign)))
        else:
            command = Path(f"/proc/{process.pid}/maps")  # libz comes with the imports
            wait_until(lambda: "_ctypes" in command.read_text())
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=40)

    assert (process.returncode, out, err) in [(128 + number, b"", b""), (-number, b"", b"")]
    assert ptyd.left() == []
