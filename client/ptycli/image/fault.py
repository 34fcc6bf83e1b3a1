"""What is wrong with an image."""

from __future__ import annotations

import errno

from ptyc.fault import printable
from ptylaunch.errors import LaunchFailed


def bad(line: str) -> LaunchFailed:
    """Return the failure of an image, which is a whole line for the user.

    It quotes the image, which may be anybody's: nothing in it drives the user's terminal.
    """
    return LaunchFailed("image", errno.EINVAL, printable(line))
