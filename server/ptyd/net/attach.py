"""Attaching: what a client wishes, checked field by field, and what a session says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ptyd.session.people import ROLES
from ptywire.message import SUBPROTOCOL

if TYPE_CHECKING:
    from ptyd.session.session import Session


class Wish(NamedTuple):
    """A checked attach message; ARCHITECTURE.md says what the fields mean."""

    start: int | str
    client: bytes | None
    role: str | None
    session: int
    epoch: int | None
    size: tuple[int, int] | None
    name: str
    lossless: bool
    hold: bool
    hidden: bool
    answers: bool
    returns: bool


def parse_attach(fields: dict[str, Any]) -> Wish | str:
    """Return the checked fields of an attach, or one line about what is wrong with them."""
    start = fields.get("from", "snapshot")
    client, role = fields.get("client"), fields.get("role")
    rows, cols = fields.get("rows"), fields.get("cols")
    session, epoch = fields.get("session", 0), fields.get("epoch")
    name = fields.get("name", "")
    if start not in ("snapshot", "start", "end") and not _is_offset(start):
        return "from is an offset, snapshot, start or end"
    if client is not None and not _is_client(client):
        return "client is 32 hex digits"
    if role is not None and role not in ROLES:
        return "role is control or view"
    if not _is_offset(session) or not (epoch is None or _is_offset(epoch)):
        return "session and epoch are numbers"
    if not all(value is None or (_is_offset(value) and value < 1 << 16) for value in (rows, cols)):
        return "rows and cols are numbers below 65536"
    if not isinstance(name, str):
        return "name is text"
    return Wish(
        start=start,
        client=bytes.fromhex(client) if client else None,
        role=role,
        session=session,
        epoch=epoch,
        size=(rows, cols) if rows and cols else None,
        name=name,
        lossless=fields.get("lossless") is True,
        hold=fields.get("hold") is True,
        hidden=fields.get("hidden") is True,
        answers=fields.get("answers") is True,
        returns=fields.get("returns") is True,
    )


def greeting(session: Session) -> dict[str, Any]:
    """Return the fields of a hello that are the same for whoever attaches."""
    rows, cols = session.size
    return {
        "event": "hello",
        "protocol": SUBPROTOCOL,
        "session": session.number,
        "epoch": session.epoch,
        "tty": session.tty,
        "start": session.journal.start,
        "end": session.journal.end,
        "rows": rows,
        "cols": cols,
    }


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_client(value: object) -> bool:
    return (
        isinstance(value, str) and len(value) == 32 and all(c in "0123456789abcdef" for c in value)
    )


def first_offset(session: Session, wish: Wish, *, lossless: bool) -> tuple[int, bool]:
    """Return where to begin, and whether a picture comes first."""
    journal, start = session.journal, wish.start
    if start == "start":
        return journal.start, False
    if start == "end":
        return journal.end, False
    if isinstance(start, int):
        same = wish.epoch in (None, session.epoch) and start <= journal.end
        # The journal goes on over epochs, and so do those who want its bytes and no screen.
        earlier = wish.epoch is not None and wish.epoch < session.epoch and start <= journal.end
        if lossless and (same or earlier):
            return start, False
        if same and start >= journal.start and not session.marks.resized_since(start):
            return start, False
    if lossless:
        return session.output.replay_start(), False
    return journal.end, True
