"""Which ptyd a container's server is: that of its keeper, or one that was put in its place.

``ptyd upgrade`` writes ``server.json`` into the container's folder, where the server itself cannot
write; the keeper looks before each start. A keeper from before that starts what lies at its own
path, which is the new one where ptyd was installed over the old.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NamedTuple


class Installation(NamedTuple):
    """A Python, the folders that ptyd is imported from with it, and the one that has its server.

    Found once: while another release is being installed, no other copy takes its place.
    """

    python: str
    path: list[str]
    home: str

    def program(self, name: str) -> str:
        """Return the file of a program of ours, whether it is there at the moment or not."""
        return f"{self.home}/{name}"


def here(path: list[str]) -> Installation:
    """Return that of this process, which imports from ``path``."""
    home = next(folder for folder in path if os.path.exists(f"{folder}/ptyd/__main__.py"))
    return Installation(sys.executable, path, home)


def chosen(directory: str, own: Installation) -> Installation:
    """Return what is to run for a container whose keeper is of ``own``."""
    try:
        with open(f"{directory}/server.json", encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid in (0, os.geteuid()):
                fields = json.load(file)
                path = [str(each) for each in fields["path"]]
                return Installation(str(fields["python"]), path, str(fields["home"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nobody has upgraded it
    return own


def choose(directory: str, installation: Installation | None) -> None:
    """Have this one run from the next start on; None for the keeper's own."""
    file = f"{directory}/server.json"
    from ptykeep.state import write_json  # for who chooses, no keeper on its way

    if installation is not None:
        write_json(file, installation._asdict(), 0o644)  # root's, for a user's keeper
        return
    try:
        os.unlink(file)
    except FileNotFoundError:
        pass
