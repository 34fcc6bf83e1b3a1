"""Run by ``tests/boxes.py`` beside ``box_driver.py``: builds one box and joins it, again and again.

The request is the box's (see there) and ``joins``, a list of: ``args``, ``tty``, ``user``,
``home``, ``stdin`` (text), ``edit`` ([path, value] pairs set in the ``process``), ``by`` ("pid":
as a stranger who has only the pid of pid 1), ``signal`` (sent once it said ready). ``together``
starts all before it waits for any. The box's program has said ``ready`` before, and is killed
behind them; with ``dying`` it is killed before.
"""

from __future__ import annotations

import copy
import errno
import json
import os
import select
import signal
import sys
import time
from typing import Any

import box_driver as bd

from ptylaunch import programspec as specs
from ptylaunch.container import Box, build
from ptylaunch.errors import LaunchFailed
from ptylaunch.join import Joining, confine, join
from ptylaunch.process import identify
from ptylaunch.target import open_target

Texts = dict[int, bytes]


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    state = sys.argv[1]
    bd.be_alone()
    bd.be_busy()
    spec = bd.prepare(request, state, bd.choose_maps(request["ids"]))
    before = bd.snapshot()
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    box = build(spec, state, stdio=(pipes[0][0], pipes[1][1], null))
    box.start()
    texts = {pipes[1][0]: b""}
    while b"ready" not in texts[pipes[1][0]]:
        texts[pipes[1][0]] += os.read(pipes[1][0], 4096)
    if request.get("dying"):
        box.kill()
    results = run_all(box, spec, request)
    box.kill()
    os.close(pipes[1][1])
    bd.read_to_end(texts)
    status = bd.reap(box.init_pid)
    box.close()
    for fd in (*pipes[0], pipes[1][0], null):
        os.close(fd)
    left = sorted(bd.snapshot() - before)
    report = {"output": bd.text(texts[pipes[1][0]]), "errors": "", "failure": None}
    print(json.dumps({**report, "status": status, "left": left, "info": {"joins": results}}))


def run_all(box: Box, spec: dict[str, Any], request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each join its ``failure``, or ``status``, ``output``, ``errors``, ``seconds``."""
    if request.get("together"):
        started = [(wish, *begin(box, spec, wish)) for wish in request["joins"]]
        return [finish(*each) for each in started]
    return [finish(wish, *begin(box, spec, wish)) for wish in request["joins"]]


def begin(box: Box, spec: dict[str, Any], wish: dict[str, Any]) -> tuple[Any, ...]:
    process = copy.deepcopy(spec["process"])
    process["args"] = wish["args"]
    process["terminal"] = wish.get("tty", False)
    process["consoleSize"] = {"height": 20, "width": 90}
    for path, value in wish.get("edit", ()):
        place: Any = process
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    ends = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    stdio = None if wish.get("tty") else (ends[0][0], ends[1][1], ends[2][1])
    target = box.target
    began = time.monotonic()
    joining: Joining | LaunchFailed
    try:
        if wish.get("by") == "pid":
            target = open_target(box.init_pid, identify(box.init_pid).started + wish.get("late", 0))
        program = confine(
            specs.read_program(process, {}), specs.read_program(spec["process"], spec["linux"])
        )
        joining = join(
            Joining(
                target,
                program,
                user=wish.get("user", ""),
                find_home=wish.get("home", False),
                stdio=stdio,
            )
        )
    except LaunchFailed as failure:
        joining = failure
    finally:
        if target is not box.target:
            target.close()
    return joining, ends, time.monotonic() - began


def finish(
    wish: dict[str, Any], joining: Joining | LaunchFailed, ends: list[Any], seconds: float
) -> dict[str, Any]:
    for fd in (ends[0][0], ends[1][1], ends[2][1]):
        os.close(fd)
    try:
        if isinstance(joining, LaunchFailed):
            return {
                "failure": str(joining),
                "stage": joining.stage,
                "errno": errno.errorcode.get(joining.errno, "?"),
                "exit_code": joining.exit_code,
            }
        out, err = ends[1][0], ends[2][0]
        if joining.pty_fd is not None:
            out = joining.pty_fd
        typed = wish.get("stdin", "").encode()
        os.write(joining.pty_fd if joining.pty_fd is not None else ends[0][1], typed)
        os.close(ends[0][1])
        texts = {out: b"", err: b""}
        if number := wish.get("signal"):
            while b"ready" not in texts[out]:
                select.select([out], [], [], bd.DEADLINE)
                texts[out] += os.read(out, 4096)
            os.kill(joining.pid, number)
        if joining.pty_fd is None:
            bd.read_to_end(texts)
        else:
            read_terminal(joining, texts)
        status = os.waitstatus_to_exitcode(os.waitpid(joining.pid, 0)[1])
        return {
            "failure": None,
            "status": status,
            "output": bd.text(texts[out]),
            "errors": bd.text(texts[err]),
            "seconds": seconds,
        }
    finally:
        if isinstance(joining, LaunchFailed):
            os.close(ends[0][1])
        elif joining.pty_fd is not None and joining.tty_fd is not None:
            os.close(joining.pty_fd)
            os.close(joining.tty_fd)
        os.close(ends[1][0])
        os.close(ends[2][0])


def read_terminal(joining: Joining, texts: Texts) -> None:
    assert joining.pty_fd is not None
    ended = os.pidfd_open(joining.pid)
    while True:
        ready = select.select([joining.pty_fd, ended], [], [], bd.DEADLINE)[0]
        assert ready, "it does not end"
        if joining.pty_fd not in ready:
            break
        texts[joining.pty_fd] += os.read(joining.pty_fd, 65536)
    os.close(ended)


if __name__ == "__main__":
    signal.alarm(80)
    main()
