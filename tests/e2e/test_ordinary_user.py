"""The core again, as a user without privileges and with the system's Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from waiting import is_alive

if TYPE_CHECKING:
    from ordinary_user import Account
    from ptyd_user import Ptyd


def test_status_and_streams_are_the_programs(theirs: Ptyd) -> None:
    """Output, errors, input and exit code, three pipes."""
    done = theirs("run", "--rm", "sh", "-c", "cat; echo err >&2; exit 7", stdin=bytes(range(256)))

    assert done == (7, bytes(range(256)), "err\n")
    assert theirs.left() == []


def test_failures_have_the_same_codes(theirs: Ptyd) -> None:
    """127, 126, 125, one line each."""
    for words, code in ((["no-such"], 127), (["/etc/passwd"], 126), (["--name", "/", "x"], 125)):
        done = theirs("run", *words)

        assert (done.code, len(done.err.splitlines())) == (code, 1)


def test_a_terminal_detach_attach_and_the_end(theirs: Ptyd) -> None:
    """A person's way through a day."""
    with theirs.terminal("ptyd", "run", "--name", "day", "bash", "--norc") as user:
        user.sees("# ")
        user.type("echo $(id -u) $(stty size)\r")
        user.sees("0 24 80\r\n")
        user.type("\x10\x11")

        assert user.finish() == 0
    with theirs.terminal("ptyc", "day") as user:
        user.sees("0 24 80")
        user.type("exit 4\r")

        assert user.finish() == 4


def test_a_killed_server_is_replaced_and_nothing_is_lost(theirs: Ptyd) -> None:
    """The program goes on, the client resumes, byte-exact."""
    script = "stty raw -echo; while read go; do seq 1 5000; done"
    container = theirs.start("sh", "-c", script)
    program = container.pid
    printed = b"".join(b"%d\n" % number for number in range(1, 5001))
    client = container.attach(container.link())
    for _ in range(3):
        client.type("\n")
        client.wait_until(lambda c=client: len(c.output) == len(printed))
        container.kill_server()
        client.read_to_end()
        assert client.output == printed
        client = client.again()
    client.close()

    assert is_alive(program)


def test_rm_leaves_nothing(theirs: Ptyd) -> None:
    """No process, no file, also of what ran as another id inside."""
    script = "touch ~/x; chown 12 ~/x 2>/dev/null; sleep infinity & echo up; cat"
    container = theirs.start("sh", "-c", script)
    with container.attach() as client:
        client.read_until("up")
    pid = container.pid
    container.remove()

    assert not is_alive(pid)
    assert theirs.left() == []


def test_a_box_of_a_user_has_no_more_than_the_user(
    theirs: Ptyd, account: Account, folder: Path
) -> None:
    """Root inside is the user outside: for files of a volume, and for those of the host."""
    script = "echo x > /v/new; cat /etc/shadow; cat /proc/self/uid_map"
    done = theirs("run", "--rm", "-v", f"{folder}:/v", "sh", "-c", script)
    maps = [line.split() for line in done.out.decode().splitlines()]

    assert (folder / "new").stat().st_uid == account.uid
    assert "shadow" in done.err
    assert maps[0] == ["0", str(account.uid), "1"]
    assert all(outside != "0" for _, outside, _ in maps)


def test_without_a_root_of_their_own_state_is_in_their_home(account: Account) -> None:
    """``~/.local/state/ptyd`` holds the data, /tmp/ptyd-UID the sockets; all is theirs alone."""
    ptyd = account.ptyd("")
    del ptyd.env["PTYD_ROOT"]
    ptyd.env.pop("XDG_STATE_HOME", None)
    container = ptyd.start("cat")
    try:
        paths = container.described["Paths"]
        modes = [Path(path).stat().st_mode & 0o7777 for path in (paths["Directory"],)]
        directory, control = paths["Directory"], paths["Control"]
        with container.attach() as client:
            client.type("there\n")
            client.read_until("there\r\nthere\r\n")
    finally:
        ptyd.remove_all()
        if control.startswith("/tmp/ptyd-"):
            os.rmdir(os.path.dirname(os.path.dirname(control)))

    assert directory.startswith(f"{account.home}/.local/state/ptyd/containers/")
    assert modes == [0o700]
