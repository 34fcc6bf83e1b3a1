"""Options of docker's that are not here: refused by name, with the reason, in one line.

And those that ask for what is the case anyway, which are taken.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ptycli.arguments import MISTAKEN, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

_HEALTH: Final = "there are no health checks: ptyd expect waits for what a program shows"
_DEVICES: Final = "devices are not counted or ruled: --device gives one"
_NAMESPACE: Final = "the box has namespaces of its own: only private is to be had"
_ADDRESS: Final = "a box has no address that others could reach: -p leads into it"
_VOLUMES: Final = "-v NAME:DIR has the same volume in several boxes"
_WINDOWS: Final = "that is of Windows"

_ABSENT: Final = {
    **dict.fromkeys(("health-cmd", "health-interval", "health-retries", "health-timeout"), _HEALTH),
    **dict.fromkeys(("health-start-period", "health-start-interval"), _HEALTH),
    **dict.fromkeys(("blkio-weight", "blkio-weight-device", "device-cgroup-rule"), _DEVICES),
    **dict.fromkeys(("device-read-bps", "device-read-iops"), _DEVICES),
    **dict.fromkeys(("device-write-bps", "device-write-iops"), _DEVICES),
    "gpus": "--device gives the box a device",
    **dict.fromkeys(("ip", "ip6", "link", "link-local-ip", "mac-address"), _ADDRESS),
    "network-alias": _ADDRESS,
    **dict.fromkeys(("volumes-from", "volume-driver"), _VOLUMES),
    **dict.fromkeys(("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"), _WINDOWS),
    **dict.fromkeys(("cpu-rt-period", "cpu-rt-runtime"), "--cpus limits processor time"),
    **dict.fromkeys(("kernel-memory", "memory-swappiness"), "--memory counts all of it"),
    "oom-kill-disable": "--oom-score-adj has others killed first",
    "cgroup-parent": "a box has a cgroup of its own",
    "storage-opt": "--log-max bounds the log, a box's files are bounded by the disk",
    "attach": "all three are attached: -d attaches none, --no-stdin leaves stdin out",
    "domainname": "--hostname is all the name it has",
    "use-api-socket": "there is no daemon",
}
"""What is not here and why, or what is in its place."""
_FLAGS: Final = ("oom-kill-disable", "use-api-socket")
"""Those that take no value."""
_PRIVATE: Final = ("ipc", "pid", "uts", "userns", "cgroupns")


class _Absent(argparse.Action):
    """Refuses an option."""

    def __call__(self, *given: Any, **_: Any) -> NoReturn:
        raise Failure(f"{given[3]}: {_ABSENT[self.dest]}", MISTAKEN)


class _Private(argparse.Action):
    """Takes what is the case: a namespace of the box's own."""

    def __call__(self, *given: Any, **_: Any) -> None:
        if given[2] not in ("", "private"):
            raise Failure(f"{given[3]} {given[2]}: {_NAMESPACE}", MISTAKEN)


def add_options(add: Callable[..., Any]) -> None:
    """Add them all, unseen in ``--help``."""
    hidden = argparse.SUPPRESS
    for name in _ABSENT:
        short = ("-a",) if name == "attach" else ()
        nargs = {"nargs": 0} if name in _FLAGS else {}
        add(*short, f"--{name}", dest=name, action=_Absent, default=hidden, help=hidden, **nargs)
    for name in _PRIVATE:
        add(f"--{name}", dest=name, action=_Private, default=hidden, help=hidden)
    for flags in (("-q", "--quiet"), ("--no-healthcheck",), ("--disable-content-trust",)):
        add(*flags, dest="nothing", action="store_true", default=hidden, help=hidden)
    add("--pull", choices=("missing", "never"), default=hidden, help=hidden)
    add("--isolation", choices=("", "default"), default=hidden, help=hidden)
