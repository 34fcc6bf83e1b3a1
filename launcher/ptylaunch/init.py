"""pid 1 of a box with an init: reaps, passes signals on, ends when the keeper or the program does.

It is a fork of the keeper, so it holds nothing: no capability, no fd but one pipe, and it is not
dumpable, or the program could read the keeper's environment and files through /proc/1.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
from typing import TYPE_CHECKING, Final, NoReturn

from ptylaunch import syscall as sc

if TYPE_CHECKING:
    from types import FrameType

    from ptylaunch.plan import Filter

NAME: Final = "ptyd-init"
"""What pid 1 is called, by ``comm`` and ``cmdline``: nothing of the host's paths."""
_LIFETIME: Final = 0
"""The fd of the pipe that the keeper holds open; end-of-file ends the box."""

CHANNEL: Final = 1

_KEPT: Final = frozenset(
    {
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGCHLD,
        # A fault of our own must not become the program's.
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSYS,
        signal.SIGTRAP,
        signal.SIGABRT,
    }
)
_CALLS: Final = (
    # What we do: wait for signals and the pipe, tell the caller, reap, pass signals on, end.
    *("poll", "ppoll", "read", "write", "sendto", "close", "wait4", "waitid", "kill"),
    *("rt_sigreturn", "rt_sigprocmask", "restart_syscall", "exit", "exit_group"),
    # What the interpreter and its C library do beside that: memory, locks, the time.
    *("brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "sched_yield"),
    *("clock_gettime", "clock_gettime64", "getpid", "gettid", "getrandom"),
)
"""All system calls that a pid 1 makes; any other is refused, whoever made it do that."""

_filters: list[Filter] = []

_GONE: Final = 137
"""128 + SIGKILL: the status when the keeper is gone."""


def keep_only(lifetime_fd: int, channel_fd: int) -> None:
    """Leave two fds open, as 0 and 1; the second until the caller has been told of us."""
    channel_fd = fcntl.fcntl(channel_fd, fcntl.F_DUPFD_CLOEXEC, 10)  # out of the way
    os.dup2(lifetime_fd, _LIFETIME, inheritable=False)
    os.dup2(channel_fd, CHANNEL, inheritable=False)
    sc.close_range(CHANNEL + 1)


def find_text(maps_fd: int) -> list[tuple[int, int]]:
    """Return where program text is mapped, by our ``maps`` (proc_pid_maps(5)); close the fd.

    Only what may be executed: other parts that cannot be written to were, by the linker.
    """
    with open(maps_fd, "rb") as file:
        lines = [line.split() for line in file]
    return [
        (int(start, 16), int(end, 16))
        for place, access, _, _, inode, *_ in lines
        for start, _, end in [place.partition(b"-")]
        if access == b"r-xp" and inode != b"0"
    ]


def forget_text(text: list[tuple[int, int]]) -> None:
    """Let go of the text that the build wanted, 3 MB: what waits for signals is a tenth of it."""
    for start, end in text:
        try:
            sc.forget_pages(start, end)
        except OSError:
            return  # locked into memory; it is no worse than before


def catch_signals() -> int:
    """Make every signal write its number to a pipe; return the end to read.

    A pid 1 only gets signals that it has a handler for (pid_namespaces(7)).
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in signal.valid_signals() - _KEPT | {signal.SIGCHLD}:
        signal.signal(number, _note)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    return read_fd


def own_filter() -> Filter | None:
    """Return the filter of a pid 1; None on a machine whose system calls we have no table of.

    The caller compiles it, once: all that a pid 1 writes to is memory of its own for good.
    """
    from ptylaunch.abi import own_family  # not for who has no init
    from ptylaunch.policy import ALLOW, ERRNO, Policy, Rule
    from ptylaunch.seccomp import compile_policy

    if not _filters and (family := own_family()):
        rules: dict[str, tuple[Rule, ...]] = {name: (Rule(ALLOW),) for name in _CALLS}
        _filters.append(compile_policy(Policy(ERRNO | errno.EPERM, family[:1], rules)))
    return _filters[0] if _filters else None


def confine(own: Filter | None) -> None:
    """Put the filter on ourselves, for good; it wants no_new_privs (seccomp(2))."""
    if own is not None:
        sc.load_filter(*own)


def serve(program_pid: int, signals_fd: int, text: list[tuple[int, int]]) -> NoReturn:
    """Wait for the program's end and exit with its status; the kernel then kills the rest.

    ``text`` is where the build's is mapped.
    """
    forget_text(text)
    poll = select.poll()
    poll.register(_LIFETIME, select.POLLIN)  # and POLLHUP, which is what comes
    poll.register(signals_fd, select.POLLIN)
    while True:
        _reap(program_pid)
        for fd, _ in poll.poll():
            if fd == _LIFETIME:
                os._exit(_GONE)
            for number in _read(signals_fd):
                if number != signal.SIGCHLD:
                    _forward(program_pid, number)


def exit_code(status: int) -> int:
    """Return the shell's number for a wait status: 128 + signal when one killed it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Nothing: the wakeup fd has it."""


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 512)
    except BlockingIOError:
        return b""


def _reap(program_pid: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            os._exit(_GONE)  # the program was ours and cannot have gone unseen
        if pid == program_pid:
            os._exit(exit_code(status))
        if pid == 0:
            return


def _forward(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it is just ending, or it has become another user
