"""The session's law: every reader gets every byte and every event, and none slows the program."""

from __future__ import annotations

import fcntl
import os
import random
import struct
import tempfile
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ptyd.session.audience import SLICE
from ptyd.session.session import HOLD_LAG, LAST_OUTPUT, Session
from ptywire import message as wire
from ptywire.size import MAX_COLS, MAX_ROWS
from ptywire.websocket import binary_header
from session_program import Program, pattern, run_until, serving

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path


class Eye:
    """A reader. It takes what it is offered in pieces of its own size, and notes all of it."""

    framed = True
    waits = False
    number = 0

    def __init__(
        self,
        session: Session,
        start: int = 0,
        *,
        hold: bool = False,
        room: Callable[[], int] = lambda: 1 << 20,
    ) -> None:
        self.session = session
        self.cursor = start
        self.hold = hold
        self.open = True
        self.got = {wire.OUTPUT: bytearray(), wire.STDERR: bytearray()}
        self.events: list[dict[str, Any]] = []
        self._room = room
        self._number = session.marks.number_at(start)
        session.add(self)

    @property
    def output(self) -> bytes:
        return bytes(self.got[wire.OUTPUT])

    @property
    def rendered(self) -> int:
        return self.cursor

    def push(self) -> None:
        session = self.session
        while self.open:
            mark = session.marks.next_after(self._number)
            if mark is not None and mark.offset <= self.cursor:
                assert mark.offset == self.cursor
                self._number = mark.number + 1
                self.events.append(mark.fields)
                continue
            limit = session.journal.end if mark is None else mark.offset
            if self.cursor >= limit:
                session.caught_up(self)
                return
            room = self._room()
            if not room:
                return
            self._take(session.output.frame_at(self.cursor, limit, room), limit, room)

    def tell(self, fields: dict[str, Any]) -> None:
        """Who else is here is not what is tested."""

    tell_frame = tell

    def _take(self, frame: Any, limit: int, room: int) -> None:
        size = frame.end - frame.start
        header = binary_header(size + wire.OUTPUT_HEADER)
        message = wire.decode_server(frame.data[len(header) :])

        assert frame.start == self.cursor < frame.end <= limit
        assert size <= room
        assert frame.data.startswith(header)
        assert isinstance(message, wire.Output)
        assert (message.end, len(message.data)) == (frame.end, size)
        self.got[message.kind] += message.data
        self.cursor = frame.end


def window_size(tty_fd: int) -> tuple[int, int]:
    answer = fcntl.ioctl(tty_fd, termios.TIOCGWINSZ, bytes(8))
    rows, cols, _, _ = struct.unpack("HHHH", answer)
    return rows, cols


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 60_000)),
        st.tuples(st.just("resize"), st.integers(1, 99)),
        st.tuples(st.just("join"), st.floats(0, 1)),
        st.tuples(st.just("gather"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=14,
)


@pytest.mark.parametrize("spliced", [True, False])
@given(steps=STEPS, seed=st.integers(0, 99))
@settings(max_examples=25)
@example(
    steps=[("resize", 18), ("write", 9), ("resize", 3), ("resize", 18), ("restart", 0)], seed=1
)
@example(steps=[("resize", 1), ("resize", 24), ("restart", 0), ("write", 1)], seed=0)
def test_every_reader_sees_every_byte_and_every_event(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    spliced: bool,  # noqa: FBT001 - pytest's parameter
    steps: list[tuple[str, float]],
    seed: int,
) -> None:
    """From any offset, in pieces of any size, over deaths of the server: once, and in order."""
    chance = random.Random(seed)
    loop = make_loop()
    with tempfile.TemporaryDirectory(prefix="session") as folder, Program() as program:
        sizes = [(0, 24)]  # offset and rows of every resize
        while True:
            with serving(loop, folder, program, spliced=spliced) as session:
                eyes = [(0, Eye(session, room=lambda: chance.randrange(1, 9000)))]
                session.start()
                while steps and (step := steps.pop(0))[0] != "restart":
                    match step:
                        case ("write", size):
                            program.write_all(loop, int(size))
                        case ("resize", rows) if int(rows) != sizes[-1][1]:
                            run_until(loop, lambda: session.journal.end == program.written)
                            session.resize(int(rows), 80)
                            sizes.append((session.journal.end, int(rows)))
                        case ("join", share):
                            start = int(session.journal.end * share)
                            eyes.append((start, Eye(session, start)))
                        case ("gather", _):
                            run_until(loop, lambda: session.journal.end == program.written)
                run_until(loop, lambda: session.journal.end == program.written)
                session.audience.wake()
                run_until(loop, lambda: not session.audience.is_being_served)
                # Back at the first size before the first byte: to the next server that is no event.
                news = dict(sizes[1:]).items() - {sizes[0]}
                for start, eye in eyes:
                    seen = {e["end"]: e["rows"] for e in eye.events if e["event"] == "resized"}

                    assert eye.output == pattern(start, program.written - start)
                    assert seen.items() >= {(o, r) for o, r in news if o >= start}
                    assert seen.items() <= set(dict(sizes).items())
                assert window_size(program.out)[0] in (sizes[-1][1], 0)
            if not steps:
                break
        loop.close()


@pytest.mark.parametrize("spliced", [True, False])
def test_output_and_errors_stay_apart(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, *, spliced: bool
) -> None:
    """No message holds bytes of both, whether it is shared or made for a reader that is behind."""
    chance = random.Random(1)
    with (
        Program(terminal=False) as program,
        serving(loop, tmp_path, program, spliced=spliced) as session,
    ):
        live = Eye(session)
        session.start()
        out, err = bytearray(), bytearray()
        for _ in range(60):
            which, sent = chance.choice([(program.out, out), (program.err, err)])
            sent += (piece := chance.randbytes(chance.randrange(1, 3000)))
            os.write(which, piece)
            if chance.random() < 0.7:
                run_until(loop, lambda: session.journal.end == len(out) + len(err))
        run_until(loop, lambda: session.journal.end == len(out) + len(err))
        late = Eye(session, room=lambda: chance.randrange(1, 5000))
        late.push()

        assert live.got == late.got == {wire.OUTPUT: out, wire.STDERR: err}


def test_no_reader_slows_the_program(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """One takes nothing at all: the journal goes on, and what it may hold is a number."""
    with Program() as program, serving(loop, tmp_path, program, log_max=1) as session:
        stalled, live = Eye(session, room=lambda: 0), Eye(session)
        session.start()
        program.write_all(loop, 1 << 20)
        run_until(loop, lambda: session.journal.end == program.written)

        assert stalled.cursor == 0 < session.journal.start
        assert live.output == pattern(0, 1 << 20)


def test_a_holder_makes_the_program_wait(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """A pipe's semantics for one who asked: HOLD_LAG ahead at most, and on when it has read."""
    room = [0]
    with Program() as program, serving(loop, tmp_path, program) as session:
        eye = Eye(session, hold=True, room=lambda: room[0])
        session.start()

        def stuck() -> bool:
            program.write(1 << 16)
            return session.journal.end - eye.cursor > HOLD_LAG and program.write(1) == 0

        run_until(loop, stuck, "the wait")
        ahead = session.journal.end
        room[0] = 1 << 20
        eye.push()
        program.write_all(loop, 1 << 20)
        run_until(loop, lambda: eye.cursor == program.written)

        assert ahead <= HOLD_LAG + (128 << 10)
        assert eye.output == pattern(0, program.written)


def test_a_holder_that_leaves_lets_go(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Nobody holds the program any more: it runs."""
    with Program() as program, serving(loop, tmp_path, program) as session:
        eye = Eye(session, hold=True, room=lambda: 0)
        session.start()
        run_until(loop, lambda: not program.write(1 << 16) and session.journal.end > HOLD_LAG)
        session.remove(eye)
        program.write_all(loop, 1 << 20)
        run_until(loop, lambda: session.journal.end == program.written)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_exit_comes_after_the_last_byte(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, *, terminal: bool
) -> None:
    """What the program left in its terminal or pipes is read first, errors behind output too."""
    with Program(terminal=terminal) as program, serving(loop, tmp_path, program) as session:
        eye = Eye(session)
        ended: list[int] = []
        session.on_ended = lambda: ended.append(session.journal.end)
        program.write(1 << 20)
        if not terminal:
            os.write(program.err, b"why it failed")
        session.on_exit(3)
        total = program.written + len(eye.got[wire.STDERR])

        assert eye.output == pattern(0, program.written)
        assert bytes(eye.got[wire.STDERR]) == (b"" if terminal else b"why it failed")
        assert eye.events[-1] == {"event": "exited", "status": 3, "end": total}
        assert (session.status, ended, session.input.is_open) == (3, [total], False)


def test_the_exit_does_not_wait_for_grandchildren(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    """One that never stops writing is read from no further than LAST_OUTPUT, and not again."""
    with Program() as program, serving(loop, tmp_path, program) as session:
        gather = session._gather

        def gather_while_it_writes(intake: Any) -> int:
            program.write(1 << 16)
            return gather(intake)

        session._gather = gather_while_it_writes  # type: ignore[method-assign]
        session.on_exit(0)
        end = session.journal.end
        program.write(1 << 16)
        done = []
        loop.call_soon(done.append, True)
        run_until(loop, lambda: done)

        assert end <= LAST_OUTPUT + (128 << 10)
        assert session.journal.end == end


class Slow:
    """A reader whose turn takes longer than a slice."""

    cursor, hold, framed, waits = 0, False, True, False

    def push(self) -> None:
        until = time.monotonic() + 2 * SLICE
        while time.monotonic() < until:
            pass


@pytest.mark.parametrize("news", ["output", "resize", "exit"])
def test_who_was_served_already_is_served_again(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, news: str
) -> None:
    """Something happens between two slices of a round: it reaches those who had their turn."""
    with Program() as program, serving(loop, tmp_path, program) as session:
        eye = Eye(session)
        for _ in range(3):
            session.add(Slow())
        session.start()
        session.audience.wake()
        if news == "output":
            program.write_all(loop, 10)
        elif news == "resize":
            session.resize(50, 50)
        else:
            session.on_exit(0)
        wanted = {"output": 10, "resize": 50, "exit": 0}[news]

        def seen() -> bool:
            last = eye.events[-1] if eye.events else {}
            return wanted in (len(eye.output), last.get("status"), last.get("rows"))

        run_until(loop, seen)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_new_server_knows_what_happened(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, *, terminal: bool
) -> None:
    """Size, sizes before it and the status are in the journal, however often it rotated.

    And no size that was none: who comes back would be shown a picture instead of the next byte.
    """
    with Program(terminal=terminal) as program:
        with serving(loop, tmp_path, program, log_max=1 << 20) as session:
            session.start()
            for rows in range(10, 18):
                session.resize(rows, 100)
                program.write_all(loop, 80_000)
            run_until(loop, lambda: session.journal.end == program.written)
            session.on_exit(9)
            size = session.size
            before = Eye(session)
            before.push()
        with serving(loop, tmp_path, program, log_max=1 << 20) as session:
            after = Eye(session)
            ended: list[bool] = []
            session.on_ended = lambda: ended.append(True)
            session.start()
            session.on_exit(9)
            after.push()

            assert (session.status, session.size, ended) == (9, size, [True])
            assert after.output == before.output == pattern(0, program.written)
            sizes = [(e["end"], e["rows"]) for e in after.events if e["event"] == "resized"]
            wanted = [(e["end"], e["rows"]) for e in before.events if e["event"] == "resized"]
            assert sizes == wanted
            assert [e["event"] for e in after.events].count("exited") == 1


def test_another_epoch_goes_on_in_the_same_journal(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    """The container was restarted: bytes are kept, the old status is not the new program's."""
    with Program() as program, serving(loop, tmp_path, program) as session:
        session.start()
        program.write_all(loop, 100)
        run_until(loop, lambda: session.journal.end == 100)
        session.on_exit(1)
    with Program() as program:
        program.written = 100
        with serving(loop, tmp_path, program, epoch=2) as session:
            eye = Eye(session)
            session.start()
            assert session.status is None
            program.write_all(loop, 100)
            run_until(loop, lambda: eye.cursor == 200)
            session.on_exit(2)

            assert eye.output == pattern(0, 200)
            assert [e["status"] for e in eye.events if e["event"] == "exited"] == [2]


def test_a_size_is_clamped_and_set_once(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """The terminal has it before anybody is told; the same size again is no news."""
    with Program() as program, serving(loop, tmp_path, program) as session:
        eye = Eye(session)
        sizes = []
        for wish in ((50, 132), (50, 132), (0, 0), (65535, 65535)):
            session.resize(*wish)
            sizes.append(window_size(program.out))
        told = [(event["rows"], event["cols"]) for event in eye.events]

        assert sizes == [(50, 132), (50, 132), (1, 1), (MAX_ROWS, MAX_COLS)]
        assert told == [(50, 132), (1, 1), (MAX_ROWS, MAX_COLS)]
