"""What listings show of a container, kept in state.json.

For it alone nobody reads config.json, which is ten times larger: most of it is the seccomp filter.
"""

from __future__ import annotations

from typing import Any


def summarize(spec: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {
        "args": spec["process"]["args"],
        "image": options.get("image", "host"),
        "labels": options.get("labels", {}),
    }
