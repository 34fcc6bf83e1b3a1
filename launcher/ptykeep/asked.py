"""What a server asks of its keeper, each request checked against what it may."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

from ptykeep.ordered import stop
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from ptykeep.keeper import Keeper
    from ptykeep.protocol import Packet


def answer(keeper: Keeper, packet: Packet) -> None:
    """Do what one packet asks for; its fds are the caller's to close."""
    epoch, executions, screens = keeper.epoch, keeper.executions, keeper.screens
    match packet.fields:
        case {"type": "ready", "intake": str(intake)}:
            keeper.server.on_ready()
            keeper.save(server_pid=keeper.server.pid, intake=intake)
        case {"type": "signal", "session": int(session), "signal": int(number)} if (
            0 < number < signal.NSIG
        ):
            if session == 0:
                epoch.signal(number)
            else:
                executions.signal(session, number)
        case {"type": "close-stdin", "session": 0} if epoch.session is not None:
            epoch.session.close_stdin()
        case {"type": "close-stdin", "session": int(session)} if session in executions:
            executions[session].close_stdin()
        case {"type": "ended", "session": 0, "epoch": int(number)} if number == epoch.number:
            keeper.next.is_written = True
        case {"type": "exec", "request": int(request)} if keeper.paused:
            detail = f"{keeper.state['name']} is paused: unpause it first"
            executions.refuse([request], LaunchFailed("exec", errno.EBUSY, detail))
        case {"type": "exec", "request": int(request)} if len(packet.fds) == 1:
            assert epoch.box is not None
            executions.start(request, packet.fds[0], epoch.box)
        case {"type": "keep", "session": int(session)}:
            executions.keep(session)
        case {"type": "removed", "session": int(session)}:
            executions.on_removed(session)
        case {"type": "screen", "session": int(number)} if packet.fds:
            screens.start(number, packet.fds[0])
        case {"type": "end-screen", "session": int(number)}:
            screens.end(number)
        case {"type": "stop"}:
            stop(keeper)
        case _:
            pass
