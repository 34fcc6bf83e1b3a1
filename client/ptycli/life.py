"""Options about how a program ends, and whether it is started again; as docker has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure, natural
from ptykeep.restarts import POLICIES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_options(add: Callable[..., Any]) -> None:
    add("--restart", metavar="POLICY", default="no", help="no, on-failure[:N], always, …")
    add("--stop-signal", metavar="SIGNAL", help="what asks it to end, default TERM")
    add("--stop-timeout", metavar="SECONDS", help="until it is killed, default 10; -1: never")


def add_sig_proxy(add: Callable[..., Any]) -> None:
    """Add docker's flag, which takes a value behind = only."""
    add("--sig-proxy", action="store_true", default=True, help="pass signals on (default)")
    add("--sig-proxy=true", dest="sig_proxy", action="store_true", help="the same")
    add("--sig-proxy=false", dest="sig_proxy", action="store_false", help="keep them to ourselves")
    add("--no-sig-proxy", dest="sig_proxy", action="store_false", help="the same")


def check_options(options: argparse.Namespace) -> None:
    """Read the values; raise Failure."""
    options.restart = policy_of(options.restart)
    if options.rm and options.restart["name"] != "no":
        raise Failure("--rm and --restart exclude each other")
    if options.stop_signal is not None:
        options.stop_signal = signal_of(options.stop_signal)
    if options.stop_timeout is not None:
        options.stop_timeout = timeout_of(options.stop_timeout)


def policy_of(text: str) -> dict[str, Any]:
    """Return what the keeper reads of ``--restart``."""
    name, colon, most = text.partition(":")
    name = name or "no"
    if name not in POLICIES:
        raise Failure(f"--restart {text}: it is one of {', '.join(POLICIES)}")
    if colon and name != "on-failure":
        raise Failure(f"--restart {text}: only on-failure takes how often")
    return {"name": name, "most": natural(most) if most else 0}


def signal_of(text: str) -> int:
    """Return the number of a signal, given by name or number."""
    from ptylaunch.errors import Refused
    from ptylaunch.lifecycle import parse_signal  # only for who asks

    try:
        return parse_signal(text)
    except Refused as error:
        raise Failure(str(error)) from None


def timeout_of(text: str) -> int:
    """Return seconds; negative ones are for ever."""
    return -1 if text.startswith("-") and natural(text[1:]) else natural(text.removeprefix("-"))
