"""Makes a format by its name, with what the container says of itself.

Each format is imported when it is asked for: together they take longer than many a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ptycli.transcript.format import Format, Raw

if TYPE_CHECKING:
    from ptycli.container import Container
    from ptycli.transcript.asciicast import Asciicast

_SIZE: Final = (24, 80)
"""Rows and columns where no journal says: of a session without a terminal."""


def make(name: str, container: Container, session: int) -> Format:
    """Return a format: raw, json-file, cri, asciicast or typescript."""
    match name:
        case "json-file":
            from ptycli.transcript.lines import JsonFile

            return JsonFile()
        case "cri":
            from ptycli.transcript.lines import Cri

            return Cri()
        case "asciicast":
            return asciicast(container, session)
        case "typescript":
            from ptycli.transcript.typescript import Typescript

            rows, cols = _SIZE
            return Typescript(command_of(container, session), rows=rows, cols=cols)
        case _:
            return Raw(timestamps=False)


def asciicast(container: Container, session: int, **about: Any) -> Asciicast:
    """Return a recording; ``about`` goes into its header."""
    from ptycli.transcript.asciicast import Asciicast

    rows, cols = _SIZE
    title = container.read_state()["name"] + (f"/{session}" if session else "")
    command = command_of(container, session)
    given = {"command": command} if command else {}
    return Asciicast({**given, "title": title, **about}, rows=rows, cols=cols)


def command_of(container: Container, session: int) -> str:
    """Return a session's command line; empty where nobody says, as of a container half made."""
    import shlex

    try:
        if session:
            sessions = container.read_state().get("sessions", {})
            args: list[str] = sessions.get(str(session), {}).get("args", [])
        else:
            args = container.spec["process"]["args"]
    except (OSError, ValueError, KeyError):
        return ""
    return shlex.join(args)
