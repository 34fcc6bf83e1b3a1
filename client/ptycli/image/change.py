"""``--change``: what an imported image wants to run, in the words of a Dockerfile."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure, is_utf8
from ptycli.image.config import read_wishes
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return the ``config`` of an image; raise Failure."""
    config: dict[str, Any] = {}
    for text in texts:
        word, _, rest = text.strip().partition(" ")
        if not is_utf8(text) or not rest.strip():
            raise Failure(f"--change {text!r}: it looks like CMD sh, or ENV NAME=VALUE")
        try:
            _change(config, word.upper(), rest.strip())
        except ValueError as error:
            raise Failure(f"--change {text!r}: {error}") from None
    try:
        read_wishes({"config": config})
    except LaunchFailed as failure:
        raise Failure(f"--change: {failure.detail}") from None
    return config


def _change(config: dict[str, Any], word: str, rest: str) -> None:
    match word:
        case "CMD" | "ENTRYPOINT":
            config["Cmd" if word == "CMD" else "Entrypoint"] = _command(rest)
        case "ENV":
            config["Env"] = [*config.get("Env", []), *_pairs(rest)]
        case "LABEL":
            labels = dict(pair.split("=", 1) for pair in _pairs(rest))
            config["Labels"] = {**config.get("Labels", {}), **labels}
        case "WORKDIR" | "USER" | "STOPSIGNAL":
            names = {"WORKDIR": "WorkingDir", "USER": "User", "STOPSIGNAL": "StopSignal"}
            config[names[word]] = rest
        case "EXPOSE":
            ports: dict[str, Any] = {
                port if "/" in port else f"{port}/tcp": {} for port in rest.split()
            }
            config["ExposedPorts"] = {**config.get("ExposedPorts", {}), **ports}
        case _:
            known = "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, WORKDIR"
            raise ValueError(f"it begins with one of {known}")


def _command(text: str) -> list[str]:
    """Return the words of ``["sh", "-c"]``; anything else is a line for a shell."""
    if not text.startswith("["):
        return ["/bin/sh", "-c", text]
    words: Any = json.loads(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("a list of texts is wanted")
    return words  # pyright: ignore[reportUnknownVariableType]


def _pairs(text: str) -> list[str]:
    """Return ``K=V`` pairs; the old form ``K V`` is one."""
    words = shlex.split(text)
    if "=" not in words[0]:
        return ["=".join((words[0], " ".join(words[1:])))]
    if not all("=" in word for word in words):
        raise ValueError("it looks like NAME=VALUE")
    return words
