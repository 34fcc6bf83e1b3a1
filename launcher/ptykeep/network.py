"""``--network private``: the box's way to the world, kept up as long as the box lives.

A helper with a tap in the box (``helper``, ``tap``), a filter on that (``wall``), routes to nowhere
so that who runs into the wall is told at once, and an eye on the host's addresses: the wall is
against those, and they change.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptykeep import helper, netlink, tap, wall
from ptykeep.helper import SLIRP, Ends, Port, Setup
from ptykeep.host import choose, claim, is_low, own_prefixes
from ptykeep.log import log
from ptykeep.removal import remove_tree
from ptykeep.tap import Wiring
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import host_id

if TYPE_CHECKING:
    from ptykeep.netlink import Prefix
    from ptylaunch.target import Target

FIRST_BACKOFF: Final = 0.1
LAST_BACKOFF: Final = 5.0
_LONG_LIFE: Final = 10.0
"""Seconds after which a helper's death says nothing about the next one."""

_READY_WITHIN: Final = 10.0
"""Seconds that a helper has until it carries packets."""
_LOOK_AGAIN: Final = 10
"""Milliseconds until a helper that announces nothing is looked at again."""

_PREFIX6: Final = "fd70:7479:6400::"
"""A unique local prefix (RFC 4193) of every box: they do not see each other."""
_BOX: Final = 100
_GATEWAY: Final = 2
_DNS: Final = 3
"""Last numbers of the addresses, as slirp4netns has them."""


class Wish(NamedTuple):
    """What ``ptyd run`` asks for; ``subnet`` is the first three numbers of an IPv4 address."""

    subnet: str
    ipv6: bool
    allow_host: bool
    ports: tuple[Port, ...]

    def setup(self, ports: tuple[Port, ...], place: str) -> Setup:
        six = Ends(*(f"{_PREFIX6}{number}" for number in (_BOX, _GATEWAY, _DNS)))
        four = Ends(*(f"{self.subnet}.{number}" for number in (_BOX, _GATEWAY, _DNS)))
        low = any(map(is_low, ports))
        return Setup(four, six if self.ipv6 else None, self.allow_host, low, ports, place)


class Network:
    """The network of one box; what can be told of it is ``state["network"]``."""

    def __init__(
        self, wish: dict[str, Any], folder: str, place: str, state: dict[str, Any]
    ) -> None:
        self.pid: int | None = None
        """The helper's; a child of ours."""
        self.restart_at: float | None = None
        self.host: socket.socket | None = None
        """Readable when the host's addresses may have changed."""
        self._state = state
        self._wish = _read_wish(wish)
        self._folder = folder
        self._place = place
        self._name = ""
        self._target: Target | None = None
        self._inside: socket.socket | None = None
        self._tap_fd = -1
        self._ports: tuple[Port, ...] = ()
        self._walled: set[Prefix] = set()
        """What the box has a route to nowhere for."""
        self._started = 0.0
        self._backoff = 0.0

    def start(self, target: Target) -> None:
        """Connect a box whose program waits; raise LaunchFailed or OSError."""
        self._target = target
        self._ports = tuple(map(claim, self._wish.ports))
        self._name = choose(self._ports)
        self._make_place(target)
        self._inside = tap.open_inside(target, ipv6=self._wish.ipv6)
        self.host = netlink.open_netlink(netlink.ADDRESSES | netlink.ROUTES)
        self.host.setblocking(False)
        self._connect()

    def is_host(self, fd: int) -> bool:
        """Tell whether ``fd`` is the host's socket."""
        return self.host is not None and fd == self.host.fileno()

    def on_host_change(self) -> bool:
        """Let the wall stand before what the host has now; return whether the state has changed."""
        assert self.host is not None
        try:
            while self.host.recv(1 << 16):
                pass
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # more has changed than fits: look all the same
                raise
        if self.pid is None:
            return False
        try:
            self._wall()
        except (LaunchFailed, OSError) as error:
            self._end_helper()  # rather no network than one without a wall
            self._plan_next(str(error))
            return True
        return False

    def on_reaped(self, code: int) -> None:
        """The helper has ended by itself."""
        self.pid = None
        self._close_tap()
        if time.monotonic() - self._started > _LONG_LIFE:
            self._backoff = 0.0
        self._plan_next(f"{self._name} ended with {code}")

    def on_time(self, now: float) -> bool:
        """Start the helper again when it is due; return whether the state has changed."""
        if self.restart_at is None or now < self.restart_at:
            return False
        try:
            self._connect()
        except (LaunchFailed, OSError) as error:
            self._plan_next(str(error))
        return True

    def stop(self) -> None:
        """End the helper; published ports are free when this returns."""
        self._end_helper()
        self.restart_at = None
        for sock in (self.host, self._inside):
            if sock is not None:
                sock.close()
        self.host = self._inside = self._target = None
        self._state["network"] = None
        remove_tree(self._place)

    def _make_place(self, target: Target) -> None:
        """Make the helper's folder, which belongs to who it is: the box's root."""
        os.mkdir(self._place, 0o700)
        if os.geteuid() == 0:
            uid, gid = host_id(0, target.uid_map), host_id(0, target.gid_map)
            os.chown(self._place, 0 if uid is None else uid, 0 if gid is None else gid)

    def _connect(self) -> None:
        """Start a helper, put the wall before it, and only then switch the interface on."""
        assert self._target is not None
        assert self._inside is not None
        setup = self._wish.setup(self._ports, self._place)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        log_fd = os.open(f"{self._folder}/network.log", flags, 0o600)
        try:
            self.pid = helper.start(self._name, self._target, setup, log_fd)
            self._started = time.monotonic()
            self._await(setup, log_fd)
            self._wall()
            tap.connect(self._inside, _wiring(setup))
        except BaseException:
            self._end_helper()
            raise
        finally:
            os.close(log_fd)
        self.restart_at = None
        self._state["network"] = {
            "helper": self._name,
            "pid": self.pid,
            "status": "up",
            "address": setup.four.box,
            "ports": [port._asdict() for port in self._ports],
        }

    def _await(self, setup: Setup, log_fd: int) -> None:
        """Wait until the helper is at work; raise LaunchFailed with what it says if not."""
        assert self.pid is not None
        deadline = time.monotonic() + _READY_WITHIN
        witness = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(witness, select.POLLIN)
            while not self._is_ready(setup):
                if poll.poll(_LOOK_AGAIN):
                    reason = helper.say_why(log_fd) or "it ended"
                    raise LaunchFailed("network", 0, f"{self._name}: {reason}")
                if time.monotonic() > deadline:
                    raise LaunchFailed("network", errno.ETIMEDOUT, self._name)
        finally:
            os.close(witness)

    def _is_ready(self, setup: Setup) -> bool:
        assert self.pid is not None
        if self._tap_fd < 0:
            self._tap_fd = tap.take(self.pid)
        if self._tap_fd >= 0 and self._name == SLIRP:  # it may still fail to hide itself
            try:
                helper.publish(setup)
            except (FileNotFoundError, ConnectionError):
                return False
        return self._tap_fd >= 0

    def _wall(self) -> None:
        """Keep the box from what the host has now; raise LaunchFailed or OSError if it cannot."""
        assert self._inside is not None
        if self._wish.allow_host:
            return
        host = own_prefixes()
        try:
            program = wall.make_filter(host)
        except ValueError as error:
            raise LaunchFailed("network", 0, str(error)) from None
        tap.arm(self._tap_fd, wall.pack(program))
        wanted = {*wall.UNROUTED, *host}
        if not self._wish.ipv6:
            wanted = {prefix for prefix in wanted if prefix.family == socket.AF_INET}
        for prefix in self._walled - wanted:
            netlink.remove_unreachable(self._inside, prefix)
        for prefix in wanted - self._walled:
            netlink.add_unreachable(self._inside, prefix)
        self._walled = wanted

    def _plan_next(self, reason: str) -> None:
        self._backoff = min(max(FIRST_BACKOFF, self._backoff * 2), LAST_BACKOFF)
        self.restart_at = time.monotonic() + self._backoff
        log(f"the box has no network: {reason}")
        last: dict[str, Any] = self._state.get("network") or {}
        self._state["network"] = {**last, "status": "down", "pid": None, "reason": reason}

    def _end_helper(self) -> None:
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it was reaped
            self.pid = None
        self._close_tap()
        try:
            os.unlink(f"{self._place}/{helper.API}")
        except FileNotFoundError:
            pass

    def _close_tap(self) -> None:
        if self._tap_fd >= 0:
            os.close(self._tap_fd)
            self._tap_fd = -1


def _wiring(setup: Setup) -> Wiring:
    addresses = [netlink.prefix_of(f"{setup.four.box}/24")]
    gateways = [netlink.prefix_of(f"{setup.four.gateway}/32").address]
    if setup.six:
        addresses.append(netlink.prefix_of(f"{setup.six.box}/64"))
        gateways.append(netlink.prefix_of(f"{setup.six.gateway}/128").address)
    return Wiring(addresses, gateways)


def _read_wish(wish: dict[str, Any]) -> Wish:
    ports = tuple(Port(**fields) for fields in wish["ports"])
    return Wish(wish["subnet"], wish["ipv6"], wish["allow_host"], ports)
