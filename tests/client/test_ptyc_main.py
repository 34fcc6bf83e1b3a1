"""The command line: every mistake is one line on standard error and 125."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fake_ptyd import TOKEN, FakePtyd, claim
from ptyc_user import MODULE, TIMEOUT, TerminalUser
from ptywire import message as wire

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, **env},
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "required: TARGET"),
        (("--nonsense", "x"), "unrecognized arguments: --nonsense"),
        (("--detach-keys", "ctrl-é", "x"), "unknown key 'ctrl-é'"),
        (("--session", "-1", "x"), "'-1' is not a number"),
        (("--from", "yesterday", "x"), "'yesterday' is not a number"),
        (("a b",), "'a b' is no address"),
        (("nobody",), "no such container: nobody"),
        (("127.0.0.1:0",), "port 0 is not between 1 and 65535"),
        (("127.0.0.1:1",), "wants a token: set PTYC_TOKEN or give --token-file"),
        (("http://h:1/#t=short",), "the token in the link is damaged"),
        (("--token-file", "/nonexistent", "127.0.0.1:1"), "No such file or directory"),
        (("--token-file", "/dev/null", "127.0.0.1:1"), "that is not a token"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], line: str, tmp_path: Path) -> None:
    """Each says what is wrong."""
    result = run(*arguments, PTYD_ROOT=str(tmp_path))

    assert result.returncode == 125
    assert line in result.stderr
    assert result.stderr.startswith("ptyc: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_nobody_listens() -> None:
    """The first connection is tried once: a wrong address is not waited for."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        result = run(f"http://127.0.0.1:{port}/#t={TOKEN}")

    assert result.returncode == 125
    assert result.stderr == f"ptyc: cannot connect to 127.0.0.1:{port}: Connection refused\n"


def test_a_wrong_token() -> None:
    """The server's own line is shown."""
    with FakePtyd(token=TOKEN) as server:
        result = run(f"127.0.0.1:{server.port}", PTYC_TOKEN="x" * 16)

    assert result.returncode == 125
    assert result.stderr == (f"ptyc: 127.0.0.1:{server.port} refused: 401 wrong or expired token\n")


@pytest.mark.parametrize("source", ["environment", "file", "link"])
def test_where_the_token_comes_from(source: str, tmp_path: Path) -> None:
    """PTYC_TOKEN, --token-file and the link open the same door."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with FakePtyd(token=TOKEN) as server:
        address = f"127.0.0.1:{server.port}"
        arguments = {
            "environment": [address],
            "file": ["--token-file", str(file), address],
            "link": [server.link],
        }[source]
        env = {**os.environ, "PTYC_TOKEN": TOKEN if source == "environment" else "y" * 16}
        with subprocess.Popen([*MODULE, *arguments], env=env, stdin=subprocess.DEVNULL) as process:
            peer, _ = server.attached(tty=False)
            peer.exit(5)

            assert process.wait(TIMEOUT) == 5


def test_options_reach_the_wire() -> None:
    """--session, --from and --view are fields of the attach."""
    with FakePtyd() as server:
        arguments = ["--session", "3", "--from", "123", "--view", server.link]
        with subprocess.Popen([*MODULE, *arguments], stdin=subprocess.DEVNULL) as process:
            peer, fields = server.attached(tty=False, role="view")
            peer.exit(0)

            assert process.wait(TIMEOUT) == 0
    assert fields["session"] == 3
    assert fields["from"] == 123
    assert fields["role"] == "view"


def test_a_name_on_this_machine(tmp_path: Path) -> None:
    """NAME/N is a session on the control socket of that container; no token."""
    with FakePtyd(claim(tmp_path, "otter")) as server:
        env = {**os.environ, "PTYD_ROOT": str(tmp_path)}
        with subprocess.Popen([*MODULE, "otter/2"], env=env, stdin=subprocess.DEVNULL) as process:
            peer, fields = server.attached(tty=False)
            peer.exit(9)

            assert process.wait(TIMEOUT) == 9
    assert fields["session"] == 2
    assert peer.connection.subprotocol == wire.SUBPROTOCOL


def test_a_container_that_is_not_running(tmp_path: Path) -> None:
    """A name without a listener is no mystery."""
    claim(tmp_path, "otter")
    result = run("otter", PTYD_ROOT=str(tmp_path))

    assert result.returncode == 125
    assert result.stderr == "ptyc: otter is not running\n"


def test_a_container_that_vanishes(tmp_path: Path) -> None:
    """When nobody listens for five seconds the container is gone, and the terminal is restored."""
    path = claim(tmp_path, "otter")
    server = FakePtyd(path)
    user = TerminalUser("otter", env={"PTYD_ROOT": str(tmp_path)})
    try:
        peer, _ = server.attached()
        user.wait_until(lambda: user.is_raw)
        peer.abort()
    finally:
        server.stop()
    os.unlink(path)

    assert user.finish() == 125
    assert b"ptyc: otter is gone" in user.rest
    assert user.is_restored
    user.close()


def test_help_and_version() -> None:
    """Both go to standard output with status 0."""
    assert "TARGET" in run("--help").stdout
    version = run("--version")

    assert version.stdout.startswith("ptyc 0.")
    assert version.returncode == 0


def test_start_up_is_lean() -> None:
    """Neither asyncio nor TLS nor a prompt is imported where none is needed."""
    code = "import sys, ptyc.main, ptyc.attach; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    imported = set(result.stdout.split())

    assert imported.isdisjoint({"asyncio", "ssl", "prompt_toolkit", "websockets", "subprocess"})


@pytest.mark.parametrize("flag", ["--help", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(flag: str, unbuffered: str) -> None:
    """Also for what the parser prints, however Python buffers it."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*MODULE, flag],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )

    line = "ptyc: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (125, line)


def test_a_reader_that_has_gone_is_no_error() -> None:
    """``ptyc --help | true``: 128 and SIGPIPE, as if the signal had ended it."""
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    done = subprocess.run(
        [*MODULE, "--help"],
        stdout=write_fd,
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        check=False,
    )
    os.close(write_fd)

    assert (done.returncode, done.stderr) == (141, b"")
