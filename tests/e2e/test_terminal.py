"""A person at a terminal: raw mode, sizes, leaving, coming back, and a terminal that goes away."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ptyd_user import Ptyd

DETACH = "\x10\x11"  # ctrl-p ctrl-q


class Tmux:
    """A tmux server of our own, with one window."""

    def __init__(self, socket: Path, env: dict[str, str]) -> None:
        self._socket = str(socket)
        self._env = env

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=self._env, timeout=20
        )
        return done.stdout

    def shows(self, text: str) -> None:
        seen = [""]

        def is_there() -> bool:
            seen[0] = self("capture-pane", "-p", "-t", "w")
            return text in seen[0]

        try:
            wait_until(is_there)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in tmux, but {seen[0]!r}") from None


@pytest.fixture
def tmux(ptyd: Ptyd, tmp_path: Path) -> Iterator[Tmux]:
    tmux = Tmux(tmp_path / "tmux", ptyd.env)
    tmux("new-session", "-d", "-s", "w", "-x", "100", "-y", "30", "sh")
    yield tmux
    tmux("kill-server")


def test_a_terminal_has_the_right_size_from_the_first_byte_on(ptyd: Ptyd) -> None:
    """``run`` and ``attach`` bring the window's size along; 33 rows, 111 columns."""
    with ptyd.terminal("ptyd", "run", "--rm", "stty", "size", size=(33, 111)) as user:
        user.sees("33 111\r\n")

        assert user.finish() == 0


def test_a_change_of_size_reaches_the_program(ptyd: Ptyd) -> None:
    """SIGWINCH outside is SIGWINCH inside, with the new size."""
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep infinity & wait; done"
    with ptyd.terminal("ptyd", "run", "--rm", "bash", "-c", script) as user:
        user.sees("ready")
        user.child.setwinsize(44, 99)
        user.sees("44 99\r\n")

        assert user.finish() == 0


def test_the_terminal_is_raw_while_attached_and_as_before_afterwards(ptyd: Ptyd) -> None:
    """Typing goes to the program as it is; the user's modes come back."""
    with ptyd.terminal("ptyd", "run", "--rm", "bash", "--norc") as user:
        user.sees("# ")
        raw = user.is_raw
        user.type("exit 5\r")

        assert user.finish() == 5
        assert raw
        assert user.is_restored


def test_control_c_is_the_programs(ptyd: Ptyd) -> None:
    """It interrupts what runs inside, not the client."""
    with ptyd.terminal("ptyd", "run", "--rm", "bash", "--norc") as user:
        user.sees("# ")
        user.type("sh -c 'echo $((6*7)); exec sleep infinity'\r")
        user.sees("42\r\n")
        user.type("\x03")
        user.sees("^C")
        user.type("echo status $?; exit 0\r")
        user.sees("status 130")

        assert user.finish() == 0


def test_detach_and_attach_again(ptyd: Ptyd) -> None:
    """Leaving gives 0 and leaves the program; attach shows what was there and goes on."""
    with ptyd.terminal("ptyd", "run", "--name", "stay", "bash", "--norc") as user:
        user.sees("# ")
        user.type("word=kept; echo on $((6*7))\r")
        user.sees("on 42")
        user.type(DETACH)

        assert user.finish() == 0
        assert user.is_restored
    for command in (["ptyd", "attach", "stay"], ["ptyc", "stay"], ["ptyc", "stay/0"]):
        with ptyd.terminal(*command) as user:
            user.sees("on 42")
            user.type("echo again $word\r")
            user.sees("again kept")
            user.type(DETACH)

            assert user.finish() == 0
    with ptyd.terminal("ptyd", "attach", "stay") as user:
        user.sees("again kept")
        user.type("exit 9\r")

        assert user.finish() == 9


def test_other_detach_keys_can_be_chosen(ptyd: Ptyd) -> None:
    """And then ctrl-p ctrl-q are the program's."""
    with ptyd.terminal("ptyd", "run", "--detach-keys", "ctrl-a,d", "cat", "-v") as user:
        user.sees("is at http")
        user.type(DETACH + "\r")
        user.sees("^P")
        user.type("\x01d")

        assert user.finish() == 0


def test_ptyc_attaches_by_link_token_and_file(ptyd: Ptyd, tmp_path: Path) -> None:
    """The whole link, PTYC_TOKEN, or --token-file: the same session."""
    container = ptyd.start("sh", "-c", "echo here; cat")
    link = container.link()
    token = link.rpartition("#t=")[2]
    (tmp_path / "token").write_text(token + "\n")
    place = f"127.0.0.1:{container.port()}"

    assert ptyd.call("ptyc", "--no-stdin", "--from", "start", place).code == 125
    for words, env in (
        ([link], {}),
        ([place], {"PTYC_TOKEN": token}),
        (["--token-file", str(tmp_path / "token"), place], {}),
    ):
        with ptyd.terminal("ptyc", *words, **env) as user:
            user.sees("here")
            user.type(DETACH)

            assert user.finish() == 0


def test_a_closed_terminal_does_not_stop_the_container(ptyd: Ptyd) -> None:
    """SIGHUP ends the client, not the program."""
    with ptyd.terminal("ptyd", "run", "--name", "goes-on", "bash", "--norc") as user:
        user.sees("# ")
        user.child.close(force=False)
        wait_until(lambda: not user.child.isalive())
    container = ptyd.container("goes-on")

    assert container.described["State"]["Running"]
    with container.attach() as client:
        client.type("echo on $((6*7))\r")
        client.read_until("on 42")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_client_that_is_ended_leaves_the_container(ptyd: Ptyd, number: int) -> None:
    """And, if it can, the terminal as it was."""
    with ptyd.terminal("ptyd", "run", "--name", "x", "bash", "--norc") as user:
        user.sees("# ")
        os.kill(user.pid, number)
        code = user.finish()
        restored = user.is_restored

    assert code == 128 + number
    assert restored == (number != signal.SIGKILL)
    assert ptyd.inspect("x")["State"]["Running"]


def test_a_session_in_tmux_outlives_its_window(ptyd: Ptyd, tmux: Tmux) -> None:
    """Typed and seen through a real terminal; the window dies, the program does not."""
    program = " ".join(ptyd.command("ptyd"))
    tmux("send-keys", "-t", "w", f"{program} run --name in-tmux -- bash --norc", "Enter")
    tmux.shows("bash-")
    tmux("send-keys", "-t", "w", "printf '%s-%s\\n' one two; stty size", "Enter")
    tmux.shows("one-two")
    tmux.shows("30 100")
    tmux("respawn-pane", "-k", "-t", "w", "sh")
    tmux("send-keys", "-t", "w", f"{program} attach in-tmux; echo status=$?", "Enter")
    tmux.shows("one-two")
    tmux("send-keys", "-t", "w", "exit 3", "Enter")
    tmux.shows("status=3")

    assert ptyd.container("in-tmux").wait_for_status() == 3


def test_every_byte_passes_a_raw_terminal_both_ways(ptyd: Ptyd) -> None:
    """0 to 255 through stty raw, by the wire."""
    every_byte = bytes(range(256)) * 64
    container = ptyd.start("sh", "-c", "stty raw -echo; printf ready; cat")
    with container.attach() as client:
        client.read_until("ready")
        client.type(every_byte)
        client.wait_until(lambda: len(client.output) >= 5 + len(every_byte))

        assert client.output == b"ready" + every_byte
