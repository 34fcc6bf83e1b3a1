"""Where a session is: a container's name, a host and port, or a link, made into a :class:`Target`.

A name is looked up in the state directory of this machine; ARCHITECTURE.md and ``ptykeep.state``
have its rules, which are few enough to be said a second time here: ptyc is also used on machines
where nothing else of ptyd runs.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?:/([0-9]{1,9}))?")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")


class Target(NamedTuple):
    """A server and one of its sessions.

    ``path`` is a unix socket, else ``host`` and ``port`` are used. ``fingerprint`` is the SHA-256
    of the server's certificate in hex, empty when the system's authorities decide.
    """

    host: str = ""
    port: int = 0
    token: str = ""
    session: int = 0
    fingerprint: str = ""
    tls: bool = False
    prefix: str = "/"
    path: str = ""
    name: str = ""

    @property
    def is_local(self) -> bool:
        return bool(self.path)

    @property
    def label(self) -> str:
        """What the user calls it, for messages."""
        if self.name or self.path:
            return self.name or self.path
        from ptywire.link import format_authority  # which ptyd run has no use for

        return format_authority(self.host, self.port)


def parse_target(text: str, environ: Mapping[str, str] | None = None) -> Target:
    """Return what ``text`` points at; raise ValueError with a line for the user.

    A bare ``host:port`` is spoken to over TLS unless it is this machine's loopback: a token must
    not cross a network in clear text because somebody left out a scheme.
    """
    if "://" in text:
        from ptywire.link import parse_link  # the same

        return Target(*parse_link(text))
    if match := _AUTHORITY.fullmatch(text):
        host, port = match[1].strip("[]"), int(match[2])
        if not 0 < port < 1 << 16:
            raise ValueError(f"port {port} is not between 1 and 65535")
        return Target(host, port, tls=_LOOPBACK.fullmatch(host) is None)
    if match := _NAME.fullmatch(text):
        path = control_socket(match[1], environ)
        return Target(path=path, session=int(match[2] or 0), name=match[1])
    raise ValueError(f"{text!r} is no address: give NAME, NAME/N, HOST:PORT or a whole link")


def check_token(text: str) -> str:
    """Return the token in ``text`` without white space; raise ValueError with a line."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("that is not a token: it has 16 to 256 letters, digits, - and _")
    return token


def control_socket(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the path of the control socket of the container with this name or prefix of an id.

    Raise ValueError with a line when there is none, or more than one.
    """
    data, run = _directories(os.environ if environ is None else environ)
    try:
        container = os.path.basename(os.readlink(f"{data}/names/{name}"))
    except OSError:
        container = _complete(f"{data}/containers", name)
    return f"{run}/{container[:12]}/control.sock"


def _complete(containers: str, prefix: str) -> str:
    try:
        found = [entry for entry in os.listdir(containers) if entry.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        found = []
    except PermissionError as error:
        raise ValueError(f"cannot read {containers}: {error.strerror}") from error
    if len(found) > 1:
        raise ValueError(f"{prefix} is a prefix of {len(found)} containers: give more digits")
    if not found:
        raise ValueError(f"no such container: {prefix}")
    return found[0]


def _directories(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the data and the socket directory."""
    if root := environ.get("PTYD_ROOT"):
        root = os.path.abspath(root)
        return root, f"{root}/run"
    uid = os.geteuid()
    if uid == 0:
        return "/var/lib/ptyd", "/run/ptyd"
    data, runtime = environ.get("XDG_STATE_HOME", ""), environ.get("XDG_RUNTIME_DIR", "")
    if not data.startswith("/"):  # a relative path is to be ignored, says the specification
        data = _home(environ) + "/.local/state"
    run = f"{runtime}/ptyd" if runtime.startswith("/") else f"/tmp/ptyd-{uid}"  # noqa: S108 - the keeper checks its owner
    return f"{data}/ptyd", run


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    if not home:
        import pwd  # only for those who are started without an environment

        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            raise ValueError("HOME is not set, nor PTYD_ROOT") from None
    if not home.startswith("/"):
        raise ValueError(f"HOME is no absolute path: {home!r}")
    return home
