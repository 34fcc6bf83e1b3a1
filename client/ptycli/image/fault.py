"""What is wrong with an image."""

from __future__ import annotations

import errno

from ptylaunch.errors import LaunchFailed


def bad(line: str) -> LaunchFailed:
    """Return the failure of an image, which is a whole line for the user."""
    return LaunchFailed("image", errno.EINVAL, line)
