"""``ptyd version``: which this is, and what it runs on."""

from __future__ import annotations

import os
import platform
from typing import Any, Final

from ptycli.arguments import Parser
from ptycli.image.layout import own_platform
from ptycli.inspect import show_one

USAGE: Final = "ptyd version [-f FORMAT]"
_WIRE: Final = "ptyd.v1"


def main(arguments: list[str]) -> int:
    parser = Parser("version", "Show which ptyd this is.", USAGE)
    return show_one(parser, arguments, describe, _tell)


def _tell(described: dict[str, Any]) -> None:
    print(f"ptyd {described['Client']['Version']}")
    for name, value in described["Client"].items():
        print(f" {name + ':':15}{value}")


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
