"""What a box may do: capabilities, system calls, limits; docker's options about it."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.seccomp_profile import DEFAULT as BUILTIN
from ptycli.seccomp_profile import Host, read_profile
from ptylaunch.capability import NUMBERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

CAPABILITIES: Final = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
"""podman's default set. Nothing is inheritable or ambient (CVE-2022-24769)."""

PRIVILEGED: Final = (
    "--privileged gives the box all capabilities over its own namespaces, all system calls, and "
    "/proc and /sys unmasked and writable; host files, devices and users stay out"
)

_LIMITS: Final = {
    name: getattr(resource, f"RLIMIT_{name.upper()}")
    for name in [
        *("core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
        *("rtprio", "sigpending", "stack"),
    ]
}
_UNLIMITED: Final = (1 << 64) - 1  # RLIM_INFINITY, as the OCI spec has it


class Privileges(NamedTuple):
    """Checked; ``seccomp`` is ``linux.seccomp`` of the OCI spec, None where nothing is filtered."""

    capabilities: tuple[str, ...] = CAPABILITIES
    seccomp: dict[str, Any] | None = None
    no_new_privileges: bool = True
    limits: tuple[dict[str, Any], ...] = ()
    oom_score_adj: int | None = None
    sysctl: tuple[tuple[str, str], ...] = ()
    masked: bool = True
    """Parts of /proc and /sys are hidden or read-only."""

    def process(self) -> dict[str, Any]:
        """Return what belongs under ``process``."""
        sets = ("bounding", "effective", "permitted")
        fields: dict[str, Any] = {
            "capabilities": {name: list(self.capabilities) for name in sets},
            "noNewPrivileges": self.no_new_privileges,
        }
        if self.limits:
            fields["rlimits"] = list(self.limits)
        if self.oom_score_adj is not None:
            fields["oomScoreAdj"] = self.oom_score_adj
        return fields

    def linux(self) -> dict[str, Any]:
        """Return what belongs under ``linux``."""
        fields: dict[str, Any] = {}
        if self.seccomp is not None:
            fields["seccomp"] = self.seccomp
        if self.sysctl:
            fields["sysctl"] = dict(self.sysctl)
        return fields


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cap-add", metavar="CAP", action="append", default=[], help="a capability, or ALL")
    add("--cap-drop", metavar="CAP", action="append", default=[], help="a capability, or ALL")
    add("--security-opt", metavar="OPT", action="append", default=[],
        help="seccomp=FILE|unconfined, no-new-privileges=false")  # fmt: skip
    add("--privileged", action="store_true", help="all capabilities and calls, nothing masked")
    add("--ulimit", metavar="NAME=SOFT[:HARD]", action="append", default=[])
    add("--sysctl", metavar="NAME=VALUE", action="append", default=[], help="of its namespaces")
    add("--oom-score-adj", metavar="N", type=int, help="-1000 to 1000, the first to go")


def read_options(options: argparse.Namespace) -> Privileges:
    """Return what the options ask for; ValueError with a line for the user."""
    free: bool = options.privileged
    seccomp, no_new_privileges = "unconfined" if free else BUILTIN, not free
    for text in options.security_opt:
        name, value = _split(text, "=" if "=" in text else ":")  # docker's older form
        if name == "seccomp" and value:
            seccomp = BUILTIN if value == "builtin" else value
        elif name == "no-new-privileges" and value in ("", "true", "false"):
            no_new_privileges = value != "false"
        elif (name, value) not in (("apparmor", "unconfined"), ("label", "disable")):
            raise ValueError(f"--security-opt {text}: not supported")
    capabilities = merge_capabilities(["ALL"] * free + options.cap_add, options.cap_drop)
    adjust: int | None = options.oom_score_adj
    if adjust is not None and not -1000 <= adjust <= 1000:
        raise ValueError(f"--oom-score-adj {adjust}: it goes from -1000 to 1000")
    return Privileges(
        capabilities=capabilities,
        seccomp=None if seccomp == "unconfined" else read_profile(seccomp, Host.here(capabilities)),
        no_new_privileges=no_new_privileges,
        limits=tuple(parse_limit(text) for text in options.ulimit),
        oom_score_adj=adjust,
        sysctl=tuple(parse_sysctl(text) for text in options.sysctl),
        masked=not free,
    )


def merge_capabilities(added: Sequence[str], dropped: Sequence[str]) -> tuple[str, ...]:
    """Return docker's answer to ``--cap-add`` and ``--cap-drop``.

    What is dropped by name is not there, whoever added it; ALL stands for all others.
    """
    added, dropped = ([_capability(text) for text in texts] for texts in (added, dropped))
    base = NUMBERS if "ALL" in added else () if "ALL" in dropped else CAPABILITIES
    wanted = ({*base, *added} - {*dropped}) - {"ALL"}
    return tuple(sorted(wanted))


def parse_limit(text: str) -> dict[str, Any]:
    """Read docker's ``NAME=SOFT[:HARD]``; -1 is no limit."""
    name, value = _split(text)
    soft, colon, hard = value.partition(":")
    if name not in _LIMITS:
        raise ValueError(f"--ulimit {text}: the names are {' '.join(sorted(_LIMITS))}")
    numbers = [_limit(part, text) for part in (soft, hard if colon else soft)]
    if numbers[0] > numbers[1]:
        raise ValueError(f"--ulimit {text}: the soft limit is above the hard one")
    return {"type": f"RLIMIT_{name.upper()}", "soft": numbers[0], "hard": numbers[1]}


def parse_sysctl(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``; whether it belongs to the box is the launcher's to say."""
    name, value = _split(text)
    if not name or "=" not in text or "\0" in value:
        raise ValueError(f"--sysctl {text}: it looks like NAME=VALUE")
    return name, value


def _split(text: str, by: str = "=") -> tuple[str, str]:
    name, _, value = text.partition(by)
    return name, value


def _capability(text: str) -> str:
    name = text.upper()
    if name == "ALL":
        return name
    name = f"CAP_{name.removeprefix('CAP_')}"
    if name not in NUMBERS:
        raise ValueError(f"there is no capability {text!r}")
    return name


def _limit(text: str, whole: str) -> int:
    if text == "-1":
        return _UNLIMITED
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"--ulimit {whole}: a limit is a number, or -1 for none")
    return int(text)
