"""Errands that find out what became of a session: its picture, its offset, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ptyc.errand import Errand
from ptyc.fault import FAILED, Left
from ptyc.hello import number
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.address import Target
    from ptyc.hello import Hello
    from ptyc.transport import Address
    from ptyd.screen.emulator import Emulator


class Picture(NamedTuple):
    """A terminal as it was at the offset ``end`` of the epoch ``epoch``."""

    emulator: Emulator
    end: int
    epoch: int


class Look(Errand):
    """Takes the snapshot of a screen, and follows to where the session was when it was asked."""

    def __init__(self, target: Target, addresses: list[Address], fields: dict[str, Any]) -> None:
        super().__init__(target, addresses, {"from": "snapshot", **fields})
        self._emulator: Emulator | None = None
        self._end = 0
        self._until = 0

    def picture(self) -> Picture:
        """Return what was seen; the caller closes its emulator."""
        assert self._emulator is not None
        assert self.hello is not None
        return Picture(self._emulator, self._end, self.hello.epoch)

    def take_hello(self, hello: Hello, *, is_same: bool) -> None:  # noqa: ARG002
        if not hello.tty:
            raise Left(
                FAILED, "that session has no terminal, and so no screen: ptyd logs has its output"
            )
        self._until = hello.end
        if not hello.snapshot:
            self._begin(hello.rows, hello.cols, b"", hello.start_at)  # nothing was printed yet

    def take(self, message: wire.ServerMessage) -> None:
        match message:
            case wire.Snapshot(end, rows, cols, data):
                self._begin(rows, cols, data, end)
            case wire.Output(end, data) if self._emulator is not None:
                self._emulator.feed(data)
                self._end = end
                self.line.send(wire.encode(wire.Ack(end)))
            case wire.Event(fields) if self._emulator is not None:
                resize(self._emulator, fields)
            case _:
                pass

    def take_exit(self) -> None:
        self.is_done = True
        if self._emulator is None:
            raise Left(FAILED, "the program ended before its screen was seen")

    def after_turn(self) -> None:
        self.is_done = self.is_done or (self._emulator is not None and self._end >= self._until)

    def _begin(self, rows: int, cols: int, data: bytes, end: int) -> None:
        from ptyd.screen.emulator import Emulator  # the native library, once there is a screen

        if self._emulator is not None:
            self._emulator.close()
        self._emulator = Emulator(rows, cols)
        self._emulator.feed(data)
        self._end = end


class Begin(Errand):
    """Asks only for the hello, and wants no output."""

    def __init__(self, target: Target, addresses: list[Address], fields: dict[str, Any]) -> None:
        super().__init__(target, addresses, {"from": "end", "hidden": True, **fields})

    def take_hello(self, hello: Hello, *, is_same: bool) -> None:  # noqa: ARG002
        self.is_done = True


class End(Errand):
    """Waits for the program's end, and wants no output."""

    def __init__(self, target: Target, addresses: list[Address]) -> None:
        # Who has the status does not come back: nobody needs to be waited for.
        fields = {"from": "end", "hidden": True, "returns": False}
        super().__init__(target, addresses, fields)


def resize(emulator: Emulator, fields: dict[str, Any]) -> None:
    """Follow a ``resized`` event; one without two numbers changes nothing."""
    rows, cols = number(fields, "rows"), number(fields, "cols")
    if fields.get("event") == "resized" and rows and cols:
        emulator.resize(rows, cols)
