"""Attach the user's terminal, or pipes, to a session: what ``ptyc`` and ``ptyd`` call.

Everything that is taken from the user's terminal and shell is given back here, on every way out.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyc.attachment import Attachment
from ptyc.display import Display
from ptyc.fault import FAILED, Left, Lost, Over
from ptyc.modes import Modes
from ptyc.proxy import Proxy
from ptyc.signals import Signals
from ptyc.sink import Sink
from ptyc.terminal import Terminal, is_terminal
from ptyc.transport import resolve
from ptyc.user import User
from ptywire.detach import DEFAULT, parse_keys
from ptywire.message import DETACHED

if TYPE_CHECKING:
    from ptyc.address import Target

_GOODBYE: Final = 0.5
"""Seconds that the last typed bytes may take to leave."""
_PATIENCE: Final = 0.5
"""Seconds that a stopped terminal is given to take our line."""


class Options(NamedTuple):
    """How to attach.

    ``from_`` is an offset or "snapshot", "start", "end"; ``role`` "control" or "view"; ``lossless``
    and ``hold`` as on the wire; ``session`` 0 leaves the choice to the target; ``tty`` is what the
    caller knows of the session, None to be told by the server; ``name`` is shown to others;
    ``counts`` whether our window has a say in the session's size; ``clipboard`` whether the program
    may set the user's. ``detach_names`` is ``detach_keys`` for people.
    """

    stdin: bool = True
    detach_keys: bytes = parse_keys(DEFAULT)
    detach_names: str = DEFAULT.replace(",", " ")
    from_: int | str = "snapshot"
    role: str = "control"
    lossless: bool = False
    hold: bool = False
    sig_proxy: bool = True
    session: int = 0
    tty: bool | None = None
    name: str = ""
    counts: bool = True
    clipboard: bool = False


class Outcome(NamedTuple):
    """How an attachment ended; ``status`` and ``line`` are for the shell and for the user.

    ``rendered`` is the offset up to which everything was shown; ``is_whole`` when that was the
    program's end; ``has_gap`` when bytes were missing before it; ``is_lost`` when the connection
    was, for good.
    """

    status: int
    line: str = ""
    rendered: int = 0
    is_whole: bool = False
    has_gap: bool = False
    is_lost: bool = False
    is_fresh: bool = False  # the cursor may be anywhere in a line


def attach(target: Target, options: Options, proxy: Proxy | None = None) -> int:
    """Attach, and return the exit status for the shell; errors are one line on standard error.

    The status is the program's; 0 after a detach; 125 when ptyc failed; 1 after a gap in lossless
    output; 128 plus the number of a signal that ended ptyc itself. ``proxy`` knows behind it which
    signals the program was not sent.
    """
    outcome = visit(target, options, proxy)
    tell(outcome)
    return outcome.status


def tell(outcome: Outcome) -> None:
    """Say why, if there is something to say; whoever writes next begins a line."""
    says = outcome.line and (outcome.status or outcome.is_fresh)
    line = f"ptyc: {outcome.line}\n" if says else ""
    start = "\n" if outcome.is_fresh and not outcome.is_whole else ""
    if start or line:
        with suppress(OSError):  # nobody to tell
            err = Sink(2)
            try:
                err.write_all(f"{start}{line}".encode(), _PATIENCE)
            finally:
                err.close()


def visit(target: Target, options: Options, proxy: Proxy | None = None) -> Outcome:
    """As :func:`attach`, and leave it to the caller to say how it ended."""
    try:
        addresses = resolve(target)  # may take seconds: ctrl-c still works as everywhere
        out, err = Sink(1), Sink(2)
    except Lost as lost:
        return Outcome(FAILED, str(lost), is_lost=True)
    except OSError as error:
        line = f"standard output and standard error must be open: {error.strerror}"
        return Outcome(FAILED, line)
    except KeyboardInterrupt:
        return Outcome(128 + signal.SIGINT)
    terminal = Terminal(0) if options.stdin and is_terminal(0) else None
    modes = Modes() if out.is_terminal else None
    # A reader that is no person wants every byte, and so does one of a session without terminal.
    if modes is None or options.tty is False:
        options = options._replace(lossless=True)
    user = User(terminal, out, modes, reads=options.stdin)
    signals = Signals()
    display = Display(out, err, modes, user.title)
    attachment = Attachment(
        target,
        addresses,
        options,
        user=user,
        display=display,
        signals=signals,
        proxy=proxy or Proxy(),
    )
    goodbye = ""
    try:
        outcome = Outcome(attachment.run(), is_whole=True)
    except Left as left:
        outcome = Outcome(left.status, str(left), is_lost=isinstance(left, Over) and left.is_lost)
        if outcome.line == DETACHED:  # by which the server knows that this was meant
            goodbye = DETACHED
    finally:
        try:
            attachment.line.hang_up(_GOODBYE, goodbye)
        finally:
            was_raw = user.is_raw
            user.restore()
            signals.close()
            out.close()
            err.close()
    return outcome._replace(rendered=display.rendered, has_gap=attachment.has_gap, is_fresh=was_raw)
