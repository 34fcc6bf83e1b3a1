"""The errand of waiting: until a pattern is on the screen, or was printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptyc.errand import Errand
from ptyc.fault import FAILED, Left
from ptyc.hello import number
from ptyc.look import resize
from ptyc.plain import Plain
from ptywire import message as wire

if TYPE_CHECKING:
    import re

    from ptyc.address import Target
    from ptyc.hello import Hello
    from ptyc.look import Picture
    from ptyc.transport import Address

KEPT: Final = 1 << 20
"""Characters of the stream that a match may reach back."""


class Found(NamedTuple):
    """``where`` is "screen" or "stream"; ``before`` the stream's text up to the match."""

    where: str
    match: re.Match[str]
    before: str = ""


class Watch(Errand):
    """Looks for ``pattern`` on the ``picture`` and in the stream from ``start`` on, if given.

    It gets every byte, however late, so the picture that it goes on drawing is exact. ``mark`` and
    ``rest`` say afterwards where the stream goes on, ``found`` what there was.
    """

    def __init__(
        self,
        target: Target,
        addresses: list[Address],
        fields: dict[str, Any],
        *,
        pattern: re.Pattern[str],
        picture: Picture | None,
        start: int | None,
        epoch: int,
        rest: str,
    ) -> None:
        first = start if start is not None else picture.end if picture is not None else 0
        super().__init__(target, addresses, {"lossless": True, **fields})
        self.found: Found | None = None
        self.mark = first
        self.rest = rest
        self._epoch = epoch
        self._pattern, self._picture = pattern, picture
        self._reads_stream = start is not None
        self._plain = Plain()
        self._is_new = False
        self._search()

    def resumed(self) -> dict[str, Any]:
        return {"from": self.mark, "epoch": self._epoch}

    def take_hello(self, hello: Hello, *, is_same: bool) -> None:  # noqa: ARG002
        if hello.epoch != self._epoch:
            raise Left(FAILED, "the program was started anew, what it printed before is over")

    def take(self, message: wire.ServerMessage) -> None:
        match message:
            case wire.Output(end, data):
                self._take_output(end, data)
            case wire.Event(fields) if fields.get("event") == "gap":
                self.mark = number(fields, "to")
                if self._picture is not None:
                    raise Left(FAILED, "it prints faster than it can be followed here")
            case wire.Event(fields) if self._picture is not None and self._is_past(fields):
                resize(self._picture.emulator, fields)
                self._is_new = True
            case _:
                pass

    def _is_past(self, fields: dict[str, Any]) -> bool:
        """Tell whether an event is later than the picture."""
        return self._picture is not None and number(fields, "end") >= self._picture.end

    def _take_output(self, end: int, data: bytes) -> None:
        self.line.send(wire.encode(wire.Ack(end)))
        if self._reads_stream:
            self.rest = (self.rest + self._plain.feed(data))[-KEPT:]
        if self._picture is not None and end > self._picture.end:
            self._picture.emulator.feed(data[max(0, self._picture.end - self.mark) :])
        self.mark = end
        self._is_new = True

    def after_turn(self) -> None:
        if self._is_new:
            self._is_new = False
            self._search()

    def take_exit(self) -> None:
        self._search()
        self.is_done = True

    def _search(self) -> None:
        """Look at the screen first: it is where people would see it."""
        if self._picture is not None:
            match = self._pattern.search("\n".join(self._picture.emulator.text()))
            if match is not None:
                self.found, self.is_done = Found("screen", match), True
                return
        match = self._pattern.search(self.rest) if self._reads_stream else None
        if match is not None:
            self.found, self.is_done = Found("stream", match, self.rest[: match.start()]), True
            self.rest = self.rest[match.end() :]
