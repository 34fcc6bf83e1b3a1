"""Hooks: programs of the spec's author that run at six points of a container's life.

In order (runtime-spec, config.md, "POSIX-platform Hooks"): ``prestart``, ``createRuntime`` (on the
host, once the box is built and before it has entered its root), ``createContainer`` (then too, but
in the box's namespaces), ``startContainer`` (in the box, just before the program, as its user),
``poststart`` (on the host), ``poststop`` (on the host, when the container is gone).
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptylaunch.child import keep_only
from ptylaunch.errors import LaunchFailed
from ptylaunch.value import absolute_at, as_dict, bad, dict_at, int_at, list_at, strings_at

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = (
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
)  # fmt: skip
_SAID: Final = 512
"""Bytes of a failed hook's output that are told, its last ones."""


_FAILED: Final = "error running "
"""What the stage of a failure begins with, in runc's words."""


class Hook(NamedTuple):
    """``timeout`` is in seconds, None for none; without ``env`` it is inherited.

    ``place`` is its place among those of its kind, from 0 on.
    """

    kind: str
    place: int
    path: str
    args: tuple[str, ...]
    env: tuple[str, ...] | None
    timeout: int | None


def read_hooks(spec: dict[str, Any]) -> tuple[Hook, ...]:
    """Return all hooks of a spec; LaunchFailed("spec", …) when one is not good."""
    fields = dict_at(spec, "hooks", "hooks")
    if unknown := set(fields) - set(KINDS):
        raise bad(f"hooks.{min(unknown)} is not supported")
    return tuple(
        _hook(kind, index, entry)
        for kind in KINDS
        for index, entry in enumerate(list_at(fields, kind, f"hooks.{kind}"))
    )


def _hook(kind: str, index: int, entry: object) -> Hook:
    where = f"hooks.{kind}[{index}]"
    fields = as_dict(entry, where)
    path = absolute_at(fields, "path", where + ".path")
    args = strings_at(fields, "args", where + ".args")
    env = None if fields.get("env") is None else strings_at(fields, "env", where + ".env")
    timeout = int_at(fields, "timeout", where + ".timeout", -1)
    if timeout == 0:
        raise bad(f"{where}.timeout must be greater than zero")
    return Hook(kind, index, path, args or (path,), env, timeout if timeout > 0 else None)


def run_hooks(
    hooks: tuple[Hook, ...],
    state: dict[str, Any],
    *kinds: str,
    env: Mapping[str, str] = os.environ,
) -> None:
    """Run those of ``kinds`` one after the other, until one fails: LaunchFailed("… hook", …).

    ``env`` is for hooks that name none, as runc and crun have it.
    """
    for kind in kinds:
        for hook in hooks:
            if hook.kind == kind:
                _run(hook, json.dumps(state).encode(), env)


def is_of_hook(failure: LaunchFailed) -> bool:
    """Tell whether it was a hook that failed."""
    return failure.stage.startswith(_FAILED)


def _run(hook: Hook, state: bytes, env: Mapping[str, str]) -> None:
    """Run one hook with the state as its standard input.

    Both its input and its output are files in memory: no pipe can fill up, and none is held open
    by a daemon that a hook leaves behind.
    """
    stage = f"{_FAILED}{hook.kind} hook #{hook.place}"
    input_fd, output_fd = os.memfd_create("state"), os.memfd_create("output")
    try:
        os.write(input_fd, state)
        os.lseek(input_fd, 0, os.SEEK_SET)
        pid = os.fork()
        if pid == 0:
            _become(hook, env, input_fd, output_fd)
        if not _ends(pid, hook.timeout):
            _kill_group(pid)
            os.waitpid(pid, 0)
            raise LaunchFailed(stage, errno.ETIMEDOUT, hook.path)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            detail = (
                f"{hook.path} exited with {code}" if code > 0 else f"{hook.path}: signal {-code}"
            )
            raise LaunchFailed(stage, 0, ": ".join(filter(None, (detail, _last_words(output_fd)))))
    finally:
        os.close(input_fd)
        os.close(output_fd)


def _become(hook: Hook, env: Mapping[str, str], input_fd: int, output_fd: int) -> None:
    """Be the hook, in a fork; never returns. What goes wrong is said where its output goes."""
    try:
        os.setsid()  # its own group, so that a timeout ends all of it
        for fd, number in ((input_fd, 0), (output_fd, 1), (output_fd, 2)):
            os.dup2(fd, number)
        keep_only(())
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        if hook.env is not None:
            env = dict(entry.split("=", 1) for entry in hook.env if "=" in entry)
        os.execve(hook.path, list(hook.args), env)
    except BaseException as error:  # noqa: BLE001 - it must not go on as a copy of us
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        os.write(2, str(reason).encode())
    os._exit(127)


def _ends(pid: int, timeout: int | None) -> bool:
    if timeout is None:
        return True
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(fd)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it did not come so far as to lead a group
        os.kill(pid, signal.SIGKILL)


def _last_words(fd: int) -> str:
    size = os.fstat(fd).st_size
    text = os.pread(fd, _SAID, max(0, size - _SAID)).decode("utf-8", "replace")
    return " ".join(text.split())
