"""``ptyd systemd``: a unit for systemd that starts a container, and ends it in order.

Sources: systemd.service(5), systemd.exec(5), systemd.unit(5), systemd.syntax(7).
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Parser
from ptycli.container import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLICIES: Final = ("no", "on-failure", "always")
_KEPT: Final = ("PTYD_ROOT", "XDG_STATE_HOME")
"""Variables that say where containers are; XDG_RUNTIME_DIR is systemd's own."""
_STOPS_WITHIN: Final = 20
"""Seconds: longer than ``ptyd stop`` takes, that has ten for the program."""


def main(arguments: list[str]) -> int:
    parser = Parser(
        "systemd",
        "Print a unit for systemd: of the user who asks, or of the system for root.",
        "ptyd systemd [--restart POLICY] NAME > ~/.config/systemd/user/NAME.service",
    )
    parser.add_argument(
        "--restart", choices=POLICIES, help="when systemd starts it again; default on-failure"
    )
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    container = find(options.name)
    policy: dict[str, Any] = container.options.get("restart") or {"name": "no"}
    # Two that start it again would get in each other's way.
    restart = options.restart or ("on-failure" if policy["name"] == "no" else "no")
    print(unit(container.read_state()["name"], container.spec["process"]["args"], restart), end="")
    return 0


def unit(name: str, args: Sequence[str], restart: str) -> str:
    """Return the unit of a container."""
    program = os.path.abspath(sys.argv[0])
    is_root = os.geteuid() == 0
    place = "/etc/systemd/system" if is_root else "~/.config/systemd/user"
    control = "systemctl" if is_root else "systemctl --user"
    lines = [
        f"# {place}/{name}.service; then: {control} enable --now {name}",
        *([] if is_root else ["# To have it run without you: loginctl enable-linger"]),
        "",
        *section("Unit", {"Description": f"ptyd container {name}: {_text(shlex.join(args))}"}),
        *section(
            "Service",
            {
                "Type": "exec",
                **_environment(os.environ),
                "ExecStart": command(program, "start", "--attach", name),
                "ExecStop": command(program, "stop", name),
                # What SIGTERM ends is no failure.
                "SuccessExitStatus": "143",
                "Restart": restart,
                "TimeoutStopSec": str(_STOPS_WITHIN),
                # Boxes have groups of their own below it, which systemd leaves alone then.
                "Delegate": "yes",
            },
        ),
        *section("Install", {"WantedBy": "multi-user.target" if is_root else "default.target"}),
    ]
    return "\n".join(lines[:-1]) + "\n"


def section(name: str, keys: Mapping[str, str]) -> list[str]:
    return [f"[{name}]", *(f"{key}={value}" for key, value in keys.items()), ""]


def command(*words: str) -> str:
    """Return a command line; what systemd would take for more than a character is quoted."""
    return " ".join(_word(word.replace("$", "$$")) for word in words)


def _environment(env: Mapping[str, Any]) -> dict[str, str]:
    words = [_word(f"{name}={env[name]}") for name in _KEPT if env.get(name)]
    return {"Environment": " ".join(words)} if words else {}


def _word(word: str) -> str:
    safe = all(char.isalnum() or char in "/._-=:@+" for char in word) and word.isascii()
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return (word if safe else f'"{escaped}"').replace("%", "%%")


def _text(text: str) -> str:
    """Return text for a line of its own: printable, specifiers escaped, no line continued."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    short = shown if len(shown) <= 60 else shown[:59] + "…"
    return short.replace("%", "%%").replace("\\", "\\\\")
