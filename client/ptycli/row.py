"""A row of ``ptyd ps``: a container in docker's words, each field made when it is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ptycli.status import ago, stamp, status_of
from ptykeep import state

if TYPE_CHECKING:
    from _collections_abc import dict_items
    from collections.abc import Callable, Iterator

    from ptycli.container import Container

HEADERS: Final = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "State": "STATE",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Size": "SIZE",
}
_COMMAND: Final = 20
"""Characters of a command in a table; docker's."""
_DEEPEST: Final = 250
_TERMS: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Row(dict[str, Any]):
    """One container; ``whole`` does not cut its id and its command short."""

    def __init__(self, container: Container, fields: dict[str, Any], *, whole: bool) -> None:
        super().__init__()
        self.container = container
        self.fields = fields
        self.whole = whole

    @property
    def summary(self) -> dict[str, Any]:
        return self.container.summary(self.fields)

    def __missing__(self, name: str) -> Any:
        value = self[name] = _FIELDS[name](self)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(HEADERS)

    def items(self) -> dict_items[str, Any]:
        """Return every field, for JSON."""
        for name in HEADERS:
            self[name]
        return super().items()


def labels_of(row: Row) -> dict[str, str]:
    labels: dict[str, str] = row.summary["labels"]
    return labels


def ports_of(fields: dict[str, Any]) -> list[str]:
    """Return where it listens for its terminal, and which ports lead into it."""
    if fields["status"] in ("created", "exited"):
        return []
    found = [
        f"{listener['host']}:{listener['port']}" + ("/raw" if listener["dialect"] == "raw" else "")
        for listener in fields.get("listeners", ())
        if listener["dialect"] != "control"
    ]
    network: dict[str, Any] = fields.get("network") or {}
    return found + [
        f"{port['host']}:{port['port']}->{port['inside']}/{port['protocol']}"
        for port in network.get("ports", ())
    ]


def network_mode(fields: dict[str, Any], spec: dict[str, Any]) -> str:
    """Return what ``--network`` was, or has come to."""
    if fields.get("network"):
        return "private"
    kinds = [each["type"] for each in spec.get("linux", {}).get("namespaces", ())]
    return "none" if "network" in kinds else "host"


def human_size(size: float, *, digits: int = 3) -> str:
    """Return bytes with a decimal unit, as docker: ``1.09kB``."""
    # Docker's 999,950 are 1e+03kB; what is rounded up to a thousand of a unit is one of the next.
    least = 1000 - 0.5 * 10 ** (3 - digits)
    unit = next((unit for unit in _TERMS if size / _TERMS[unit] < least), "TB")
    return f"{size / _TERMS[unit]:.{digits}g}{unit}"


def written(container: Container) -> int:
    """Return the bytes that the box has written on its root, as far as we may see them.

    And as deep as we may go: each folder within a folder costs a descriptor and a call.
    """
    total = 0
    layers = state.layers_dir(container.directory)
    walk = os.fwalk(layers) if os.path.isdir(layers) else ()
    for path, folders, files, folder_fd in walk:
        if path.count("/") - layers.count("/") >= _DEEPEST:
            folders.clear()
        for name in files:
            try:
                total += os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_size
            except OSError:
                continue  # just removed
    return total


def _command(row: Row) -> str:
    # As docker says it: for people, not for a shell.
    words = (f"'{word}'" if " " in word else word for word in row.summary["args"])
    command = " ".join(words)
    if not row.whole and len(command) > _COMMAND:
        command = command[: _COMMAND - 1] + "…"
    escaped = command.encode("unicode_escape").decode("ascii") if _is_rough(command) else command
    return '"' + escaped.replace('"', '\\"') + '"'


def _is_rough(command: str) -> bool:
    return "\\" in command or not command.isprintable()


def _volumes(row: Row) -> list[str]:
    """Return where the folders of the host, and the volumes, that the box has come from."""
    named = f"{row.container.dirs.data}/volumes/"
    bundle = f"{row.container.directory}/"
    sources = [
        str(mount["source"])
        for mount in row.container.spec_or_empty.get("mounts", ())
        if mount["type"] == "bind"
        and mount["options"][0] in ("bind", "rbind")
        # What every box has of the host lies where it lies there.
        and (mount["source"] != mount["destination"] or mount["options"][1:2] == ["nosuid"])
    ]
    return [
        source.removeprefix(named).removesuffix("/_data")
        for source in sources
        if not source.startswith(bundle)
    ]


def _label(row: Row) -> Any:
    from ptycli.template.value import Method  # only templates ask for it

    return Method(lambda key: labels_of(row).get(key, ""))


_FIELDS: Final[dict[str, Callable[[Row], Any]]] = {
    "ID": lambda row: row.container.id if row.whole else row.container.id[:12],
    "Image": lambda row: row.summary["image"],
    "Command": _command,
    "CreatedAt": lambda row: stamp(row.fields.get("created")),
    "RunningFor": lambda row: (
        f"{ago(row.fields['created'])} ago" if "created" in row.fields else ""
    ),
    "State": lambda row: row.fields["status"],
    "Status": lambda row: status_of(row.fields),
    "Ports": lambda row: ", ".join(ports_of(row.fields)),
    "Names": lambda row: row.fields["name"],
    "Labels": lambda row: ",".join(f"{key}={value}" for key, value in labels_of(row).items()),
    "Label": _label,
    "Mounts": lambda row: ",".join(_volumes(row)),
    "LocalVolumes": lambda row: str(sum("/" not in each for each in _volumes(row))),
    "Networks": lambda row: network_mode(row.fields, row.container.spec_or_empty),
    "Size": lambda row: human_size(written(row.container)),
}
