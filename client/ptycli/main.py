"""``ptyd VERB …``: finds the verb's file and turns what goes wrong into one line and a code."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing and signal can wait until a keeper is on its way
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Final, NoReturn

    from ptycli.arguments import Failure

VERBS: Final = {
    "run": "start a program in a box, and attach to it",
    "create": "write a container down, to be started later",
    "start": "start containers that were created, or have ended",
    "exec": "run another program in a running container",
    "attach": "attach this terminal to a session",
    "ps": "list containers",
    "top": "show the processes in a container",
    "stats": "show what containers use",
    "events": "show what happens to containers, and what has",
    "port": "show where a container's ports lead to",
    "logs": "print what a session printed",
    "record": "record a session as an asciicast, until it ends",
    "play": "play a recording, or what a session printed",
    "export": "write what a session printed to a file, in a format of others",
    "inspect": "show everything known of a container, as JSON",
    "screen": "print what is on a session's screen",
    "send": "type into a session",
    "expect": "wait until something is on a session's screen, or is printed",
    "size": "choose whose window decides how large a terminal is",
    "share": "make a link that lets others watch or drive",
    "wait": "wait until programs end, and print their exit statuses",
    "kill": "send a signal to programs",
    "stop": "ask programs to end, and see to it",
    "restart": "end programs, and start them again",
    "pause": "hold all processes of containers",
    "unpause": "let what was paused go on",
    "cp": "copy files and folders between a container and here",
    "diff": "show what a container has changed on its root",
    "update": "change limits and restart policies of containers",
    "rename": "give a container another name",
    "rm": "remove containers that have ended",
    "prune": "remove all containers that do not run",
    "images": "list images",
    "import": "make an image of an archive",
    "rmi": "remove images",
    "container": "ls, run, stop and the like: these verbs as docker groups them",
    "image": "ls, inspect, rm, import and prune of images",
    "info": "show what there is on this host, and how boxes are made",
    "version": "show which this is",
    "upgrade": "put the ptyd that is installed in place of what serves containers",
    "completion": "print what lets bash, zsh or fish complete these",
    "systemd": "print a unit that has systemd start a container",
    "doctor": "try what this host allows, and say what is missing",
}
"""The verbs and what they do; each is a module of this package, most with the same name."""

_MODULES: Final = {
    "import": "importing",
    "image": "image_command",
    "container": "container_command",
}
"""Those of verbs that no module can be named after."""

_OWN_FAILURE: Final = 125
_REFUSED: Final = 1
_DOCKERS: Final = (
    *("start", "exec", "attach", "ps", "top", "stats", "events", "port", "logs", "inspect"),
    *("wait", "kill", "stop", "restart", "pause", "unpause", "rename", "rm", "prune"),
    *("cp", "diff", "update"),
    *("images", "import", "rmi", "image", "container", "info", "version"),
)
"""Verbs whose failures are 1, as docker's are. Those of ``run`` are 125, for 1 may be its
program's, and so are those of our own verbs."""


def usage() -> str:
    lines = [f"  {verb:12}{does}" for verb, does in VERBS.items()]
    return "\n".join(
        (
            "usage: ptyd VERB [OPTIONS] …",
            "",
            *lines,
            "",
            "ptyd VERB --help tells more of one; ptyd --version tells which this is.",
        )
    )


def version() -> str:
    from importlib.metadata import version as installed  # 30 ms, for this answer only

    return f"ptyd {installed('ptyd')}"


def main() -> NoReturn:
    """Run one verb; exit with its code."""
    _catch_interruption()
    gc.disable()  # until all is loaded: imports make the collector look, and find nothing
    from ptyc.stdio import open_missing

    open_missing()
    if sys.argv[1:2] == ["run"] and "--help" not in sys.argv:
        from ptykeep.forerunner import send_ahead

        send_ahead()
    if sys.argv[1:2] == ["logs"]:  # reads files: what others need is most of what it would take
        from ptylaunch.lean import stand_in

        stand_in(("typing", "json", "signal"))
    from typing import cast

    if TYPE_CHECKING:
        from io import TextIOWrapper

    os.umask(0o077)  # the caller's may be one under which nobody can open what we make
    # An argument's bytes are printed as they are, whatever they are.
    cast("TextIOWrapper", sys.stdout).reconfigure(errors="surrogateescape")
    code = dispatch(sys.argv[1:])
    try:
        sys.stdout.flush()  # what was printed before a failure
    except OSError:
        pass  # it was told already
    os._exit(code)  # taking hundreds of modules apart helps nobody: 10 ms


def _catch_interruption() -> None:
    """Make an interruption no traceback, before anything is loaded in which one may come."""
    module: Any = __import__("_signal")  # built in; signal itself loads enum, which takes 5 ms
    if module.getsignal(module.SIGINT) is module.default_int_handler:  # else it is ignored
        module.signal(module.SIGINT, _leave)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End at once, as the default action would, wherever we are: in an import, too."""
    os._exit(128 + number)


def dispatch(arguments: list[str]) -> int:
    """Return the exit code of one command line."""
    if arguments[:1] == ["container"]:
        from ptycli.container_command import resolve  # only for who says so

        arguments = resolve(arguments)
    verb = arguments[0] if arguments else "--help"
    if verb in ("--help", "-h", "help"):
        return attempt(verb, lambda: print(usage()))
    if verb == "--version":
        return attempt(verb, lambda: print(version()))
    if verb not in VERBS:
        from ptycli.failure import meant  # only for a mistake

        _complain(f"ptyd: there is no verb {verb!r}{meant(verb, VERBS)}; see ptyd --help")
        return _OWN_FAILURE
    return attempt(verb, lambda: run(verb, arguments[1:]))


def module_of(verb: str) -> str:
    return f"ptycli.{_MODULES.get(verb, verb)}"


def run(verb: str, arguments: list[str]) -> int:
    """Return the exit code of one verb; raise what goes wrong in it."""
    name = module_of(verb)
    __import__(name)  # not importlib's, which would have to be loaded
    module = sys.modules[name]
    gc.freeze()
    gc.enable()
    code: int = module.main(arguments)
    return code


def attempt(verb: str, work: Callable[[], int | None]) -> int:
    """Return the exit code of some work, whatever happens in it."""
    import signal

    from ptycli.failure import Failure, printable

    try:
        try:
            code = work() or 0
        except SystemExit as done:  # of argparse, which has printed --help
            code = int(done.code or 0)
        sys.stdout.flush()
    except Failure as error:
        _complain(f"ptyd {verb}: {printable(str(error))}")
        code = code_of(verb, error)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has seen enough, as in ptyd logs | head.
        code = 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is one line too
        _complain(f"ptyd {verb}: {printable(_confess(error))}")
        code = _OWN_FAILURE
    return code


def code_of(verb: str, failure: Failure) -> int:
    """Return the exit code of a verb that failed."""
    if failure.exit_code is not None:
        return failure.exit_code
    return _REFUSED if verb in _DOCKERS else _OWN_FAILURE


def _complain(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody reads it; the exit code says it, too


def _confess(error: Exception) -> str:
    """Say in one line what went wrong; with PTYD_DEBUG, where."""
    if os.environ.get("PTYD_DEBUG"):
        raise error
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return f"{type(error).__name__}: {error}; this is a bug, PTYD_DEBUG=1 shows where"
