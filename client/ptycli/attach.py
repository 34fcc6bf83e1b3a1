"""``ptyd attach``: this terminal, on a session of this machine."""

from __future__ import annotations

from ptycli.arguments import MISTAKEN, Failure, Parser, session_of
from ptycli.container import find
from ptycli.life import add_sig_proxy
from ptycli.order import REFUSED
from ptywire.detach import parse_keys


def main(arguments: list[str]) -> int:
    parser = Parser(
        "attach",
        "Attach this terminal to a session; leave with the detach keys.",
        "ptyd attach [OPTIONS] NAME[/N]",
    )
    parser.add_argument(
        "--detach-keys", metavar="KEYS", default="ctrl-p,ctrl-q", help="'' for none"
    )
    parser.add_argument("--no-stdin", action="store_true", help="do not type")
    parser.add_argument("--view", action="store_true", help="only watch")
    parser.add_argument("--hold", action="store_true", help="let the program wait for this reader")
    add_sig_proxy(parser.add_argument)
    parser.add_argument("--name", "--as", dest="known_as", metavar="NAME", help="for others to see")
    parser.add_argument("--no-size", action="store_true", help="leave the size to others")
    parser.add_argument(
        "--clipboard", action="store_true", help="let the program set ours (OSC 52)"
    )
    parser.add_argument("name", metavar="NAME[/N]")
    options = parser.parse_args(arguments)
    try:
        keys = parse_keys(options.detach_keys)
    except ValueError as error:
        raise Failure(str(error), MISTAKEN) from None
    name, session = session_of(options.name)
    container = find(name)
    fields = container.read_state()
    if fields["status"] == "exited" and container.keeper_pid is None:
        raise Failure(f"{name} has ended: ptyd logs {name} shows what it printed")
    if fields["status"] == "created" and container.keeper_pid is None:
        raise Failure(f"{name} was not started yet: ptyd start -ai {name}", REFUSED)
    if fields["status"] == "paused":
        raise Failure(f"{name} is paused: unpause it first", REFUSED)
    from ptyc.address import Target  # the client, once there is something to attach to
    from ptyc.attach import Options, attach
    from ptyc.name import user_name

    return attach(
        Target(path=container.control, name=name, session=session),
        Options(
            stdin=not options.no_stdin,
            detach_keys=keys,
            detach_names=options.detach_keys.replace(",", " "),
            role="view" if options.view else "control",
            hold=options.hold,
            sig_proxy=options.sig_proxy,
            session=session,
            name=user_name() if options.known_as is None else options.known_as,
            counts=not options.no_size,
            clipboard=options.clipboard,
        ),
    )
