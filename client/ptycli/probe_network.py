"""Whether a box could get a network of its own: one is connected, as a keeper does it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from typing import Any, Final

from ptycli.idmap import rooted, rootless
from ptycli.probe import Probe, Result, in_user_namespace, limited, missing, ok
from ptycli.probe_host import write_maps
from ptykeep import state
from ptykeep.host import choose
from ptykeep.network import Network
from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.target import open_target

_INSTALL: Final = "apt-get install passt, or slirp4netns"
_TUN: Final = "/dev/net/tun"
_TUNGETFEATURES: Final = 0x800454CF  # linux/if_tun.h


def _tun() -> Result:
    fault = tun_fault()
    return missing(*fault) if fault else ok("there, and ours to open")


def tun_fault() -> tuple[str, str] | None:
    """Return what is wrong with the device that every helper opens, and what would help."""
    try:
        fd = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return "it is closed to you", f"chmod 666 {_TUN}: making a tap wants more rights anyway"
    except OSError as error:
        return error.strerror or "", f"modprobe tun, or mknod -m 666 {_TUN} c 10 200"
    try:
        fcntl.ioctl(fd, _TUNGETFEATURES, bytes(4))
    except OSError:
        return "it is another device", f"remove it, and mknod -m 666 {_TUN} c 10 200"
    finally:
        os.close(fd)
    return None


def _private() -> Result:
    """Connect the namespaces of a child, which then ends with them."""
    try:
        choose()
    except LaunchFailed as failure:
        installed = "route" in failure.detail
        return limited(failure.detail) if installed else missing(failure.detail, _INSTALL)
    maps = rooted(state.RANGE_FIRST) if os.geteuid() == 0 else rootless()
    child, hold = in_user_namespace(sc.CLONE_NEWNET)
    told: dict[str, Any] = {}
    wish: dict[str, Any] = {"subnet": "10.0.2", "ipv6": False, "allow_host": False, "ports": []}
    try:
        complaint = write_maps(child, maps)
        if complaint:
            return missing(complaint, "see ids")
        with tempfile.TemporaryDirectory(prefix="ptyd-doctor-") as folder:
            network = Network(wish, folder, f"{folder}/helper", told)
            target = open_target(child)
            try:
                network.start(target)
                return ok(f"by {told['network']['helper']}")
            except LaunchFailed as failure:
                if tun_fault():  # which the helper does not say
                    return missing(f"{choose()} cannot use {_TUN}", f"see {_TUN}")
                return missing(str(failure), f"the other of pasta and slirp4netns: {_INSTALL}")
            finally:
                network.stop()
                target.close()
    finally:
        os.close(hold)
        os.waitpid(child, 0)


NETWORK_PROBES: Final = (
    Probe(_TUN, _tun),
    Probe("private network", _private, advice=_INSTALL),
)
