"""Reads Prometheus' text format, as its description has it, and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"'
_COMMENT = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\"": '"'}


class Family(NamedTuple):
    """Its type, what it tells, and its values by their labels."""

    kind: str
    tells: str
    values: dict[tuple[tuple[str, str], ...], float]


def read_exposition(text: str) -> dict[str, Family]:
    """Return the families of a text; fail where the format forbids something."""
    assert text.endswith("\n"), "the last line ends with a line feed"
    families: dict[str, Family] = {}
    helped: dict[str, str] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if comment := _COMMENT.fullmatch(line):
            word, name, rest = comment.groups()
            if word == "HELP":
                assert name not in helped, f"{name} is explained twice"
                helped[name] = rest
            else:
                assert name not in families, f"{name} comes in two places"
                assert rest in ("counter", "gauge", "histogram", "summary", "untyped")
                assert name.endswith("_total") == (rest == "counter"), f"{name} is a {rest}"
                families[name] = Family(rest, helped[name], {})
            current = name
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, f"no line of this format: {line!r}"
        name, labels, value = sample.groups()
        assert name == current, f"{name} is not with its family"
        key = tuple(_labels(labels or ""))
        assert key not in families[name].values, f"{line} comes twice"
        families[name].values[key] = float(value)
    return families


def _labels(text: str) -> list[tuple[str, str]]:
    pairs = [each.split("=", 1) for each in re.findall(_LABEL, text)]
    return sorted(
        (name, re.sub(r'\\[\\n"]', lambda found: _ESCAPES[found[0]], value[1:-1]))
        for name, value in pairs
    )
