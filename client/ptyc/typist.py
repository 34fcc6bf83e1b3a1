"""The errand of typing: every byte once, and until the program's terminal has taken them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptyc.errand import Errand
from ptyc.fault import FAILED, Left
from ptyc.typed import Typed
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.address import Target
    from ptyc.hello import Hello
    from ptyc.transport import Address


class Typist(Errand):
    """Types ``data``; where only one drives and that is not us, nothing is typed but an error."""

    def __init__(
        self, target: Target, addresses: list[Address], fields: dict[str, Any], data: bytes
    ) -> None:
        super().__init__(target, addresses, {"from": "end", "hidden": True, **fields})
        self._typed = Typed()
        self._typed.add(data)

    def resumed(self) -> dict[str, Any]:
        return {} if self.hello is None else {"client": self.hello.client}

    def take_hello(self, hello: Hello, *, is_same: bool) -> None:
        if hello.role == "view":
            raise Left(FAILED, "this link is to watch only, nothing can be typed")
        if not hello.drives:
            raise Left(FAILED, "one drives at a time, and it is the turn of another: ask them")
        go_on = self._typed.resume if is_same else self._typed.restart
        unsure = go_on(hello.input)
        if unsure + hello.doubt:
            raise Left(FAILED, f"{unsure + hello.doubt} bytes may not have arrived")

    def take(self, message: wire.ServerMessage) -> None:
        match message:
            case wire.InputAck(position):
                self._typed.acknowledge(position)
                self.is_done = self._typed.waiting == 0
            case _:
                pass

    def take_exit(self) -> None:
        raise Left(FAILED, f"the program has ended with {self.status}, nothing was typed")

    def after_turn(self) -> None:
        while self.line.is_attached and (message := self._typed.take()) is not None:
            self.line.send(wire.encode(message))
