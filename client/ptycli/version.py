"""``ptyd version``: which this is, and what it runs on."""

from __future__ import annotations

import os
import platform
from typing import Any, Final

from ptycli.arguments import Parser
from ptycli.image.layout import own_platform
from ptycli.inspect import renderer

USAGE: Final = "ptyd version [-f FORMAT]"
_WIRE: Final = "ptyd.v1"


def main(arguments: list[str]) -> int:
    parser = Parser("version", "Show which ptyd this is.", USAGE)
    parser.add_argument("-f", "--format", default="", help="json, or a template")
    options = parser.parse_args(arguments)
    render = renderer(options.format)
    described = describe()
    if render is not None:
        print(render(described))
        return 0
    print(f"ptyd {described['Client']['Version']}")
    for name, value in described["Client"].items():
        print(f" {name + ':':15}{value}")
    return 0


def describe() -> dict[str, Any]:
    """Return docker's fields; client and server are of one distribution."""
    from importlib.metadata import version  # 30 ms, for this answer only

    system, machine = own_platform().split("/")
    own = {
        "Version": version("ptyd"),
        "ApiVersion": _WIRE,
        "PythonVersion": platform.python_version(),
        "Os": system,
        "Arch": machine,
        "KernelVersion": os.uname().release,
    }
    return {"Client": own, "Server": dict(own)}
