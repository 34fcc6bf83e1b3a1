"""Connections that are cut at random bytes: nothing is lost, nothing comes twice, either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connection_cutting import cut_a_client, cut_ptyc

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd


@pytest.mark.parametrize("seed", [1, 2])
def test_a_client_that_is_cut_again_and_again_is_exact(ptyd: Ptyd, seed: int) -> None:
    """Resets, ends and silence, in handshakes and in the flood; ``make soak`` has a thousand."""
    cut_a_client(ptyd, 40, seed)


def test_ptyc_that_is_cut_again_and_again_is_exact(ptyd: Ptyd, tmp_path: Path) -> None:
    """From a pipe into a file, as if there were no network."""
    cut_ptyc(ptyd, tmp_path, 15, seed=3)
