"""The same attacks in boxes that runc builds of the same config.json: the oracle.

Where both walls hold it is the kernel that holds them, not our reading of the manual. Where runc
loses an attack that we withstand it is written down here, by name, as runc's own finding; the other
way round there is none.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from confrontation import ATTACKS, LOST, command
from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

_JOINED: Final = "libseccomp: a rule that allows a call outweighs those that forbid some arguments"
_NO_INIT: Final = "pid 1 is the program itself, whose memory is the box's own"
RUNC_LOSES: Final = {
    "a13_typing_into_a_terminal": _JOINED,
    "a13_typing_into_a_terminal_with_a_high_bit": _JOINED,
    "a14_pasting_into_a_console": _JOINED,
    "a14_pasting_into_a_console_with_a_high_bit": _JOINED,
    "a25_socket_by_the_32_bit_way": _JOINED,
    "a25_socket_by_the_32_bit_way_with_a_high_bit": _JOINED,
    "a24_tracing_init": _NO_INIT,
    "a24_reading_inits_memory": _NO_INIT,
    "a24_reading_inits_memory_at_once": _NO_INIT,
}
"""What runc 1.1 with libseccomp 2.5 does not stop, and why."""


@functools.cache
def attacked(ptyd: Ptyd, verb: str, words: str) -> dict[str, str]:
    attack = command(json.loads(words), init=1, confined=True)
    runc = ("--no-tty", "--runtime=runc")
    if verb == "run":
        done = ptyd("run", "--rm", *runc, *attack, CANARY=json.loads(words)["word"])
    else:
        container = ptyd.start(*runc, "sleep", "infinity")
        done = ptyd("exec", "-w", "/", container.name, *attack)
        container.remove()
    assert done.code == 0, done
    wait_until(lambda: ptyd.left() == [])
    found: dict[str, str] = json.loads(done.out)
    return found


@pytest.mark.parametrize("verb", ["run", "exec"])
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_fares_with_runc_as_it_is_written(
    ptyd: Ptyd, baits: dict[str, Any], verb: str, name: str
) -> None:
    """Lost, or one of its findings: a change of either is to be looked at."""
    outcome = attacked(ptyd, verb, json.dumps(baits))[name]

    if name in RUNC_LOSES:
        assert outcome == "won"
    else:
        assert outcome in LOST
