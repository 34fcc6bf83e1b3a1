"""The loop of one attachment: one poll(2) over the user, the connection and the signals.

Nothing in the loop waits but the poll. The rules:

- Standard input is not read before the server said hello: what was typed for the shell stays there.
- Typed bytes are kept until acknowledged, output until shown; both survive a lost connection.
- An offset is acknowledged after the write that showed it returned.
- While a picture is owed, no offset stands for what is on the screen.
- An exit status, or :class:`Over`, ends the loop after the last byte is shown; :class:`Left` ends
  it at once.
"""

from __future__ import annotations

import select
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from ptyc import typed
from ptyc.answers import Answers
from ptyc.fault import FAILED, Left, Over, printable
from ptyc.hello import Hello, number, parse_hello
from ptyc.keyboard import Keyboard
from ptyc.line import Line
from ptyc.presence import Presence
from ptyc.user import STDIN
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.address import Target
    from ptyc.attach import Options
    from ptyc.display import Display
    from ptyc.proxy import Proxy
    from ptyc.signals import Signals
    from ptyc.sink import Sink
    from ptyc.transport import Address
    from ptyc.user import User
    from ptywire.detach import Fed

_CTRL_C: Final = b"\x03"


class Attachment:
    """A user at a session, from the first connection to the end."""

    def __init__(
        self,
        target: Target,
        addresses: list[Address],
        options: Options,
        *,
        user: User,
        display: Display,
        signals: Signals,
        proxy: Proxy,
    ) -> None:
        self.line = Line(target, addresses, self._greeting)
        self._target, self._options = target, options
        self._user, self._display, self._signals = user, display, signals
        self._keyboard = Keyboard(options.detach_keys if user.terminal is not None else b"")
        self._typed = typed.Typed()
        self._hello: Hello | None = None
        self._size: wire.Resize | None = None
        self._acked = 0
        self._awaits_picture = False
        self._answers = Answers(self._keyboard, terminal=user.terminal is not None)
        self._presence = Presence(self.line, display, user, self._keyboard, options.detach_names)
        self._eof_sent = False
        self._proxy = proxy
        self._status: int | None = None
        self._over: Over | None = None
        self.has_gap = False

    def run(self) -> int:
        """Return the exit status for the shell; raise Left when there is a line to say."""
        for signal_ in self._proxy.earlier():
            self._take_signal(signal_)
        if self._options.tty:
            self._user.make_raw()
        self.line.dial()
        while self._status is None or not self._display.is_empty:
            try:
                self._turn()
            except Over as over:
                if self._status is None:
                    self._end(over.status)
                    self._over = over
                self.line.hang_up(0)
        self._acknowledge()
        if self._over is not None:
            raise self._over
        return 1 if self.has_gap else self._status

    def _end(self, status: int) -> None:
        """There is nothing more to come: the rest is shown, whatever covered it."""
        self._presence.forget_panel()
        self._status = status

    # One turn of the loop

    def _turn(self) -> None:
        deaf = self._display.is_full
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        line = self.line.wants(deaf=deaf)
        if line is not None:
            poll.register(*line)
        sink = self._display.next_sink
        if sink is not None:
            poll.register(sink.fd, select.POLLOUT)
        if self._reads_stdin:
            poll.register(STDIN, select.POLLIN)
        has_more = self.line.has_more and not deaf
        events = dict(poll.poll(0 if has_more else self._timeout(deaf=deaf)))

        if self._signals.fileno() in events:
            for signal_ in self._signals.take():
                self._take_signal(signal_)
            return  # hours may have passed in a stop: what poll(2) said is old
        if STDIN in events:
            self._read_stdin()
        if has_more or (line is not None and line[0] in events):
            self._receive()
        if sink is not None and sink.fd in events:
            self._show(sink)
        self._keep_time(time.monotonic())
        self._acknowledge()

    @property
    def _reads_stdin(self) -> bool:
        if not self._user.stdin_open or self._hello is None:
            return False
        if self._status is not None:
            # A terminal that shows nothing must not keep anybody: the detach keys work.
            return self._over is not None and self._user.terminal is not None
        if self._user.terminal is not None and not self.line.is_attached:
            return self._typed.waiting < typed.OVERFLOW
        return self._typed.waiting < typed.WINDOW

    def _timeout(self, *, deaf: bool) -> float | None:
        """Milliseconds until the next thing to do without being asked."""
        deadlines = [self._keyboard.deadline, self._answers.deadline]
        if self._status is None:
            deadlines += [
                *self._presence.deadlines(),
                *self.line.deadlines(deaf=deaf),
                self.line.reconnect.notice_at,
            ]
        due = [deadline for deadline in deadlines if deadline is not None]
        # Rounded up: poll(2) counts milliseconds, and one too early turns the loop for nothing.
        return max(0.0, (min(due) - time.monotonic()) * 1000 + 1) if due else None

    def _keep_time(self, now: float) -> None:
        if self._keyboard.deadline is not None and now >= self._keyboard.deadline:
            self._type(self._keyboard.expire(now))
        held = self._answers.keep_time(now, self._display.rendered)
        if held is not None:
            self._type(held)
        if self._status is not None:
            return
        self._presence.keep_time(now)
        reconnect = self.line.reconnect
        if reconnect.notice_at is not None and now >= reconnect.notice_at:
            reconnect.told = True
            self._presence.tell_of_silence(reconnect.news)
        self.line.keep_time(now, deaf=self._display.is_full)

    # The server

    def _greeting(self) -> bytes:
        options, hello = self._options, self._hello
        fields: dict[str, Any] = {
            "session": options.session or self._target.session,
            "lossless": options.lossless,
        }
        if options.role == "view":
            fields["role"] = options.role  # else all that one has: an owner's window may count
        if options.hold:
            fields["hold"] = True
        if options.name:
            fields["name"] = options.name
        if self._can_answer:
            fields["answers"] = True
        self._size = self._user.window()
        if self._size is not None and self._counts:
            fields["rows"], fields["cols"] = self._size
        fields["from"] = options.from_
        if hello is not None:
            fields["from"] = "snapshot" if self._awaits_picture else self._display.received
            fields["epoch"], fields["client"] = hello.epoch, hello.client
        if self._display.is_covered:
            fields["hidden"] = True  # until there is a picture to go on from
        return wire.encode(wire.Attach(fields))

    @property
    def _can_answer(self) -> bool:
        """Whether a terminal is here that answers queries and types the answers."""
        user = self._user
        return user.terminal is not None and user.modes is not None and self._may_type

    @property
    def _counts(self) -> bool:
        """Whether our window has a say in the session's size."""
        return self._may_type and self._options.counts

    @property
    def _may_type(self) -> bool:
        return self._options.role != "view" and not self._only_watches

    def _receive(self) -> None:
        messages, ended = self.line.receive()
        for data in messages:
            self._take_message(data)
        if ended is not None:
            if self._status is not None:
                self.line.hang_up(0)
            else:
                self.line.closed(ended)
        self._send_typed()

    def _take_message(self, data: bytes) -> None:
        match wire.decode_server(data):
            case wire.Output() as output:
                self._display.output(output)
            case wire.Snapshot() as snapshot:
                self._take_snapshot(snapshot)
            case wire.InputAck(position):
                self._typed.acknowledge(position)
            case wire.Event(fields):
                self._take_event(fields)
            case wire.Violation(reason):
                raise Over(FAILED, f"the server sent a malformed message: {printable(reason)}")
            case None:
                pass

    def _take_event(self, fields: dict[str, Any]) -> None:
        match fields.get("event"):
            case "hello":
                self._take_hello(parse_hello(fields))
            case "exited":
                self._end(min(number(fields, "status", FAILED), 255))
            case "restarting":
                self._typed.hold()
                self.line.reconnect.restarting(time.monotonic(), number(fields, "status"))
            case "gap":
                self.has_gap = True
                lost = number(fields, "to") - number(fields, "from")
                self._presence.notice(
                    f"{lost} bytes of output were dropped before they could be read"
                )
            case "journal" if fields.get("state") == "full":
                self._presence.notice("the server's disk is full: the program waits")
            case "journal":
                self._presence.notice("the server's disk has room again")
            case "clients":
                self._presence.take_clients(fields, time.monotonic())
            case "resized":
                size = number(fields, "rows"), number(fields, "cols")
                self._presence.resized(*size, time.monotonic())
            case "answerer":
                self._answers.elect(answers=fields.get("answers") is True)
            case "refused":
                self._presence.take_refusal(fields)
            case _:
                pass

    def _take_snapshot(self, snapshot: wire.Snapshot) -> None:
        self._awaits_picture = False
        self._display.snapshot(snapshot)
        self._presence.resized(snapshot.rows, snapshot.cols, time.monotonic())
        self._answers.replay(snapshot.end)  # a server without a screen shows history instead

    def _take_hello(self, hello: Hello) -> None:
        before, self._hello = self._hello, hello
        if before is not None and hello.client == before.client:
            unsure = self._typed.resume(hello.input)
        else:
            unsure = self._typed.restart(hello.input)
        self.line.attached()
        self._send_signals()
        self._acked = 0
        self._awaits_picture = hello.snapshot
        if not hello.snapshot:
            if before is not None and hello.start_at != self._display.received:
                self._display.clear()  # not what we asked for: the screen is told anew
            self._display.start_at(hello.start_at)
        self._display.allow(watches=hello.role == "view", clipboard=self._options.clipboard)
        again, lossless = before is not None, self._options.lossless
        self._presence.attached(hello, time.monotonic(), again=again, lossless=lossless)
        if hello.tty:
            self._user.make_raw()
            if hello.start_at < hello.end:
                self._answers.replay(hello.end)
        else:
            self._eof_sent = False  # closing twice is harmless, ^D twice is not
        if hello.role == "view" and self._user.terminal is None:
            self._user.stdin_open = False
        if unsure or hello.doubt:
            self._presence.notice(
                f"{unsure + hello.doubt} bytes that you typed may not have arrived"
            )

    def _acknowledge(self) -> None:
        if self.line.is_attached and self._display.rendered > self._acked:
            self._acked = self._display.rendered
            self.line.send(wire.encode(wire.Ack(self._acked)))

    # The user

    @property
    def _only_watches(self) -> bool:
        return self._hello is not None and self._hello.role == "view"

    def _read_stdin(self) -> None:
        data = self._user.read()
        if self._user.terminal is not None and _CTRL_C in data:
            if self._only_watches:
                raise Left(0, wire.DETACHED)
            if self._over is not None or self.line.reconnect.told:
                raise Left(128 + signal.SIGINT)
        self._typed.add(self._keyboard.encode_keys(self._user.key_encoding))
        self._type(self._keyboard.feed(data, time.monotonic()))

    def _type(self, fed: Fed) -> None:
        now = time.monotonic()
        passed = self._presence.typed(fed.passed, now) if fed.passed else b""
        if not self._only_watches:
            self._typed.add(passed)
        self._send_typed()
        for letter in fed.commands:
            self._presence.command(letter, now)
        if fed.detached:
            raise Left(0, wire.DETACHED)

    def _send_typed(self) -> None:
        while self.line.is_attached and (message := self._typed.take()) is not None:
            self.line.send(wire.encode(message))
        if self._user.stdin_open or self._eof_sent or not self.line.is_attached:
            return
        # Typed ^D is lost with its connection: it waits until what lies before it has arrived.
        tty = self._hello is not None and self._hello.tty
        settled = self._typed.waiting == 0 if tty else self._typed.is_all_sent
        if settled and self._options.stdin and not self._only_watches:
            self._eof_sent = True
            self.line.send(wire.encode(wire.StdinEof()))

    def _show(self, sink: Sink) -> None:
        try:
            self._display.write()
        except OSError as error:
            raise sink.failed(error) from error

    # Signals

    def _take_signal(self, signal_: int) -> None:
        if signal_ == signal.SIGWINCH:
            self._resize()
        elif signal_ == signal.SIGTSTP:
            self._user.stop()
        elif signal_ == signal.SIGCONT:
            self._go_on()
        elif self._is_for_program(signal_):
            self._proxy.add(signal_, time.monotonic())
            self._send_signals()
        else:
            raise Left(128 + signal_)

    def _is_for_program(self, signal_: int) -> bool:
        """Whether a signal goes on to the program, now or when the server is there again."""
        if self._status is not None or self.line.reconnect.told or not self._options.sig_proxy:
            return False
        return self._proxy.wants(signal_, self._hello, tty=self._options.tty)

    def _send_signals(self) -> None:
        if self.line.is_attached:
            for message in self._proxy.take():
                self.line.send(message)

    def _resize(self) -> None:
        size = self._user.window()
        self._presence.window_changed(time.monotonic())
        if size is None or size == self._size or not self.line.is_attached or not self._counts:
            return
        self._size = size
        self.line.send(wire.encode(size))

    def _go_on(self) -> None:
        self.line.awake()
        if not self._options.tty and not (self._hello is not None and self._hello.tty):
            return
        self._user.go_on()
        self._size = None
        size = self._user.window()
        if size is None or not self._counts or not self.line.is_attached:
            return
        if self._user.modes is not None and self._user.modes.in_alternate:
            # A program that draws draws again when its size changes, and not otherwise.
            self.line.send(wire.encode(wire.Resize(max(1, size.rows - 1), size.cols)))
        self._resize()
