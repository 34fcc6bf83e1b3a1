"""The keeper: owns a container's processes, terminals and listening sockets, and no bytes."""

import os


def keeper_main() -> str:
    """Return the path of the program that is a keeper."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
