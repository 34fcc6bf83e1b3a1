"""``ptyd size``: whose window decides how large a session's terminal is."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Failure, Parser, session_of
from ptycli.container import find
from ptywire import message as wire
from ptywire.size import parse_policy

if TYPE_CHECKING:
    from ptyc.connection import Connection

PATIENCE: Final = 5.0
"""Seconds that a server may take for the whole of it: one that is replaced is back in 0.2."""
_POLICIES: Final = (
    "latest (who typed last), smallest, largest, owner (the last who is one), or ROWSxCOLS; "
    "without a policy the size that it has now is printed"
)


def main(arguments: list[str]) -> int:
    parser = Parser(
        "size",
        "Choose whose window decides how large a terminal is.",
        "ptyd size NAME[/N] [POLICY]",
    )
    parser.add_argument("name", metavar="NAME[/N]")
    parser.add_argument("policy", metavar="POLICY", nargs="?", help=_POLICIES)
    options = parser.parse_args(arguments)
    if options.policy is not None:
        try:
            parse_policy(options.policy)
        except ValueError as error:
            raise Failure(str(error)) from None
    name, session = session_of(options.name)
    container = find(name)
    if container.read_state()["status"] == "exited":
        raise Failure(f"{name} has ended")
    size = ask(container.control, name, session, options.policy)
    if options.policy is None:
        print(size)
    return 0


def ask(path: str, name: str, session: int, policy: str | None) -> str:
    """Set the policy, unless that is None; return the size there was, ``ROWSxCOLS``.

    The close is asked for right behind the request, so that its answer says that both were read.
    """
    from ptyc.address import Target  # the client, once there is somebody to ask
    from ptyc.connection import Connection
    from ptyc.fault import Lost, Refused
    from ptyc.transport import resolve

    target = Target(path=path, name=name)
    try:
        connection = Connection(target, resolve(target))
        try:
            return _converse(connection, session, policy)
        finally:
            connection.close()
    except (Lost, Refused) as failure:
        raise Failure(str(failure)) from None


def _converse(connection: Connection, session: int, policy: str | None) -> str:
    deadline = time.monotonic() + PATIENCE
    greeted, size = False, ""
    while connection.ended is None:
        poll = select.poll()
        poll.register(connection.fileno(), connection.wants)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise Failure(f"the server did not answer in {PATIENCE:.0f} s")
        for data in connection.ready():
            message = wire.decode_server(data)
            if isinstance(message, wire.Event):
                size = _take(connection, message, policy) or size
        if connection.is_open and not greeted:
            greeted = True
            # Hidden, and from the end: nothing of the output is wanted.
            fields: dict[str, Any] = {"session": session, "from": "end", "hidden": True}
            connection.send(wire.encode(wire.Attach(fields)))
    if not size:
        raise Failure(connection.ended.reason or "the server closed the connection")
    return size


def _take(connection: Connection, event: wire.Event, policy: str | None) -> str:
    """Act on an event; return the session's size if that is in it."""
    if event.name == "refused":
        raise Failure(str(event.fields.get("reason")))
    if event.name != "hello":
        return ""
    if event.fields.get("tty") is False:
        raise Failure("that session has no terminal")
    if policy is not None:
        connection.send(wire.encode(wire.Request({"request": "size", "policy": policy})))
    connection.say_goodbye()
    return f"{event.fields.get('rows')}x{event.fields.get('cols')}"
