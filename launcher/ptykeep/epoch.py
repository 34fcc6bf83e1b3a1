"""One epoch of a container: its box and its own program in it, from the build to the status."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any, Final

from ptykeep.process import UNFORWARDED, ignores, signal_child, signal_child_of
from ptykeep.session import Session, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptykeep.engine import RuntimeBox
    from ptykeep.network import Network
    from ptylaunch.container import Box

HELD_WITHIN: Final = 5.0
"""Seconds that all processes may take to be held, or let go: nothing else is done meanwhile."""


class Epoch:
    """``spec`` and ``options`` are the container's, ``directory`` its folder."""

    def __init__(
        self, number: int, spec: dict[str, Any], options: dict[str, Any], directory: str
    ) -> None:
        self.number = number
        self.box: Box | RuntimeBox | None = None
        self.init_pid = 0
        self.started = 0.0
        """In monotonic seconds."""
        self.network: Network | None = None
        self.session: Session | None = None
        self.kill_at: float | None = None
        """When the program is killed, if it has not ended by then."""
        self._spec = spec
        self._options = options
        self._directory = directory

    @property
    def is_over(self) -> bool:
        """Whether the program has ended, or was never there."""
        return self.session is None or self.session.status is not None

    # Its start, step by step

    def build(self, save: Callable[..., None], *, foreground: bool) -> None:
        """Build the box; its program waits. OSError or LaunchFailed."""
        from ptykeep.building import build_box  # most of it is only needed here

        self.session = open_session(self._spec["process"], stdin=bool(self._options["stdin"]))
        self.session.epoch = self.number
        self.session.foreground = foreground
        self.box = build_box(self._spec, self._options, self._directory, self.session, save)
        self.init_pid = self.box.init_pid

    def adopt(self) -> None:
        """Make the box's terminal the session's, who closes it from here on."""
        assert self.box is not None
        assert self.session is not None
        self.session.adopt(self.box.pty_fd, self.box.tty_fd)
        self.box.pty_fd = self.box.tty_fd = None

    def connect(self, place: str, state: dict[str, Any]) -> None:
        """Give the box its network, before its program runs."""
        assert self.box is not None
        wish = self._options.get("network")
        if wish is not None:
            from ptykeep.network import Network  # the same

            self.network = Network(wish, self._directory, place, state)
            self.network.start(self.box.target)

    def start(self) -> None:
        """Let the program run."""
        assert self.box is not None
        assert self.session is not None
        self.box.start()
        self.started = time.monotonic()
        self.session.close_program_ends()

    # Its life

    def stop(self, number: int, timeout: float) -> None:
        """Ask the program to end by a signal, and see to it in ``timeout`` seconds; < 0: never."""
        if timeout >= 0:
            at = time.monotonic() + timeout
            self.kill_at = at if self.kill_at is None else min(at, self.kill_at)
        self.signal(number)
        assert self.box is not None
        assert self.session is not None
        if self.session.tty and ignores(self.box.pid, number):
            # An interactive shell ignores SIGTERM; what ends one is its terminal going away.
            self.signal(signal.SIGHUP)

    def kill(self) -> None:
        """End all of the box at once."""
        self.kill_at = None
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the program; nobody gets one that comes too late."""
        if self.box is None or self.is_over:
            return
        if number == signal.SIGKILL:
            from ptylaunch.freezer import kill_all  # building the box has loaded it

            kill_all(self.box.cgroup)  # what v1's freezer holds does not die of a signal alone
        if number in UNFORWARDED and self.box.pid != self.box.init_pid:
            # To the program itself: pid 1 has no handler for these, or stops.
            signal_child_of(self.box.init_pid, self.box.pid, number)
        else:
            signal_child(self.box.init_pid, number)  # not yet reaped, so the pid is still its

    def hold(self) -> None:
        """Stop every process of the box where it is; LaunchFailed when that cannot be."""
        from ptylaunch.freezer import pause  # building the box has loaded it

        assert self.box is not None
        pause(self.box.cgroup, HELD_WITHIN)

    def release(self) -> None:
        """Let every process go on; LaunchFailed."""
        from ptylaunch.freezer import resume  # the same

        assert self.box is not None
        resume(self.box.cgroup, HELD_WITHIN)

    def limit(
        self, spec: dict[str, Any], resources: dict[str, Any], save: Callable[..., None]
    ) -> None:
        """Set limits, of which ``spec`` has all and ``resources`` those that change; LaunchFailed.

        A cgroup that could not keep them grows; what it has then is handed to ``save`` before.
        """
        from ptylaunch.allotment import update  # building the box has loaded it
        from ptylaunch.cgroup import doors_of, grow, grown
        from ptylaunch.container import Box
        from ptylaunch.resources import read_cgroups_path, read_resources

        assert self.box is not None
        if not isinstance(self.box, Box):
            self.box.limit(resources)
            return
        limits = read_resources(resources)
        cgroup = grown(self.box.cgroup, read_cgroups_path(spec), limits)
        if cgroup != self.box.cgroup:
            save(cgroup=cgroup.to_json())
            old, self.box.cgroup = self.box.cgroup, cgroup
            grow(old, cgroup)
            self.box.target = self.box.target._replace(cgroups=doors_of(cgroup))
        update(cgroup, limits)

    # Its end

    def end(self, status: int) -> bool:
        """Note what became of the program, which is reaped; return whether memory ran out.

        Whatever joined the box has ended and is reaped, too: the kernel holds pid 1 back until
        then (pid_namespaces(7)).
        """
        assert self.session is not None
        assert self.box is not None
        from ptylaunch.usage import oom_kills  # only needed once, at the end

        self.kill_at = None
        if self.network is not None:
            self.network.stop()
        self.session.status = status
        self.box.close_target()
        return oom_kills(self.box.cgroup) > 0

    def remove_cgroup(self, state: dict[str, Any], timeout: float) -> None:
        """Remove what the box was made of on the host; wait ``timeout`` seconds for its end."""
        from ptylaunch.cgroup import remove  # building the box has loaded it

        if state.get("runtime"):
            from ptykeep.runtime import release  # the same

            release(state)
        if self.box is not None and remove(self.box.cgroup, timeout):
            state["cgroup"] = None

    def close_box(self) -> None:
        """Let go of a box whose program has ended, but for what it has printed."""
        if self.network is not None:
            self.network.stop()
            self.network = None
        if self.box is not None:
            self.box.close()

    def abandon(self) -> None:
        """Undo a start that failed, with all that is there of it."""
        self.close_box()
        if self.session is not None:
            self.session.close()
