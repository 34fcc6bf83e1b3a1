"""Requests of one who is attached: a name, the turn to type, the rule for the size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptyd.session.people import OWNER
from ptywire.size import parse_policy

if TYPE_CHECKING:
    from ptyd.session.session import Session


def grant_request(
    session: Session, number: int, role: str, fields: dict[str, Any]
) -> dict[str, Any] | None:
    """Do what client ``number`` asks for; return the event that answers it, if one does."""
    people = session.people
    match fields:
        case {"request": "drive"}:
            people.ask(number)
        case {"request": "grant", "id": int(to)}:
            people.grant(number, to)
        case {"request": "name", "name": str(name)}:
            people.rename(number, name)
        case {"request": "alive"}:
            return {"event": "alive"}
        case {"request": "size", "policy": str(policy)} if role == OWNER:
            try:
                session.sizes.set_policy(parse_policy(policy))
            except ValueError as error:
                return {"event": "refused", "reason": str(error)}
        case _:
            return None
    session.announce()
    return None
