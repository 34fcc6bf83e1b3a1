"""What the methods of a session do: generators of errands, whoever drives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptyc.fault import FAILED, Left
from ptyc.look import Begin, Look
from ptyc.typist import Typist
from ptyc.watch import Watch

if TYPE_CHECKING:
    import re
    from collections.abc import Generator

    from ptyc.address import Target
    from ptyc.errand import Errand
    from ptyc.look import Picture
    from ptyc.transport import Address
    from ptyc.watch import Found
    from ptyd.screen.shown import Screen


class Ended(Exception):
    """The program has ended with ``status`` before what was waited for."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the program ended with {status} before that")
        self.status = status


class Plan:
    """The plans for one session, and where in its stream the last one stopped."""

    def __init__(self, target: Target, addresses: list[Address], *, view: bool, name: str) -> None:
        self._target, self._addresses = target, addresses
        self._fields: dict[str, Any] = {"name": name}
        self._view = view
        self._mark = self._epoch = 0
        self._rest = ""

    def look(self, scrollback: int) -> Generator[Errand, None, Screen]:
        from ptyd.screen.shown import shown

        picture = yield from self._picture()
        try:
            return shown(picture.emulator, scrollback)
        finally:
            picture.emulator.close()

    def _picture(self) -> Generator[Errand, None, Picture]:
        look = Look(self._target, self._addresses, self._fields)
        yield look
        return look.picture()

    def begin(self) -> Generator[Errand, None, None]:
        """Remember where the stream is, so that nothing after it is missed."""
        begin = Begin(self._target, self._addresses, self._fields)
        yield begin
        assert begin.hello is not None
        self._mark, self._epoch = begin.hello.end, begin.hello.epoch

    def send(self, text: str, keys: str, *, paste: bool) -> Generator[Errand, None, None]:
        if self._view:
            raise Left(FAILED, "this session was opened to watch only")
        data = text.encode()
        if keys or paste:
            # What a key types, and whether pastes are bracketed, depends on the terminal's modes.
            from ptyd.screen.keys import encode, parse_keys
            from ptyd.screen.mode import BRACKETED_PASTE

            pressed = parse_keys(keys)
            picture = yield from self._picture()
            terminal = picture.emulator.terminal
            if paste and terminal.mode(BRACKETED_PASTE):
                data = b"\x1b[200~" + data.replace(b"\x1b", b"") + b"\x1b[201~"
            data += encode(terminal, pressed)
            picture.emulator.close()
        if data:
            fields = self._fields | {"role": "control"}
            yield Typist(self._target, self._addresses, fields, data)

    def expect(self, pattern: re.Pattern[str], where: str) -> Generator[Errand, None, Found]:
        picture = None
        if where != "stream":
            picture = yield from self._picture()
        watch = Watch(
            self._target,
            self._addresses,
            self._fields,
            pattern=pattern,
            picture=picture,
            start=self._mark if where != "screen" else None,
            epoch=self._epoch,
            rest=self._rest,
        )
        try:
            if not watch.is_done:  # the screen, or the rest, had it
                yield watch
        finally:
            self._mark, self._rest = watch.mark, watch.rest
            if picture is not None:
                picture.emulator.close()
        if watch.found is None:
            raise Ended(watch.status or 0)
        return watch.found
