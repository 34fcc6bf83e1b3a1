"""``ptyd run`` in the foreground: status, options, and what it says when it cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptyd.journal.journal import MIN_LIMIT
from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd


# Exit codes


@pytest.mark.parametrize("status", [0, 1, 7, 125, 255])
def test_the_exit_code_is_the_programs(ptyd: Ptyd, status: int) -> None:
    """What the program returns is what ptyd returns, with all it printed and nothing else."""
    done = ptyd("run", "--rm", "sh", "-c", f"printf x; exit {status}")

    assert done == (status, b"x", "")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV"])
def test_a_program_killed_by_a_signal_gives_128_and_its_number(ptyd: Ptyd, name: str) -> None:
    """As a shell has it."""
    done = ptyd("run", "--rm", "sh", "-c", f"kill -{name} $$")

    assert done.code == 128 + {"TERM": 15, "KILL": 9, "SEGV": 11}[name]


def test_a_command_that_is_not_there_gives_127_and_one_line(ptyd: Ptyd) -> None:
    """Docker's code; the container never was."""
    done = ptyd("run", "no-such-command")

    assert (done.code, done.out) == (127, b"")
    assert len(done.err.splitlines()) == 1
    assert "no-such-command" in done.err
    assert ptyd.left() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "/usr"])
def test_a_command_that_cannot_be_executed_gives_126_and_one_line(ptyd: Ptyd, path: str) -> None:
    """Docker's code for a file without permission and for a folder."""
    done = ptyd("run", path)

    assert (done.code, done.out) == (126, b"")
    assert len(done.err.splitlines()) == 1
    assert ptyd.left() == []


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "--"],
        ["run", "--no-such-option", "true"],
        ["run", "--name", "/x", "true"],
        ["run", "--network", "weave", "true"],
        ["run", "--listen", "127.0.0.1:70000", "true"],
        ["run", "--listen", "192.0.2.1:0", "true"],
        ["run", "--cert", "only.pem", "true"],
        ["run", "--cert", "no.pem", "--key", "no.pem", "true"],
        ["run", "-v", "/no-such-thing:/x", "true"],
        ["run", "-v", "/usr", "true"],
        ["run", "-e", "=x", "true"],
        ["run", "--env-file", "/no-such-file", "true"],
        ["run", "-w", "relative", "true"],
        ["run", "-w", "/etc/passwd", "true"],
        ["run", "--hostname", "x" * 65, "true"],
        ["run", "--log-max", "much", "true"],
        ["run", "--log-max", f"{MIN_LIMIT - 1}", "true"],
        ["run", "--raw", "0.0.0.0:0", "true"],
        ["no-such-verb"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_failure_of_ptyd_itself_gives_125_and_one_line(ptyd: Ptyd, words: list[str]) -> None:
    """Nothing is started, nothing is left, and the line has no traceback in it."""
    done = ptyd(*words)

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1
    assert "bug" not in done.err
    assert ptyd.left() == []


def test_a_taken_name_is_refused_and_the_first_goes_on(ptyd: Ptyd) -> None:
    """One line, 125, and the container that has the name is untouched."""
    first = ptyd.start("--name", "twin", "cat")
    done = ptyd("run", "--name", "twin", "true")

    assert done.code == 125
    assert done.err == "ptyd run: the name twin is taken: choose another, or ptyd rm twin\n"
    assert ptyd.names() == [first.id[:12]]
    with first.attach() as client:
        client.type("still here\n")
        client.read_until("still here\r\n")


@pytest.mark.parametrize("option", ["--listen", "--raw"])
def test_a_taken_port_is_refused(ptyd: Ptyd, option: str) -> None:
    """One line, 125, nothing left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ptyd("run", option, str(port), "true")

    assert done.code == 125
    assert done.err == f"ptyd run: 127.0.0.1:{port}: Address already in use\n"
    assert ptyd.left() == []


# Options


def test_options_end_at_the_first_word_of_the_command(ptyd: Ptyd) -> None:
    """What follows belongs to the program, with or without two dashes."""
    for words in (["echo", "-d", "--rm"], ["--", "echo", "-d", "--rm"]):
        assert ptyd("run", "--rm", *words) == (0, b"-d --rm\n", "")


def test_detach_prints_the_id_and_returns(ptyd: Ptyd) -> None:
    """64 digits on stdout, and the program runs on a terminal."""
    done = ptyd("run", "-d", "--name", "there", "cat")

    assert (done.code, done.err) == (0, "")
    assert len(done.out) == 65
    described = ptyd.inspect("there")
    assert described["Id"] == done.out.decode().strip()
    assert described["State"]["Running"]
    assert described["Config"]["Tty"]


def test_a_container_without_a_name_gets_two_words(ptyd: Ptyd) -> None:
    """As docker's."""
    first, second = ptyd.start("cat").name, ptyd.start("cat").name

    assert first != second
    for name in (first, second):
        left, right = name.split("_")
        assert left.isalpha()
        assert right.isalpha()


def test_rm_leaves_nothing_and_without_it_the_container_stays(ptyd: Ptyd) -> None:
    """``--rm`` is gone before the command returns; else ps -a and logs still know it."""
    ptyd("run", "--rm", "true")
    gone = ptyd.left()
    ptyd("run", "--name", "kept", "echo", "words")

    assert gone == []
    assert ptyd("logs", "kept").out == b"words\n"
    assert "Exited (0)" in ptyd("ps", "-a").out.decode()
    assert ptyd("rm", "kept") == (0, b"kept\n", "")
    assert ptyd.left() == []


@pytest.mark.parametrize("option", [["-t"], ["-it"], ["-i", "-t"], ["--tty"]])
def test_a_terminal_is_given_when_asked_for(ptyd: Ptyd, option: list[str]) -> None:
    """Also to a caller that has none."""
    done = ptyd("run", "--rm", *option, "tty")

    assert (done.code, done.out) == (0, b"/dev/pts/0\r\n")


@pytest.mark.parametrize("option", [[], ["-i"], ["--no-tty"]])
def test_without_terminals_the_program_has_pipes(ptyd: Ptyd, option: list[str]) -> None:
    """The default where stdin and stdout are none."""
    assert ptyd("run", "--rm", *option, "tty").out == b"not a tty\n"


def test_no_tty_gives_pipes_even_in_a_terminal(ptyd: Ptyd) -> None:
    """``--no-tty`` wins over where it is called from."""
    with ptyd.terminal("ptyd", "run", "--rm", "--no-tty", "tty") as user:
        user.sees("not a tty")

        assert user.finish() == 1


def test_a_person_at_a_terminal_gets_a_terminal_and_a_link(ptyd: Ptyd) -> None:
    """The default there; the link is for people, so it is on their terminal only."""
    with ptyd.terminal("ptyd", "run", "--rm", "--name", "mine", "tty") as user:
        user.sees("ptyd: mine is at http://127.0.0.1:")
        user.sees("/#t=")
        user.sees("/dev/pts/0\r\n")

        assert user.finish() == 0


def test_no_stdin_is_an_empty_stdin(ptyd: Ptyd) -> None:
    """The caller's input stays the caller's."""
    done = ptyd("run", "--rm", "--no-stdin", "cat", stdin=b"not for it")

    assert done == (0, b"", "")


def test_the_environment_is_what_was_asked_for(ptyd: Ptyd, tmp_path: Path) -> None:
    """``-e K=V``, ``-e K`` from ours, a file below them, and the five defaults."""
    (tmp_path / "env").write_text('# a comment\nFROM_FILE=quotes "stay"\nBOTH=file\n')
    words = ["-e", "K=a b=c", "-e", "OURS", "-e", "BOTH=option", "--env-file", f"{tmp_path}/env"]
    done = ptyd("run", "--rm", "--hostname", "there", *words, "env", OURS="copied", SECRET="no")
    found = dict(line.split("=", 1) for line in done.out.decode().splitlines())

    assert found == {
        "K": "a b=c",
        "OURS": "copied",
        "BOTH": "option",
        "FROM_FILE": 'quotes "stay"',
        "HOME": "/root",
        "HOSTNAME": "there",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM": "xterm-256color",
    }


def test_the_working_folder_and_the_host_name_are_set(ptyd: Ptyd) -> None:
    """``-w`` and ``--hostname``; without them the home folder and the container's name."""
    asked = ptyd("run", "--rm", "-w", "/usr/bin", "--hostname", "h1", "sh", "-c", "pwd; hostname")
    default = ptyd("run", "--rm", "--name", "n_1", "sh", "-c", "pwd; hostname")
    made = ptyd("run", "--rm", "-w", "/made/for/it", "pwd")

    assert asked.out == b"/usr/bin\nh1\n"
    assert default.out == b"/root\nn-1\n"
    assert made.out == b"/made/for/it\n"


def test_a_volume_is_the_hosts_folder(ptyd: Ptyd, tmp_path: Path) -> None:
    """Written on both sides by the same owner, unless ``:ro``; a file works like a folder."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "from_host").write_text("hello")
    script = "cat /s/from_host; echo back > /s/from_box; stat -c %u /s/from_host; echo x > /f"
    done = ptyd(
        *("run", "--rm", "-v", f"{shared}:/s", "-v", f"{shared}/from_host:/f:ro"),
        *("sh", "-c", script),
    )

    assert done.out == b"hello0\n"
    assert "Read-only file system" in done.err
    assert (shared / "from_box").read_text() == "back\n"
    assert (shared / "from_box").stat().st_uid == os.geteuid()
    assert (shared / "from_host").read_text() == "hello"


def test_a_volume_behind_a_link_leaves_the_host_alone(ptyd: Ptyd, tmp_path: Path) -> None:
    """/var/run leads to /run: to the box's, not to the host's."""
    (tmp_path / "word").write_text("hello")
    name = tmp_path.name
    before = sorted(os.listdir("/run"))
    words = ["-v", f"{tmp_path}:/var/run/{name}/sub", "-v", f"{tmp_path}/word:/var/run/{name}/word"]
    done = ptyd("run", "--rm", *words, "cat", f"/run/{name}/sub/word", f"/run/{name}/word")

    assert done == (0, b"hellohello", "")
    assert sorted(os.listdir("/run")) == before


def test_a_read_only_volume_cannot_be_written(ptyd: Ptyd, tmp_path: Path) -> None:
    """``:ro`` holds for everything below it."""
    done = ptyd("run", "--rm", "-v", f"{tmp_path}:/s:ro", "touch", "/s/new")

    assert done.code == 1
    assert not (tmp_path / "new").exists()


def test_the_network_is_none_or_the_hosts(ptyd: Ptyd) -> None:
    """None has only a loopback of its own; host has the host's interfaces."""
    show = ["sh", "-c", "cut -d: -f1 -s /proc/net/dev"]
    none = ptyd("run", "--rm", "--network", "none", *show).out.decode().split()
    host = ptyd("run", "--rm", "--network", "host", *show).out.decode().split()

    assert none == ["lo"]
    assert sorted(host) == sorted(name for _, name in socket.if_nameindex())


def test_listen_and_raw_choose_their_ports(ptyd: Ptyd) -> None:
    """A port that was given is the port; 0 is any; none is nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = ptyd.start("--listen", f"127.0.0.1:{port}", "--raw", "localhost:0", "cat")
    nowhere = ptyd.start("--listen", "none", "cat")

    assert given.port() == port
    assert given.port("raw") > 0
    assert [one["dialect"] for one in nowhere.described["Listeners"]] == ["control"]
    assert ptyd("share", nowhere.id).code == 125


def test_the_log_is_bounded(ptyd: Ptyd) -> None:
    """``--log-max``: the oldest goes, the newest stays, in whole."""
    ptyd("run", "--name", "talker", "--log-max", "256k", "seq", "1", "200000")
    kept = ptyd("logs", "talker").out
    printed = b"".join(b"%d\n" % number for number in range(1, 200001))

    assert 100_000 < len(kept) <= 256 << 10
    assert printed.endswith(kept)


def test_much_that_is_to_be_removed_is_waited_for(ptyd: Ptyd) -> None:
    """With --rm nothing is left when the command returns, however long that takes its keeper."""
    with ptyd.background("ptyd", "run", "--rm", "--name", "it", "cat") as running:
        wait_until(lambda: ptyd("inspect", "it").code == 0)
        folder = Path(ptyd.inspect("it")["Paths"]["Directory"]) / "sessions" / "much"
        folder.mkdir()
        for number in range(20000):
            (folder / str(number)).touch()
        running.communicate(b"")

    assert ptyd.left() == []
