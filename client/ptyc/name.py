"""What others call us: PTYC_NAME, or the name of who runs this."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_name(environ: Mapping[str, str] | None = None) -> str:
    """Return a name, "" when there is none: the server has one then."""
    environ = os.environ if environ is None else environ
    for key in ("PTYC_NAME", "USER", "LOGNAME"):
        if name := environ.get(key, "").strip():
            return name
    import pwd  # may ask the network's directory: only where the environment is empty

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
