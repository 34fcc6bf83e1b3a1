"""Run by ``tests/boxes.py`` as a process of its own: builds one box, reports as JSON.

``build`` makes its process a subreaper and forks it, which the test process is spared. The request
on standard input: ``args``, ``ids`` (range or single), ``tty``, ``init``, ``network``, ``volumes``
(SRC:DST[:ro]), ``env``, ``edit`` ([path, value] pairs set in the spec), ``stdin`` (text),
``slow`` (seconds that pid 1 takes to catch signals), ``repeat``, ``files`` (made in the state
folder first), ``upper`` (a folder of those whose folders the box's root owns), ``first`` and
``add`` (mounts before and behind the others), ``look`` (files of the state folder to be read at the
end), ``links`` (put in the root's places), and ``then``: ``wait``; once the program has
said ``ready``, ``lifetime`` closes the pipe, ``pause`` tries the verbs of its cgroup, ``limits``
reads them, ``orphan`` kills the building process, a number is a signal; ``abandon`` kills the
building process before the program was let go.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import sys
import time
from typing import Any

from ptycli.idmap import IdMaps, rooted, rootless
from ptycli.mount import parse_volume
from ptycli.skeleton import build_skeleton
from ptycli.spec import BoxOptions, make_spec
from ptylaunch import init
from ptylaunch import syscall as sc
from ptylaunch.allotment import update
from ptylaunch.cgroup import remove
from ptylaunch.container import Box, build
from ptylaunch.errors import LaunchFailed
from ptylaunch.freezer import is_paused, pause, processes, resume
from ptylaunch.hierarchy import find_hierarchies
from ptylaunch.plan import IdRange, Resources
from ptylaunch.usage import stats

BASE = 524288
LONELY = 54321
DEADLINE = 30.0
MINE = f"ptyd-box-{os.getpid()}"
"""Name of the box's cgroup, where a spec names MINE."""


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    state = sys.argv[1]
    be_alone()
    be_busy()
    if "slow" in request:
        slow_down(request["slow"])
    maps = choose_maps(request["ids"])
    for name, text in request.get("files", {}).items():
        path = os.path.join(state, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        # Modes as an archive would bring them: a lower layer is read by others of the box, too.
        for each in (os.path.dirname(path), path):
            os.chmod(each, 0o755)
    if "upper" in request and maps.rooted:
        for name in os.listdir(os.path.join(state, request["upper"])):
            os.chown(os.path.join(state, request["upper"], name), maps.root_uid, maps.root_gid)
    spec = prepare(request, state, maps)
    before = snapshot()
    result: dict[str, Any] = {"status": None, "output": "", "errors": "", "failure": None}
    info: dict[str, Any] = {"notice": maps.notice, "seconds": []}
    try:
        for _ in range(request.get("repeat", 1)):
            started = time.monotonic()
            result |= run(request, spec, state, info)
            info["seconds"].append(time.monotonic() - started)
    except LaunchFailed as failure:
        result["failure"] = {
            "stage": failure.stage,
            "errno": errno.errorcode.get(failure.errno, failure.errno),
            "text": str(failure),
            "exit_code": failure.exit_code,
        }
    left = sorted(snapshot() - before)
    outside = os.path.join(state, "outside")
    if os.path.isdir(outside):
        info["outside"] = sorted(os.listdir(outside))
    info["look"] = [read(os.path.join(state, name)) for name in request.get("look", ())]
    print(json.dumps({**result, "left": left, "info": info}))


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def be_busy() -> None:
    """Have what a keeper has and a box must not: handlers, a wakeup fd, a mask, ignored signals."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.set_inheritable(os.dup(read_fd), True)  # as a careless caller has it


def choose_maps(ids: str) -> IdMaps:
    root = os.geteuid() == 0
    if ids == "range":
        return rooted(BASE) if root else rootless()
    uid, gid = (LONELY, LONELY) if root else (os.getuid(), os.getgid())
    return IdMaps((IdRange(0, uid, 1),), (IdRange(0, gid, 1),), rooted=root)


def prepare(request: dict[str, Any], state: str, maps: IdMaps) -> dict[str, Any]:
    os.umask(0o077)
    volumes = [parse_volume(text.replace("STATE", state)) for text in request.get("volumes", ())]
    os.mkdir(os.path.join(state, "bundle"))
    build_skeleton(
        os.path.join(state, "bundle/rootfs"),
        etc={"hosts": "127.0.1.1\tbrave_otter\n", "hostname": "brave_otter\n"},
        binds=[volume.mount_point for volume in volumes],
        owner=(maps.root_uid, maps.root_gid) if os.geteuid() == 0 else None,
    )
    for name, target in request.get("links", {}).items():
        path = os.path.join(state, "bundle/rootfs", name)
        if os.path.isdir(path):
            os.rmdir(path)
        os.symlink(target.replace("STATE", state), path)
    options = BoxOptions(
        args=request["args"],
        maps=maps,
        hostname="brave_otter",
        env=request.get("env", ()),
        tty=request.get("tty", False),
        rows=33,
        cols=101,
        volumes=volumes,
        network=request.get("network", "none"),
    )
    spec = make_spec(options)
    if not request.get("init", True):
        spec["annotations"] = {}
    spec["mounts"] = [*request.get("first", ()), *spec["mounts"], *request.get("add", ())]
    for path, value in request.get("edit", ()):
        place: Any = spec
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = MINE if value == "MINE" else value
    return spec


def slow_down(seconds: float) -> None:
    """Have pid 1 be late with its handlers, as on a busy machine."""
    catch_signals = init.catch_signals

    def catch_late() -> int:
        time.sleep(seconds)
        return catch_signals()

    init.catch_signals = catch_late


def run(request: dict[str, Any], spec: dict[str, Any], state: str, info: dict[str, Any]) -> Any:
    if spec["process"].get("terminal"):
        return run_in_terminal(request, spec, state, info)
    in_read, in_write = os.pipe2(os.O_CLOEXEC)
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    ours, theirs = [in_write, out_read, err_read], [in_read, out_write, err_write]
    try:
        then = request.get("then")
        if then in ("orphan", "abandon"):
            info["builder"], info["init_pid"] = build_in_a_child(spec, state, theirs, then)
            box = None
        else:
            box = build(spec, state, stdio=(in_read, out_write, err_write))
            info["cgroup"] = box.cgroup.to_json()
            info["within"] = {box.init_pid, box.pid} == set(processes(box.cgroup))
            box.start()
        close(theirs)
        os.write(in_write, request.get("stdin", "").encode())
        os.close(ours.pop(0))
        texts = {out_read: b"", err_read: b""}
        interfere(request, box, info, out_read, texts)
        read_to_end(texts)
        status = reap(box.init_pid if box else info["init_pid"])
        if box:
            box.close()
            info["removed"] = remove(box.cgroup)
        return {"status": status, "output": text(texts[out_read]), "errors": text(texts[err_read])}
    finally:
        close(ours)
        close(theirs)


def run_in_terminal(
    request: dict[str, Any], spec: dict[str, Any], state: str, info: dict[str, Any]
) -> Any:
    box = build(spec, state)
    info["nonblocking"] = not os.get_blocking(box.pty_fd or 0)
    info["inheritable"] = [os.get_inheritable(fd or 0) for fd in (box.pty_fd, box.tty_fd)]
    box.start()
    assert box.pty_fd is not None
    os.write(box.pty_fd, request.get("stdin", "").encode())
    texts = {box.pty_fd: b""}
    exited = os.pidfd_open(box.init_pid)
    interfere(request, box, info, box.pty_fd, texts)
    deadline = time.monotonic() + DEADLINE
    while select.select([box.pty_fd, exited], [], [], deadline - time.monotonic())[0] != [exited]:
        texts[box.pty_fd] += os.read(box.pty_fd, 65536)
    os.close(exited)
    output = text(texts[box.pty_fd])
    info["same"] = box.pid == box.init_pid
    status = reap(box.init_pid)
    box.close()
    return {"status": status, "output": output}


def interfere(
    request: dict[str, Any], box: Box | None, info: dict[str, Any], fd: int, texts: dict[int, bytes]
) -> None:
    then = request.get("then", "wait")
    if then == "wait":
        return
    while then != "abandon" and b"ready" not in texts[fd]:
        assert select.select([fd], [], [], DEADLINE)[0], "the program says nothing"
        texts[fd] += os.read(fd, 65536)
    if then in ("orphan", "abandon"):
        os.kill(info["builder"], signal.SIGKILL)
        os.waitpid(info["builder"], 0)
        return
    assert box is not None
    if then == "pause":
        pause(box.cgroup)
        info["paused"] = [is_paused(box.cgroup)]
        update(box.cgroup, Resources(pids=77))
        info["usage"] = stats(box.cgroup)._asdict()
        resume(box.cgroup)
        info["paused"].append(is_paused(box.cgroup))
        box.kill(signal.SIGTERM)
    elif then == "limits":
        info["pids_limit"] = stats(box.cgroup).pids_limit
        box.kill()
    elif then == "lifetime":
        os.close(box.lifetime_fd)
        box.lifetime_fd = -1
    else:
        box.kill(then)


def build_in_a_child(
    spec: dict[str, Any], state: str, fds: list[int], then: str
) -> tuple[int, int]:
    """Build and start in a child; its orphans become ours, since the driver is a subreaper too."""

    sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)
    told_read, told_write = os.pipe2(os.O_CLOEXEC)
    builder = os.fork()
    if builder == 0:
        box = build(spec, state, stdio=(fds[0], fds[1], fds[2]))
        if then == "orphan":
            box.start()
        os.write(told_write, f"{box.init_pid} ".encode())
        signal.pause()
    os.close(told_write)
    init_pid = int(os.read(told_read, 32))
    os.close(told_read)
    return builder, init_pid


def read_to_end(texts: dict[int, bytes]) -> None:
    open_fds = set(texts)
    deadline = time.monotonic() + DEADLINE
    while open_fds:
        ready = select.select(list(open_fds), [], [], deadline - time.monotonic())[0]
        assert ready, "the box does not end"
        for fd in ready:
            data = os.read(fd, 65536)
            texts[fd] += data
            if not data:
                open_fds.discard(fd)


def reap(pid: int) -> int:
    pidfd = os.pidfd_open(pid)
    assert select.select([pidfd], [], [], DEADLINE)[0], "pid 1 does not end"
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def close(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def be_alone() -> None:
    """See no mounts that others make meanwhile, in a copy of the host's that is shared as those."""
    if os.geteuid() == 0:
        sc.unshare(sc.CLONE_NEWNS)
        sc.mount(None, "/", None, sc.MS_REC | sc.MS_PRIVATE)
        sc.mount(None, "/", None, sc.MS_REC | sc.MS_SHARED)


def snapshot() -> set[str]:
    """Everything that a box may leave behind in this process and on this host.

    The host's mounts are no ordinary user's to change.
    """
    found = set()
    if os.geteuid() == 0:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            found |= {f"mount {line.split()[4]}" for line in file}
    for name in os.listdir("/proc/self/fd"):
        try:
            fcntl.fcntl(int(name), fcntl.F_GETFD)
        except OSError:
            continue  # the fd of this very listing
        found.add(f"fd {name} {os.readlink(f'/proc/self/fd/{name}').partition(':')[0]}")
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
        found |= {f"child {pid}" for pid in file.read().split()}
    for line in find_hierarchies():
        for base in {line.folder, line.own}:
            found |= {f"cgroup {base}/{name}" for name in os.listdir(base) if MINE in name}
    return found


if __name__ == "__main__":
    main()
