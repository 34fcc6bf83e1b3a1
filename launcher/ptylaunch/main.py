"""The command ``ptylaunch``: the command line of an OCI runtime.

``run`` and ``exec`` exit as the program does, else as docker: 125 the box could not be built, 126
the program cannot be executed, 127 it does not exist. Everything else that goes wrong is exit 1, as
runc's.
"""

from __future__ import annotations

import sys

from ptylaunch.arguments import parse
from ptylaunch.errors import LaunchFailed, Refused
from ptylaunch.log import Log


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    log = Log(None, "text", debug=False)
    command = ""
    try:
        arguments = parse(words)
        command = arguments.command
        log = Log(arguments.log, arguments.log_format, debug=arguments.debug)
        log.note(" ".join(words))
        arguments.log = log
        status: int = arguments.run(arguments)
    except Refused as refusal:
        log.complain(str(refusal))
        return 1
    except LaunchFailed as failure:
        log.complain(str(failure))
        return failure.exit_code if command in ("run", "exec") else 1
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        log.complain(f"{name}{error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return status
