"""All verbs at once while what they are about is killed; ``make soak`` has the long form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos import Chaos

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd


def test_verbs_among_kills(ptyd: Ptyd, tmp_path: Path) -> None:
    """No traceback, no undefined exit code, nothing that hangs, no lie of ps, nothing left."""
    chaos = Chaos(ptyd, tmp_path, seed=5)
    chaos.run(80)

    assert chaos.kills
