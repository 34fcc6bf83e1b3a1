"""What the owner of a container orders its keeper to do.

What cannot be done is said in one line, with the container's name.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from ptykeep import event
from ptykeep.log import log
from ptykeep.state import STOP_TIMEOUT
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptykeep.keeper import Keeper
    from ptykeep.order import Caller


def obey(keeper: Keeper, caller: Caller, fields: dict[str, Any]) -> None:
    """Carry one order out; ``caller`` is answered now, or once it is done."""
    match fields:
        case {"order": "start"}:
            _start(keeper, caller, fields)
        case {"order": "restart"}:
            keeper.next.order(caller)
            if keeper.epoch.is_over:
                keeper.next.hasten()
            else:
                _end_epoch(keeper, _signal(fields), _timeout(fields))
            keeper.state["ending"] = "restart"
        case {"order": "stop"}:
            stop(keeper, _signal(fields), _timeout(fields))
            caller.answer()
        case {"order": "kill", "signal": int(number)} if 0 < number < signal.NSIG:
            caller.answer(_kill(keeper, number))
        case {"order": "pause"}:
            caller.answer(_pause(keeper))
        case {"order": "unpause"}:
            caller.answer(_unpause(keeper))
        case {"order": "rename", "name": str(name)}:
            keeper.save(name=name)
            keeper.server.send({"type": "renamed", "name": name})
            caller.answer()
        case {"order": "leave"} if keeper.epoch.is_over and keeper.next.at is None:
            caller.answer()
            keeper.finish()
        case {"order": "leave"}:
            caller.answer(f"{_name(keeper)} is running: stop it first, or rm -f")
        case {"order": "update"}:
            caller.answer(_update(keeper, fields))
        case {"order": "visit"}:
            _visit(keeper, caller)
        case _:
            caller.answer(f"{_name(keeper)}: its keeper does not know that order")


def _start(keeper: Keeper, caller: Caller, fields: dict[str, Any]) -> None:
    if keeper.paused:
        caller.answer(f"{_name(keeper)} is paused: unpause it instead")
    elif not keeper.epoch.is_over or keeper.next.at is not None:
        caller.answer()  # it runs, or is about to
    else:
        keeper.next.order(caller, foreground=fields.get("foreground") is True)
        keeper.size = _size(fields)
        keeper.next.hasten()


def stop(keeper: Keeper, number: int | None = None, timeout: float | None = None) -> None:
    """Ask the program to end, and see to it; nothing follows, whatever the policy says."""
    waits = keeper.next.at is not None
    keeper.next.give_up(f"{_name(keeper)} was stopped meanwhile")
    if waits:
        keeper.conclude(keeper.state["exit_status"], 0.0)
    elif keeper.epoch.is_over:
        keeper.server.hurry()
    else:
        _end_epoch(keeper, number, timeout)


def _end_epoch(keeper: Keeper, number: int | None, timeout: float | None) -> None:
    if timeout is None:
        timeout = float(keeper.options.get("stop_timeout", STOP_TIMEOUT))
    number = number or _stop_signal(keeper)
    _note(keeper, "kill", signal=str(int(number)))
    keeper.state["ending"] = "stop"
    keeper.epoch.stop(number, timeout)
    _let_go(keeper)  # what is held does not hear of it


def _kill(keeper: Keeper, number: int) -> str:
    """Send the program a signal, or say why not."""
    ends = number in (signal.SIGKILL, _stop_signal(keeper))
    if keeper.next.at is not None and ends:
        stop(keeper)
        return ""
    if keeper.epoch.is_over:
        return f"{_name(keeper)} is not running"
    if ends:
        keeper.next.give_up(f"{_name(keeper)} was killed meanwhile")
    _note(keeper, "kill", signal=str(int(number)))
    keeper.epoch.signal(number)
    if ends:
        _let_go(keeper)
    return ""


def _pause(keeper: Keeper) -> str:
    """Hold all processes of the box, or say why not."""
    if keeper.epoch.is_over:
        return f"{_name(keeper)} is not running"
    if keeper.paused:
        return f"{_name(keeper)} is paused already"
    return _freeze(keeper, keeper.epoch.hold, "paused")


def _unpause(keeper: Keeper) -> str:
    """Let them go on, or say why not."""
    if not keeper.paused:
        return f"{_name(keeper)} is not paused"
    return _freeze(keeper, keeper.epoch.release, "running")


def _freeze(keeper: Keeper, act: Callable[[], None], status: str) -> str:
    try:
        act()
    except LaunchFailed as failure:
        return f"{_name(keeper)}: {failure}"
    keeper.save(status=status)
    return ""


def _update(keeper: Keeper, fields: dict[str, Any]) -> str:
    """Set other limits and another policy, or say why not."""
    from ptykeep.revision import revise  # for the one verb that wants it

    epoch = keeper.epoch

    def limit(spec: dict[str, Any], touched: dict[str, Any]) -> None:
        epoch.limit(spec, touched, keeper.save)

    try:
        spec, options = revise(keeper.directory, fields, None if epoch.is_over else limit)
    except LaunchFailed as failure:
        return f"{_name(keeper)}: {failure.detail if failure.stage == 'spec' else failure}"
    except OSError as error:
        return f"{_name(keeper)}: {error.strerror}"
    keeper.spec["linux"]["resources"] = spec["linux"].get("resources") or {}
    policy: dict[str, Any] = options.get("restart") or {"name": "no", "most": 0}
    keeper.options["restart"] = policy
    keeper.next.restarts.change(policy["name"], policy["most"])
    _note(keeper, "update")
    return ""


def _visit(keeper: Keeper, caller: Caller) -> None:
    from ptylaunch.target import FILES, open_target  # building the box has loaded it

    box = keeper.epoch.box
    if box is None or keeper.epoch.is_over:
        caller.answer()
        return
    try:
        # That of another engine is only open if it has a network.
        target = box.target if box.target.namespaces else open_target(box.pid)
    except LaunchFailed as failure:
        caller.answer(f"{_name(keeper)}: {failure}")
        return
    found = {each.flag: each.fd for each in target.namespaces}
    if all(flag in found for flag in FILES):
        caller.answer(fds=tuple(found[flag] for flag in FILES))
    else:
        caller.answer(f"{_name(keeper)}: its box has no user namespace of its own")
    if target is not box.target:
        target.close()


def _let_go(keeper: Keeper) -> None:
    if keeper.paused and (why := _unpause(keeper)):
        log(why)  # SIGKILL is on its way


def _note(keeper: Keeper, action: str, **attributes: str) -> None:
    event.note(keeper.dirs.data, action, keeper.state, **attributes)


def _stop_signal(keeper: Keeper) -> int:
    number: int = keeper.options.get("stop_signal") or signal.SIGTERM
    return number


def _name(keeper: Keeper) -> str:
    return str(keeper.state["name"])


def _signal(fields: dict[str, Any]) -> int | None:
    number = fields.get("signal")
    return number if isinstance(number, int) and 0 < number < signal.NSIG else None


def _timeout(fields: dict[str, Any]) -> float | None:
    seconds = fields.get("timeout")
    return seconds if isinstance(seconds, int | float) else None


def _size(fields: dict[str, Any]) -> tuple[int, int] | None:
    match fields.get("size"):
        case [int(rows), int(cols)] if 0 < rows < 1 << 16 and 0 < cols < 1 << 16:
            return rows, cols
        case _:
            return None
