"""Several people at real terminals on one session: presence, turns, sizes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ptyd_user import Ptyd

DETACH = "\x10\x11"
SIZES = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"


def test_people_see_each_other_come_and_go(ptyd: Ptyd) -> None:
    """By the names they chose, in the title, and ctrl-p w lists them."""
    ptyd.start("--name", "work", "bash", "--norc")
    with ptyd.terminal("ptyc", "--name", "ada", "work") as ada:
        ada.sees("# ")
        with ptyd.terminal("ptyd", "attach", "--name", "bob", "work") as bob:
            bob.sees("# ")
            ada.sees("\x1b]2;ptyc: bob came\x1b\\")
            ada.type("\x10w")
            ada.sees("bob (owner)")
            ada.type("echo on $((6*7))\r")
            ada.sees("on 42")
            bob.sees("on 42")
            bob.type(DETACH)
            assert bob.finish() == 0
        ada.sees("\x1b]2;ptyc: bob left\x1b\\")
        ada.type(DETACH)

        assert ada.finish() == 0


def test_one_drives_at_a_time(ptyd: Ptyd) -> None:
    """The second is told so, asks, and is granted the turn by the first."""
    container = ptyd.start("--one-driver", "--name", "work", "cat")
    link = container.link("control")
    with contextlib.ExitStack() as stack:
        ada = stack.enter_context(ptyd.terminal("ptyc", "--name", "ada", link))
        ada.type("first\r")
        ada.sees("first\r\nfirst")
        bob = stack.enter_context(ptyd.terminal("ptyc", "--name", "bob", link))
        bob.sees("ada drives")
        bob.type("lost\r")
        bob.sees("ada drives: ctrl-p d asks for the turn")
        bob.type("\x10d")
        ada.sees("bob asks to drive: ctrl-p g lets them")
        ada.type("\x10g")
        bob.sees("you drive")
        bob.type("second\r")
        ada.sees("second\r\nsecond")
        for user in (ada, bob):
            user.type(DETACH)
            assert user.finish() == 0

    assert b"lost" not in container.journal()


def test_a_fixed_size_and_another(ptyd: Ptyd) -> None:
    """--size holds whoever comes, ptyd size changes it, and who differs is told."""
    container = ptyd.start("--size", "20x70", "sh", "-c", SIZES)
    with ptyd.terminal("ptyc", container.name, size=(30, 90)) as user:
        user.sees("ready")
        user.sees("the session is 20x70, this window 30x90")
        assert ptyd("size", container.name).out == b"20x70\n"
        assert ptyd("size", container.name, "latest").code == 0
        user.sees("30 90")
        assert ptyd("size", container.name, "25x75").code == 0
        user.sees("25 75")
        user.type(DETACH)

        assert user.finish() == 0
    assert ptyd("size", container.name, "huge").code == 125
    assert "no session 7" in ptyd("size", f"{container.name}/7").err


def test_who_opts_out_does_not_count(ptyd: Ptyd) -> None:
    """--no-size and --view leave the size alone."""
    container = ptyd.start("--size", "smallest", "sh", "-c", SIZES)
    with ptyd.terminal("ptyc", container.name, size=(30, 90)) as counts:
        counts.sees("30 90")
        for option in ("--no-size", "--view"):
            with ptyd.terminal("ptyc", option, container.name, size=(10, 20)) as other:
                other.sees("the session is 30x90, this window 10x20")
                other.type(DETACH if option == "--no-size" else "\x03")
                assert other.finish() == 0
        counts.type(DETACH)
        assert counts.finish() == 0

    assert b"10 20" not in container.journal()


def test_the_owners_window_counts_where_it_is_the_owners_to_say(ptyd: Ptyd) -> None:
    """--size owner: by control.sock one is the owner, by a link a guest."""
    container = ptyd.start("--size", "owner", "sh", "-c", SIZES)
    with (
        ptyd.terminal("ptyc", container.link(), size=(10, 20)) as guest,
        ptyd.terminal("ptyd", "attach", container.name, size=(30, 90)) as owner,
    ):
        owner.sees("30 90")
        guest.sees("30 90")

    assert b"10 20" not in container.journal()


def test_last_words_before_a_close_count(ptyd: Ptyd) -> None:
    """What was typed arrives, even when the goodbye comes in the same packet."""
    container = ptyd.start("sh", "-c", "read word; echo got $word")
    with container.attach() as client:
        client._protocol.send_binary(b"\x11" + bytes(8) + b"it\n")
        client._protocol.send_close(1000)
        client._flush()
        status = container.wait_for_status()

    assert status == 0
    assert b"got it" in container.journal()
