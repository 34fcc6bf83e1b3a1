"""``ptyd logs --to``: a log driver as a cursor, which goes on where it stopped or was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from slow_start import is_watching
from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

ANSWERS = "while read line; do echo out $line; echo err $line >&2; printf half; done"


def entries(path: Path) -> list[tuple[str, str]]:
    """Return stream and text of each line of a json-file."""
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [(each["stream"], each["log"]) for each in found]


def test_each_line_comes_once_also_by_who_is_killed(ptyd: Ptyd, tmp_path: Path) -> None:
    """SIGKILL at any moment: who takes over goes on at the exact byte of each stream."""
    numbers = 60_000
    it = ptyd.start("--name", "it", "--no-tty", "seq", "1", str(numbers))
    path = tmp_path / "log"
    words = ("ptyd", "logs", "-f", "--to", f"json-file={path}", "it")
    for size in (1, 100_000, 900_000, 2_000_000):
        with ptyd.background(*words) as delivering:
            wait_until(lambda size=size: path.exists() and path.stat().st_size >= size)
            delivering.send_signal(signal.SIGKILL)
            delivering.wait()
    done = ptyd(*words[1:])
    it.wait_for_status()

    assert (done.code, done.out, done.err) == (0, b"", "")
    assert entries(path) == [("stdout", f"{number}\n") for number in range(1, numbers + 1)]
    again = ptyd(*words[1:])
    assert (again.code, len(entries(path))) == (0, numbers)


def test_a_line_that_is_not_ended_waits(anybody: Ptyd) -> None:
    """Without -f: what there is, and the next time the rest; parts of lines are not torn."""
    folder = Path(anybody.root).parent
    path = folder / "log"
    it = anybody.start("--name", "it", "--no-tty", "sh", "-c", ANSWERS)
    with it.attach() as client:
        for count, word in ((1, "a"), (2, "b")):
            client.type(f"{word}\n".encode())
            wait_until(lambda count=count: it.journal().count(b"half") == count)
            assert anybody("logs", "--to", f"json-file={path}", "it").code == 0
    assert entries(path) == [
        *(("stdout", "out a\n"), ("stderr", "err a\n")),
        *(("stdout", "halfout b\n"), ("stderr", "err b\n")),
    ]
    assert anybody("kill", "it").code == 0
    it.wait_for_status()
    assert anybody("logs", "-f", "--to", f"json-file={path}", "it").code == 0

    assert entries(path)[-1] == ("stdout", "half")
    assert stat_mode(path) == 0o600


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_of_two_and_one_that_is_rotated(ptyd: Ptyd, tmp_path: Path) -> None:
    """What others append stays, and a file that was renamed is followed by a new one."""
    path = tmp_path / "log"
    it = ptyd.start("--name", "it", "--no-tty", "sh", "-c", ANSWERS)
    assert ptyd("run", "--name", "other", "--no-tty", "echo", "other").code == 0
    target = f"json-file={path}"
    with it.attach() as client, ptyd.background("ptyd", "logs", "-f", "--to", target, "it") as it_:
        client.type(b"1\n")
        wait_until(lambda: path.exists() and b"err 1" in path.read_bytes())
        held = ptyd("logs", "--to", target, "it")
        assert (held.code, "already" in held.err) == (1, True)
        assert ptyd("logs", "--to", target, "other").code == 0
        os.rename(path, tmp_path / "log.1")
        client.type(b"2\n")
        wait_until(path.exists)
        client.type(b"3\n")
        wait_until(lambda: path.exists() and b"err 3" in path.read_bytes())
        it_.kill()
        it_.wait()
    before = entries(tmp_path / "log.1")
    assert ("stdout", "other\n") in before
    both = [*before, *entries(path)]

    assert [text for _, text in both if "err" in text] == ["err 1\n", "err 2\n", "err 3\n"]


def listener(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.settimeout(40)
    return sock


def fields_of(data: bytes) -> dict[str, bytes]:
    """Parse systemd's native protocol, fields with their length."""
    found: dict[str, bytes] = {}
    while data:
        key, _, data = data.partition(b"\n")
        size = int.from_bytes(data[:8], "little")
        found[key.decode()], data = data[8 : 8 + size], data[9 + size :]
    return found


def test_journald_gets_dockers_fields(ptyd: Ptyd, tmp_path: Path) -> None:
    """Whatever is in a line; long ones in parts."""
    script = "printf 'a\\tb\\n'; head -c 20000 /dev/zero | tr '\\0' x; echo; echo bad >&2"
    it = ptyd.start("--name", "it", "--no-tty", "sh", "-c", script)
    it.wait_for_status()
    with listener(tmp_path / "journal") as sock:
        done = ptyd("logs", "-f", "--to", f"journald={tmp_path}/journal", "it")
        assert (done.code, done.err) == (0, "")
        found = [fields_of(sock.recv(1 << 17)) for _ in range(4)]
    first, long, rest, last = sorted(found, key=lambda each: each["PRIORITY"], reverse=True)

    assert (first["MESSAGE"], first["PRIORITY"], last["PRIORITY"]) == (b"a\tb", b"6", b"3")
    assert (len(long["MESSAGE"]), len(rest["MESSAGE"])) == (16384, 3616)
    assert (long["CONTAINER_PARTIAL_MESSAGE"], "CONTAINER_PARTIAL_MESSAGE" in rest) == (
        *(b"true", False),
    )
    assert first["CONTAINER_NAME"] == first["SYSLOG_IDENTIFIER"] == b"it"
    assert (first["CONTAINER_ID_FULL"], first["IMAGE_NAME"]) == (it.id.encode(), b"host")


def test_syslog_gets_lines_and_whoever_is_away_gets_them_later(ptyd: Ptyd, tmp_path: Path) -> None:
    """A daemon that stops costs one line and nothing of the log; the program waits for nobody."""
    place = tmp_path / "syslog"
    it = ptyd.start("--name", "it", "--no-tty", "sh", "-c", ANSWERS)
    target = f"syslog={place}"
    with it.attach() as client:
        with listener(place) as sock:
            words = ("ptyd", "logs", "-f", "--to", target, "it")
            with ptyd.background(*words) as delivering:
                client.type(b"1\n")
                lines = sorted(sock.recv(1 << 16) for _ in range(2))
                wait_until(lambda: is_watching(delivering.pid))
                sock.close()
                client.type(b"2\n")
                _, errors = delivering.communicate(timeout=40)
        assert (delivering.returncode, len(errors.splitlines())) == (1, 1)
        place.unlink()
        away = ptyd("logs", "--to", target, "it")
        assert (away.code, "nobody listens at" in away.err) == (1, True)
        wait_until(lambda: it.journal().count(b"half") == 2)
        with listener(place) as sock:
            assert ptyd("logs", "--to", target, "it").code == 0
            lines += [sock.recv(1 << 16) for _ in range(2)]
    form = re.compile(rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d it\[\d+\]: (.*)")
    found = [match.groups() for line in lines if (match := form.fullmatch(line))]

    assert sorted(found) == [
        *((b"27", b"err 1"), (b"27", b"err 2")),
        *((b"30", b"halfout 2"), (b"30", b"out 1")),
    ]


def test_what_is_no_place_is_one_line(ptyd: Ptyd, tmp_path: Path) -> None:
    """Docker's other drivers, a folder, options that would leave something out."""
    assert ptyd("run", "--name", "it", "--no-tty", "true").code == 0
    for words, line in (
        (["--to", "gelf"], "json-file=FILE, journald or syslog"),
        (["--to", "json-file"], "json-file=FILE"),
        (["--to", f"json-file={tmp_path}"], "Is a directory"),
        (["--to", f"journald={tmp_path}/none"], "nobody listens"),
        (["--to", "syslog", "--tail", "1"], "only -f goes with it"),
        (["--to", "syslog", "--format", "cri"], "only -f goes with it"),
    ):
        done = ptyd("logs", *words, "it")

        assert (done.code, len(done.err.splitlines()), line in done.err) == (1, 1, True), done.err
