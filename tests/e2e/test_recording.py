"""``ptyd record``, ``export`` and ``play``: on one cursor, with real programs of others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def events_of(path: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """Return a recording as the format's description has it: a header, then arrays of three."""
    header, *events = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(len(event) == 3 and event[0] >= 0 for event in events)
    return header, events


def test_a_session_is_recorded_as_it_happens(ptyd: Ptyd, tmp_path: Path) -> None:
    """What was before and what comes, resizes, and last the exit: then the command ends."""
    file = tmp_path / "it.cast"
    script = "stty -echo; echo before; read a; echo after; exit 5"
    container = ptyd.start("--name", "it", "--size", "33x101", "sh", "-c", script)
    with (
        container.attach() as client,
        ptyd.background("ptyd", "record", "--title", "ours", "it", str(file)) as recording,
    ):
        client.read_until("before")
        wait_until(lambda: file.exists() and b"before" in file.read_bytes())
        ptyd("size", "it", "20x60")
        client.type("\n")
        client.read_to_end()
        printed = recording.communicate(timeout=40)
    header, events = events_of(file)

    assert (recording.returncode, *printed) == (0, b"", b"")
    assert (header["version"], header["title"]) == (3, "ours")
    assert header["term"] == {"cols": 101, "rows": 33, "type": "xterm-256color"}
    assert "".join(event[2] for event in events if event[1] == "o") == "before\r\nafter\r\n"
    assert [event[1:] for event in events if event[1] in "rx"] == [["r", "60x20"], ["x", "5"]]
    assert os.stat(file).st_mode & 0o777 == 0o600


def test_a_recording_goes_on_without_a_reader_of_standard_output(
    ptyd: Ptyd, tmp_path: Path
) -> None:
    """It is written to its file, whoever was to read what it has not got to say."""
    file = tmp_path / "it.cast"
    ptyd.start("--name", "it", "sh", "-c", "echo before; read a; echo after")
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    process = subprocess.Popen(
        ptyd.command("ptyd", "record", "it", str(file)), stdout=write_fd, env=ptyd.env
    )
    os.close(write_fd)
    try:
        wait_until(lambda: file.exists() and b"before" in file.read_bytes())
        wait_until(lambda: process.poll() is not None or has_inotify(process.pid))
        ptyd("send", "it", "--keys", "Enter")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()

    assert "after" in "".join(data for _, code, data in events_of(file)[1] if code == "o")


def has_inotify(pid: int) -> bool:
    """Tell whether a process waits for files to change."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        return any("inotify" in os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))
    return False


def test_a_recording_that_is_interrupted_is_whole_so_far(ptyd: Ptyd, tmp_path: Path) -> None:
    """ctrl-c ends it; every line is one."""
    file = tmp_path / "it.cast"
    container = ptyd.start("sh", "-c", "echo there; cat")
    with ptyd.background("ptyd", "record", container.name, str(file)) as recording:
        wait_until(lambda: file.exists() and b"there" in file.read_bytes())
        recording.send_signal(signal.SIGINT)
        errors = recording.communicate(timeout=40)[1]

    assert (recording.returncode, errors) == (130, b"")
    assert events_of(file)[1][-1][1:] == ["o", "there\r\n"]


def test_a_file_that_is_there_is_kept(ptyd: Ptyd, tmp_path: Path) -> None:
    """Unless it is asked to be replaced."""
    file = tmp_path / "it.cast"
    file.write_text("dear")
    ptyd("run", "--name", "it", "echo", "hi")
    refused = ptyd("record", "it", str(file))

    assert (refused.code, len(refused.err.splitlines()), file.read_text()) == (125, 1, "dear")
    assert ptyd("record", "--overwrite", "it", str(file)).code == 0
    assert events_of(file)[1][-1][1:] == ["x", "0"]


def test_an_export_is_played_by_scriptreplay(ptyd: Ptyd, tmp_path: Path) -> None:
    """util-linux takes the typescript and its timing, and shows every byte."""
    script = "echo one; printf '\\033[1mtwo\\033[0m\\n'; seq 1 2000"
    ptyd("run", "-t", "-d", "--name", "it", "sh", "-c", script)
    whole = ptyd("logs", "-f", "it").out
    file = tmp_path / "typescript"
    done = ptyd("export", "--format", "typescript", "-o", str(file), "it")
    command = ["scriptreplay", "-d", "1000", "-T", f"{file}.timing", "-B", str(file)]
    shown = subprocess.run(command, check=True, capture_output=True, timeout=40).stdout

    assert (done.code, done.err) == (0, "")
    assert b"one\r\n" in whole
    assert shown.startswith(whole)


@pytest.mark.parametrize("form", ["asciicast", "json-file", "cri", "raw", "typescript"])
def test_an_export_is_what_logs_print(ptyd: Ptyd, tmp_path: Path, form: str) -> None:
    """In a file or on standard output; a file that was there is replaced when it is whole."""
    ptyd("run", "-t", "-d", "--name", "it", "seq", "1", "100")
    ptyd("logs", "-f", "it")
    file = tmp_path / "out"
    file.write_text("old")
    done = ptyd("export", "--format", form, "-o", str(file), "it")
    printed = ptyd("logs", "--format", form, "it").out

    assert done == (0, b"", "")
    assert file.read_bytes() == printed == ptyd("export", "--format", form, "it").out
    assert sorted(path.name for path in tmp_path.glob("out*")) == (
        ["out", "out.timing"] if form == "typescript" else ["out"]
    )


def test_an_export_that_fails_leaves_what_was_there(ptyd: Ptyd, tmp_path: Path) -> None:
    """One line, and no half of a file."""
    file = tmp_path / "out"
    file.write_text("old")
    gone = ptyd("export", "-o", str(file), "nobody")
    ptyd("run", "--name", "it", "echo", "hi")
    nowhere = ptyd("export", "-o", str(tmp_path / "no" / "where"), "it")

    assert (gone.code, len(gone.err.splitlines())) == (125, 1)
    assert (nowhere.code, len(nowhere.err.splitlines())) == (125, 1)
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]
    assert file.read_text() == "old"


def test_an_export_replaces_files_alone(ptyd: Ptyd, tmp_path: Path) -> None:
    """A link leads on to its file, and what is no file is written to, as a device or a pipe."""
    ptyd("run", "--name", "it", "echo", "hi")
    whole = ptyd("export", "it").out
    link, target, pipe = tmp_path / "link", tmp_path / "target", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to("target")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = [ptyd("export", "-o", str(path), "it") for path in (link, pipe, tmp_path)]
        piped = os.read(reader, 1 << 16)
    finally:
        os.close(reader)

    assert [each.code for each in done] == [0, 0, 125]
    assert len(done[2].err.splitlines()) == 1
    assert (link.is_symlink(), target.read_bytes()) == (True, whole)
    assert (pipe.is_fifo(), piped) == (True, whole)


def test_an_export_that_is_ended_leaves_nothing(ptyd: Ptyd, tmp_path: Path) -> None:
    """No half of a file, whichever signal it was."""
    ptyd("run", "--name", "it", "echo", "hi")
    journal = Path(ptyd.inspect("it")["Paths"]["Journal"])
    # A journal of which reading takes longer than a test: a hole, as long as one likes.
    os.truncate(next(journal.glob("*.out")), 1 << 40)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with ptyd.background("ptyd", "export", "-o", str(tmp_path / "out"), "it") as export:
            wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob("out*")))
            export.send_signal(number)
            errors = export.communicate(timeout=40)[1]

        assert (export.returncode, errors) == (128 + number, b"")
        assert not list(tmp_path.glob("out*"))


def write_cast(path: Path, *events: tuple[float, str]) -> str:
    lines = [{"version": 3, "term": {"cols": 80, "rows": 24}}]
    path.write_text("\n".join(json.dumps(line) for line in [*lines, *events_as_lists(events)]))
    return str(path)


def events_as_lists(events: tuple[tuple[float, str], ...]) -> list[Any]:
    return [[wait, "o", text] for wait, text in events]


def test_a_recording_is_played_with_its_pauses(ptyd: Ptyd, tmp_path: Path) -> None:
    """As long as it took, or as fast as one likes."""
    file = write_cast(tmp_path / "it.cast", (0.1, "one "), (0.5, "two "), (3600.0, "three\n"))
    began = time.monotonic()
    done = ptyd("play", "--idle-limit", "0.4", file)
    took = time.monotonic() - began

    assert done == (0, b"one two three\n", "")
    assert took >= 0.9
    assert ptyd("play", "--speed", "100000", file).out == done.out
    assert ptyd("play", "--from", "4000", file).out == done.out


def test_a_journal_is_played(ptyd: Ptyd) -> None:
    """By its name; a program on pipes gets the line ends that a terminal would have made."""
    ptyd("run", "--name", "it", "--no-tty", "sh", "-c", "echo one; echo two")

    assert ptyd("play", "it") == (0, b"one\r\ntwo\r\n", "")


def test_the_terminal_is_given_back(ptyd: Ptyd, tmp_path: Path) -> None:
    """At the end, after q, ctrl-c and SIGTERM: raw no more, and what was switched on is off."""
    text = "\x1b[?1049h\x1b[?2004hdrawn"
    file = write_cast(tmp_path / "it.cast", (0.0, text), (3600.0, "late"))
    ends: list[tuple[list[str], str | int, int]] = [
        (["--idle-limit", "0.1"], "", 0),
        ([], "q", 0),
        ([], "\x03", 0),
        ([], signal.SIGTERM, 143),
    ]
    for options, way, code in ends:
        with ptyd.terminal("ptyd", "play", *options, file) as user:
            user.sees("drawn")
            if isinstance(way, int):
                os.kill(user.pid, way)
            else:
                user.wait_until(lambda u=user: u.is_raw or not u.child.isalive())
                user.type(way)

            assert user.finish() == code
            assert user.is_restored
            assert b"\x1b[?1049l" in user.rest
            assert b"\x1b[?2004l" in user.rest


def test_space_pauses_and_a_dot_steps(ptyd: Ptyd, tmp_path: Path) -> None:
    """While it is paused nothing is shown but what is asked for."""
    file = write_cast(tmp_path / "it.cast", (0.0, "one"), (3600.0, "two"), (3600.0, "three"))
    with ptyd.terminal("ptyd", "play", file) as user:
        user.sees("one")
        user.wait_until(lambda: user.is_raw)
        user.type(" ")
        user.type(".")
        user.sees("two")
        user.type(".")
        user.sees("three")

        assert user.finish() == 0


def test_a_pause_may_last_for_months(ptyd: Ptyd, tmp_path: Path) -> None:
    """As in a recording that ran over the summer, or one that is played slowly."""
    file = write_cast(tmp_path / "it.cast", (0.0, "one"), (9e6, "two"))
    for speed in ("1", "0.000001"):
        with ptyd.terminal("ptyd", "play", "--speed", speed, file) as user:
            user.sees("one")
            user.wait_until(lambda u=user: u.is_raw)
            user.type(" .")
            user.sees("two")

            assert user.finish() == 0


def test_a_pipe_is_played(ptyd: Ptyd, tmp_path: Path) -> None:
    """As a shell's ``<(zcat it.cast.gz)`` is one, and has a name like a session's."""
    file = write_cast(tmp_path / "it.cast", (0.0, "one"))
    play = f'"{ptyd.command("ptyd")[0]}" play <(cat "{file}")'

    assert ptyd.call("/bin/bash", "-c", play) == (0, b"one", "")


def test_what_is_shown_is_what_a_viewer_would_be_shown(ptyd: Ptyd, tmp_path: Path) -> None:
    """No recording reads or sets a clipboard, or makes the terminal type; a file gets it all."""
    text = "a\x1b]52;c;?\x07b\x1b]52;c;aGk=\x07c\x1b[21td\x1bP$qm\x1b\\e"
    file = write_cast(tmp_path / "it.cast", (0.0, text))
    with ptyd.terminal("ptyd", "play", file) as user:
        assert user.finish() == 0
        shown = user.rest

    assert b"abcde" in shown
    assert ptyd("play", file).out == text.encode()


@pytest.mark.parametrize(
    "words",
    [["nobody"], ["./no/such.cast"], ["--speed", "fast", "x"], []],
    ids=["container", "file", "speed", "nothing"],
)
def test_what_cannot_be_played_is_one_line(ptyd: Ptyd, words: list[str]) -> None:
    """125, and nothing on standard output."""
    done = ptyd("play", *words)

    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1)


@pytest.mark.parametrize("speed", ["0", "0.0", "1e3", "-1", "fast"])
def test_a_speed_is_a_factor(ptyd: Ptyd, speed: str) -> None:
    """The line says what is wanted."""
    done = ptyd("play", f"--speed={speed}", "x")

    assert done.err == f"ptyd play: {speed}: a number above 0 is wanted, like 2 or 0.5\n"


def test_a_file_that_is_no_recording_is_refused(ptyd: Ptyd, tmp_path: Path) -> None:
    """Also when that is found out in the middle."""
    other = tmp_path / "other"
    other.write_bytes(bytes(range(256)))
    bad = Path(write_cast(tmp_path / "bad", (0.0, "fine")))
    bad.write_text(bad.read_text() + "\nnonsense\n")
    refused = ptyd("play", str(other))
    broken = ptyd("play", str(bad))

    assert (refused.code, refused.out) == (125, b"")
    assert "no asciicast" in refused.err
    assert (broken.code, broken.out) == (125, b"fine")
    assert "line 3 is no event" in broken.err
