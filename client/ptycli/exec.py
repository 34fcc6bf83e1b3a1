"""``ptyd exec``: another program in a running container, and attach to it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Final

from ptycli.arguments import MISTAKEN, Failure, Parser, is_utf8
from ptycli.container import Container, find
from ptycli.interruption import Interrupted, Interruption
from ptycli.order import REFUSED
from ptycli.spec import asked_env

USAGE = "ptyd exec [OPTIONS] NAME COMMAND [ARG…]"
_EPILOG: Final = """\
The program is session NAME/N of the container: ptyd attach, ptyd logs and ptyc take it. It has what
the container has and no more. When its client vanishes it goes on, and can be attached to again;
--on-disconnect hup hangs it up instead, ten seconds later. What it printed is kept for five minutes
after its end, of the last 16. The exit status is the program's; 126 the program cannot be executed,
127 it is not there, 1 the container does not run, 125 a flag is wrong."""
_WITHIN: Final = 30.0
"""Seconds that an answer may take: longer than the keeper tries."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    container = find(options.name)
    fields = container.read_state()
    if fields["status"] == "paused":
        raise Failure(f"{options.name} is paused: unpause it first", REFUSED)
    if fields["status"] != "running":
        raise Failure(f"{options.name} is not running")
    try:
        with Interruption() as interruption:
            session = start(container, options)
            interruption.hold()  # from here on it is the program's to hear of
            if not options.detach:
                return attach(container, options, session, interruption)
            print(f"{container.read_state()['name']}/{session}", flush=True)
            return 0
    except Interrupted as signal_:
        return 128 + signal_.number


def start(container: Container, options: argparse.Namespace) -> int:
    """Have the program started; return the number of its session, or raise Failure."""
    from ptyc.address import Target
    from ptyc.ask import ask
    from ptyc.fault import Left, Lost

    target = Target(path=container.control, name=options.name)
    try:
        answer = ask(target, request_of(options), _WITHIN)
    except (Left, Lost) as error:
        raise Failure(str(error)) from None
    if answer["event"] == "refused":
        raise Failure(str(answer.get("reason")), _code_of(answer))
    return int(answer["session"])


def _code_of(answer: dict[str, Any]) -> int:
    """Return docker's exit code for a program that was not started."""
    code = answer.get("exit_code")
    if code in (126, 127):
        return int(code)
    # Joining failed: the container has ended. Else the program cannot be run as was asked for.
    return REFUSED if answer.get("stage", "join") == "join" else 126


def request_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the request; ARCHITECTURE.md has its fields."""
    from ptyc.terminal import window_size

    try:
        env = asked_env(options.env, options.env_file, os.environ)
    except ValueError as error:
        raise Failure(str(error)) from None
    rows, cols = window_size((1, 0, 2)) or (24, 80)
    return {
        "request": "exec",
        "key": os.urandom(16).hex(),
        "args": options.command,
        "env": [f"{key}={value}" for key, value in env.items()],
        "cwd": options.workdir,
        "user": options.user,
        "tty": options.tty,
        "rows": rows,
        "cols": cols,
        "stdin": options.stdin,
        "foreground": not options.detach,
        "on_disconnect": options.on_disconnect,
    }


def attach(
    container: Container, options: argparse.Namespace, session: int, interruption: Interruption
) -> int:
    """Attach in the foreground; return the program's exit status, or 0 after a detach."""
    from ptyc.address import Target
    from ptyc.attach import Options
    from ptyc.attach import attach as attach_to
    from ptyc.name import user_name
    from ptyc.proxy import Proxy

    return attach_to(
        Target(path=container.control, name=f"{options.name}/{session}", session=session),
        Options(
            stdin=options.stdin,
            detach_keys=options.detach_keys,
            detach_names=options.detach_names,
            from_="start",
            tty=options.tty,
            hold=True,
            session=session,
            name=user_name() if options.known_as is None else options.known_as,
            counts=not options.no_size,
            clipboard=options.clipboard,
        ),
        Proxy(interruption.take),
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the checked command line; raise Failure with one line."""
    parser = Parser("exec", "Run another program in a running container.", USAGE)
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="print NAME/N and return")
    add("-i", "--interactive", action="store_true", help="keep stdin open (default without -d)")
    add("-t", "--tty", action="store_true", default=None, help="give the program a terminal")
    add("--no-tty", dest="tty", action="store_false", help="three pipes, stderr apart")
    add("--no-stdin", action="store_true", help="stdin is empty")
    add("-e", "--env", metavar="K=V", action="append", default=[], help="K copies ours")
    add("--env-file", metavar="FILE", action="append", default=[])
    add("-u", "--user", metavar="USER[:GROUP]", default="", help="of the container, or numbers")
    add("-w", "--workdir", metavar="DIR", default="", help="default: the container's")
    add("--privileged", action="store_true", help="refused: no program gets more than the others")
    add(
        "--on-disconnect",
        choices=("keep", "hup"),
        default="keep",
        help="what becomes of it when its last client vanishes: it goes on (default), or SIGHUP",
    )
    add("--as", dest="known_as", metavar="NAME", help="what others call us: our user name")
    add("--no-size", action="store_true", help="our window does not count")
    add("--clipboard", action="store_true", help="let the program set our clipboard (OSC 52)")
    add("--detach-keys", metavar="KEYS", default="ctrl-p,ctrl-q", help="'' for none")
    add("name", metavar="NAME")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command or not options.command[0]:
        raise Failure(f"no command: {USAGE}")
    check(options)
    return options


def check(options: argparse.Namespace) -> None:
    """Validate and complete everything once, before anybody is asked."""
    if options.privileged:
        raise Failure("--privileged: exec gives no more than the container has", MISTAKEN)
    for text in (*options.command, options.user, options.workdir, *options.env):
        if not is_utf8(text):
            raise Failure(f"{text!r}: not UTF-8")
    if options.workdir and not options.workdir.startswith("/"):
        raise Failure(f"-w {options.workdir}: it is no absolute path", MISTAKEN)
    if options.tty is None:
        options.tty = not options.detach and sys.stdin.isatty() and sys.stdout.isatty()
    options.stdin = not options.no_stdin and (options.interactive or not options.detach)
    from ptylaunch.account import parse_user
    from ptywire.detach import parse_keys

    try:
        if options.user:
            parse_user(options.user)
        options.detach_names = options.detach_keys.replace(",", " ")
        options.detach_keys = parse_keys(options.detach_keys)
    except ValueError as error:
        raise Failure(str(error), MISTAKEN) from None
