"""ptyc on a real terminal against a scripted server: what the user sees and gets back."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from fake_ptyd import TOKEN, FakePtyd, Peer
from ptyc_user import MODULE, TerminalUser
from ptywire import message as wire

DETACH = b"\x10\x11"


def test_the_size_comes_with_the_attach(server: FakePtyd) -> None:
    """The program never sees a size that is not the user's."""
    user = TerminalUser(server.link, size=(33, 101))
    peer, fields = server.attached()

    assert (fields["rows"], fields["cols"]) == (33, 101)
    assert fields["from"] == "snapshot"
    assert not fields["lossless"]
    peer.exit(0)
    assert user.finish() == 0
    user.close()


def test_the_exit_status_is_the_programs_and_follows_the_last_byte(
    server: FakePtyd, user: TerminalUser
) -> None:
    """Everything is shown, the terminal is restored, and the shell gets the status."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.send(wire.Output(12, b"last words\r\n"))
    peer.exit(42, end=12)

    assert user.finish() == 42
    assert user.rest == b"last words\r\n"
    assert user.is_restored


def test_the_terminal_is_not_raw_before_the_hello(server: FakePtyd, user: TerminalUser) -> None:
    """A session without terminal must find a terminal that echoes."""
    peer = server.accept()
    peer.expect(wire.Attach)

    assert user.is_restored
    peer.hello(tty=False)
    peer.send(wire.Output(2, b"$ "))
    user.sees("$ ")
    assert user.is_restored
    peer.exit(0)
    assert user.finish() == 0


def test_keys_are_bytes(server: FakePtyd, user: TerminalUser) -> None:
    """Ctrl-C, Ctrl-Z, Ctrl-D, Ctrl-S and carriage returns go to the program as they are."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    keys = b"ls\r\x03\x1a\x04\x13\x00\xff"
    user.type(keys)

    assert peer.expect_input(len(keys)) == keys
    peer.exit(0)
    assert user.finish() == 0


def test_detach_restores_and_exits_with_0(server: FakePtyd, user: TerminalUser) -> None:
    """What was typed before the keys arrives, the keys do not, and the server gets a goodbye."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    user.type(b"exit" + DETACH)

    assert peer.expect_input(4, acknowledge=False) == b"exit"
    assert peer.expect_close() == wire.CLOSE_NORMAL
    assert user.finish() == 0
    assert user.is_restored
    assert b"detached" in user.rest


def test_a_held_prefix_is_passed_on_after_half_a_second(
    server: FakePtyd, user: TerminalUser
) -> None:
    """Ctrl-P alone reaches the shell; at once when another key shows that it was meant."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    user.type(b"\x10")
    assert peer.expect_input(1) == b"\x10"
    user.type(b"\x10x")

    assert peer.expect_input(2) == b"\x10x"
    peer.exit(0)
    assert user.finish() == 0


def test_detach_keys_are_found_in_the_kitty_protocol(server: FakePtyd, user: TerminalUser) -> None:
    """A program that asks for escape sequences instead of control bytes can be left as well."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.send(wire.Output(5, b"\x1b[>1u"))
    peer.expect_ack(5)
    user.type(b"\x1b[112;5u\x1b[113;5u")

    assert user.finish() == 0
    assert b"\x1b[<1u" in user.rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_restores_the_terminal(
    server: FakePtyd, user: TerminalUser, number: signal.Signals
) -> None:
    """Whatever ends ptyc from outside, the terminal is given back; 128 plus the number."""
    peer, _ = server.attached()
    peer.send(wire.Output(18, b"\x1b[?1049h\x1b[?2004h\x1b[?25l"))
    peer.expect_ack(18)
    assert user.is_raw
    os.kill(user.pid, number)

    assert user.finish() == 128 + number
    assert user.is_restored
    assert user.rest.endswith(b"\x1b[?1049l\x1b[?2004l\x1b[?25h\r\n")  # the shell's own line


def test_stop_and_continue(server: FakePtyd, user: TerminalUser) -> None:
    """SIGTSTP gives the terminal back and stops; SIGCONT takes it again; nothing is lost."""
    peer, fields = server.attached()
    peer.send(wire.Output(8, b"\x1b[?2004h"))
    peer.expect_ack(8)
    assert user.is_raw
    os.kill(user.pid, signal.SIGTSTP)
    assert os.waitpid(user.pid, os.WUNTRACED)[1] & 0xFF == 0x7F
    assert user.is_restored
    user.sees(b"\x1b[?2004l")
    peer.send(wire.Output(13, b"while"))
    os.kill(user.pid, signal.SIGCONT)
    user.wait_until(lambda: user.is_raw)

    assert peer.expect(wire.Resize) == wire.Resize(fields["rows"], fields["cols"])
    user.sees(b"\x1b[?2004h")
    user.sees(b"while")
    user.type(b"still here")
    assert peer.expect_input(10) == b"still here"
    peer.exit(3)
    assert user.finish() == 3
    assert user.is_restored


def test_resize(server: FakePtyd, user: TerminalUser) -> None:
    """A new size of the window is sent on."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    user.child.setwinsize(50, 132)

    assert peer.expect(wire.Resize) == wire.Resize(50, 132)
    peer.exit(0)
    assert user.finish() == 0


def test_a_kick_is_explained(server: FakePtyd, user: TerminalUser) -> None:
    """A final close code is one line and 125, with the terminal restored."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.close(wire.CLOSE_KICKED, "token with\x1b[31mdrawn")

    assert user.finish() == 125
    assert b"ptyc: disconnected by the owner: token with?[31mdrawn\r\n" in user.rest
    assert user.is_restored


def test_a_viewer_types_nothing_and_leaves_with_ctrl_c(server: FakePtyd) -> None:
    """Only watching: no size, no input."""
    user = TerminalUser("--view", server.link)
    peer, fields = server.attached(role="view")
    user.wait_until(lambda: user.is_raw)
    user.type(b"hello?\x03")

    assert fields["role"] == "view"
    assert "rows" not in fields
    assert user.finish() == 0
    assert peer.expect_close() == wire.CLOSE_NORMAL
    assert not any(isinstance(message, wire.Input) for message in peer.seen)
    user.close()


def test_a_long_paste_waits_for_acks(server: FakePtyd, user: TerminalUser) -> None:
    """10 MB arrive whole and in order, at most 64 KiB ahead of the acknowledgements."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    paste = b"".join(b"%07d\n" % line for line in range(1_310_720))
    received = bytearray()
    unacked = 0
    worst = 0

    def drain() -> None:
        nonlocal unacked, worst
        while len(received) < len(paste):
            message = peer.expect(wire.Input)
            assert message.position == len(received)
            received.extend(message.data)
            unacked += len(message.data)
            worst = max(worst, unacked)
            if unacked >= wire_window - 4096 or len(received) == len(paste):
                peer.send(wire.InputAck(len(received)))
                unacked = 0

    wire_window = 1 << 16
    reader = threading.Thread(target=drain)
    reader.start()
    view = memoryview(paste)
    while view:
        view = view[os.write(user.child.child_fd, view[:65536]) :]
    reader.join(60)

    assert received == paste
    assert worst <= wire_window
    peer.exit(0)
    assert user.finish() == 0


def test_a_stopped_terminal_does_not_stop_the_keys(server: FakePtyd, user: TerminalUser) -> None:
    """With 1 MiB that nobody reads from the terminal, typing and detaching work."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    chunk = b"x" * 65536
    for index in range(16):
        peer.send(wire.Output((index + 1) * len(chunk), chunk))
    user.type(b"\x03")
    assert peer.expect_input(1) == b"\x03"
    used = user.cpu_seconds
    user.type(b"\x10")
    assert peer.expect_input(1) == b"\x10"  # half a second later
    assert user.cpu_seconds - used < 0.2
    user.type(DETACH)

    assert peer.expect_close() == wire.CLOSE_NORMAL
    assert user.finish() == 0
    assert user.is_restored


def test_a_malformed_message_restores_the_terminal(server: FakePtyd, user: TerminalUser) -> None:
    """A malformed message is one line and 125, not a traceback in a raw terminal."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.connection.send(b"\x01short")

    assert user.finish() == 125
    assert b"Traceback" not in user.rest
    assert b"ptyc: the server sent a malformed message" in user.rest
    assert user.is_restored


def test_an_exception_restores_the_terminal(server: FakePtyd) -> None:
    """A bug of ours is one line and 125; the terminal and its modes are put back."""
    code = (
        "import sys, ptyc.attachment as a\n"
        "from ptyc.main import main\n"
        "a.Attachment._resize = lambda self: 1 // 0\n"
        "sys.exit(main())"
    )
    user = TerminalUser(server.link, command=[sys.executable, "-c", code])
    peer, _ = server.attached()
    peer.send(wire.Output(8, b"\x1b[?2004h"))
    peer.expect_ack(8)
    assert user.is_raw
    user.child.setwinsize(10, 10)

    assert user.finish() == 125
    assert user.is_restored
    assert b"\x1b[?2004l" in user.rest
    assert b"ptyc: internal error, please report it: ZeroDivisionError" in user.rest
    assert b"Traceback" not in user.rest
    user.close()


def test_job_control_of_a_shell(server: FakePtyd) -> None:
    """``kill -TSTP`` gives the shell its prompt and its modes; ``fg`` goes on raw."""
    shell = ["/bin/bash", "--norc", "--noprofile", "-i"]
    user = TerminalUser(command=shell, env={"PS1": "prompt> "})
    user.sees("prompt> ")
    user.type(f"{' '.join(MODULE)} '{server.link}'; echo status=$?\r")
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    ptyc = os.tcgetpgrp(user.child.child_fd)
    os.kill(ptyc, signal.SIGTSTP)
    user.sees("Stopped")
    user.sees("prompt> ")
    assert not user.is_raw
    peer.send(wire.Output(5, b"later"))
    user.type(b"bg\r")
    user.sees("prompt> ")
    user.type(b"fg\r")
    user.wait_until(lambda: user.is_raw)
    user.sees("later")
    user.type(b"typed")
    assert peer.expect_input(5) == b"typed"
    peer.exit(6)
    user.sees("prompt> ")
    user.type(b"echo still $((40 + 2))\r")
    user.sees("still 42")
    user.type(b"exit\r")

    assert user.finish() == 0
    user.close()


def test_the_token_is_asked_for_without_echo(server: FakePtyd) -> None:
    """HOST:PORT without a token asks; the answer is not shown and opens the session."""
    user = TerminalUser(f"127.0.0.1:{server.port}")
    user.sees("token for 127.0.0.1:")
    user.type(TOKEN + "\r")
    peer, _ = server.attached()
    offered: Peer = peer
    assert f"ptyd.token.{TOKEN}" in str(
        offered.connection.request.headers["Sec-WebSocket-Protocol"]  # type: ignore[union-attr]
    )
    user.wait_until(lambda: user.is_raw)
    peer.exit(0)

    assert user.finish() == 0
    assert TOKEN.encode() not in user.rest
    assert user.is_restored
    user.close()
