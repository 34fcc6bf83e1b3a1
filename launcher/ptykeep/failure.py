"""What is said of a start that failed: one line, and docker's exit code."""

from __future__ import annotations

from typing import Any


def explain(error: Exception) -> dict[str, Any]:
    """Return the answer to a start that failed: one line, and docker's exit code."""
    from ptylaunch.errors import LaunchFailed

    if isinstance(error, LaunchFailed):
        return {"error": str(error), "exit_code": error.exit_code}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return {"error": f"{where}{error.strerror}", "exit_code": 125}
    import traceback

    traceback.print_exc()
    return {"error": f"a bug in the keeper: {type(error).__name__}: {error}", "exit_code": 125}
