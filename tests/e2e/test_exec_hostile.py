"""A container whose program lies in wait for what ``exec`` sends in (CVE-2016-9962, 2019-5736)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ptylaunch.entrant import NAME

if TYPE_CHECKING:
    from ordinary_user import Account
    from ptyd_user import Container, Ptyd
    from wire_client import WireClient

# Runs inside, as root of the box. It knows a process that has not executed its program yet by its
# command line, stops it and takes its time.
AMBUSH = r"""
import ctypes, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4

def tried(do):
    try:
        return ["got", str(do())]
    except OSError as error:
        return ["refused", error.strerror]

def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def attack(pid):
    base = f"/proc/{pid}/"
    buffer = ctypes.create_string_buffer(64)
    class Vec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    local, remote = Vec(ctypes.addressof(buffer), 64), Vec(0x400000, 64)
    found = {name: tried(lambda: os.readlink(base + name)) for name in ("exe", "cwd", "root")}
    found |= {name: tried(lambda: open(base + name, "rb").read(16)) for name in
              ("environ", "mem", "maps", "auxv", "stack", "io")}
    found |= {name: tried(lambda: os.listdir(base + name)) for name in ("fd", "map_files")}
    found |= {f"fd/{n}": tried(lambda: os.open(base + f"fd/{n}", os.O_RDONLY)) for n in range(12)}
    found["exe, to write"] = tried(lambda: os.open(base + "exe", os.O_WRONLY))
    found["ns/mnt"] = tried(lambda: os.readlink(base + "ns/mnt"))
    found["attach"] = tried(lambda: called(libc.ptrace(16, pid, 0, 0)))
    found["seize"] = tried(lambda: called(libc.ptrace(0x4206, pid, 0, 0)))
    found["readv"] = tried(lambda: called(libc.process_vm_readv(
        pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)))
    pidfd = os.pidfd_open(pid)
    found["getfd"] = tried(lambda: called(libc.syscall(438, pidfd, 0, 0)))
    os.close(pidfd)
    return found

def command(pid):
    try:
        return open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        return b""

def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"

WORD = sys.argv[1].encode()
baseline = os.fork()
if baseline == 0:
    signal.pause()
print(json.dumps({"baseline": attack(baseline)}), flush=True)
os.kill(baseline, signal.SIGKILL)
while True:
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) in (1, os.getpid()):
            continue
        pid = int(name)
        if WORD in command(pid):
            try:
                os.kill(pid, signal.SIGSTOP)
                while state(pid) not in "TZX":
                    pass
                if WORD not in command(pid):  # it was faster: it is its own program by now
                    os.kill(pid, signal.SIGCONT)
                    continue
                print(json.dumps({"caught": attack(pid)}), flush=True)
                if len(sys.argv) > 2:
                    signal.pause()  # it stays stopped
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
"""
SNEAK = """#!/proc/self/exe
import os
try:
    fd = os.open("/proc/self/exe", os.O_WRONLY)
    print("opened", os.readlink("/proc/self/exe"))
except OSError as error:
    print("refused", error.strerror, os.readlink("/proc/self/exe"))
"""


def lie_in_wait(ptyd: Ptyd, *words: str) -> Container:
    """Start a container that attacks whatever joins it, with all system calls to do it by."""
    unfiltered = ("--security-opt", "seccomp=unconfined")
    return ptyd.start(*unfiltered, "--no-tty", "/usr/bin/python3", "-c", AMBUSH, NAME, *words)


def answered(client: WireClient) -> bool:
    return any(each["event"] in ("started", "refused") for each in client.events)


def keep_joining(client: WireClient) -> list[dict[str, Any]]:
    """Send programs in until one was caught; return the attacker's baseline, and what it got."""
    client.read_until("\n")
    while client.output.count(b"\n") < 2:
        client.events.clear()
        client.execute("true")
        client.wait_until(lambda: client.output.count(b"\n") > 1 or answered(client))
    baseline, victim, *_ = map(json.loads, client.output.splitlines())
    return [baseline["baseline"], victim["caught"]]


def test_nothing_of_the_host_can_be_taken_from_who_enters(anybody: Ptyd) -> None:
    """Stopped on its way, it shows neither file, folder, descriptor, memory nor environment."""
    container = lie_in_wait(anybody)
    with container.attach() as client:
        baseline, victim = keep_joining(client)
    possible = {name for name, said in baseline.items() if said[0] == "got"}
    taken = {name: said for name, said in victim.items() if said[0] == "got"}

    assert {"exe", "cwd", "root", "environ", "maps", "fd", "fd/0", "ns/mnt"} <= possible
    assert {"attach", "readv", "getfd"} <= possible
    assert taken == {}


def test_who_is_stopped_on_the_way_does_not_stop_the_keeper(anybody: Ptyd) -> None:
    """Other programs start, the container can be stopped, and who waits is told of the end."""
    container = lie_in_wait(anybody, "for ever")
    with container.attach() as client:
        keep_joining(client)
        waits = not answered(client)
        other = anybody("exec", container.name, "echo", "in")
        stopped = anybody("stop", container.name)
        client.wait_until(lambda: answered(client))

    assert waits
    assert other == (0, b"in\n", "")
    assert stopped.code == 0
    assert client.events[-1]["event"] in ("refused", "exited")


def plant(ptyd: Ptyd, container: Container) -> None:
    """Put the trap where exec will execute it."""
    script = "cat > /tmp/sneak; chmod 755 /tmp/sneak; ln -s /proc/self/exe /tmp/link"
    done = ptyd("exec", container.name, "sh", "-c", script, stdin=SNEAK.encode())
    assert done.code == 0, done.err


def test_the_interpreter_is_not_the_boxes_to_write(anybody: Ptyd) -> None:
    """A program that is replaced by ``#!/proc/self/exe`` gets a binary it cannot change."""
    container = anybody.start("sh", "-c", "exec sleep infinity")
    plant(anybody, container)
    done = anybody("exec", container.name, "/tmp/sneak")
    said = done.out.decode()

    assert said.startswith("refused") or done.code not in (0, 1), done
    assert "opened" not in said


def test_an_interpreter_of_the_users_own_is_sealed(theirs: Ptyd, account: Account) -> None:
    """Root of an ordinary user's box is that user: what they installed they could change."""
    python = account.programs / "python3"
    system = os.path.realpath(python)
    kept = python.readlink()
    python.unlink()
    shutil.copy(system, python)
    os.chown(python, account.uid, -1)
    before = python.read_bytes()
    try:
        container = theirs.start("sh", "-c", "exec sleep infinity")
        keeper = os.readlink(f"/proc/{container.keeper_pid}/exe")
        plant(theirs, container)
        done = theirs("exec", container.name, "/tmp/sneak")
        untouched = python.read_bytes() == before
        theirs.remove_all()
    finally:
        python.unlink()
        python.symlink_to(kept)

    assert keeper.startswith("/memfd:ptyd-python")
    assert str(python) not in done.out.decode()
    assert untouched


@pytest.mark.parametrize("kind", ["lone", "leaky"])
def test_callers_descriptors_and_folder_stay_outside(ptyd: Ptyd, kind: str) -> None:
    """CVE-2024-21626: an open folder of the host, or ``-w /proc/self/fd/N``, leads nowhere."""
    container = ptyd.start("sh", "-c", "exec sleep infinity")
    leak = os.open("/", os.O_RDONLY)
    try:
        for number in range(3, 13) if kind == "leaky" else (7,):
            done = subprocess.run(
                ptyd.command("ptyd", "exec", "-w", f"/proc/self/fd/{number}", container.name, "ls"),
                env=ptyd.env,
                pass_fds=[leak],
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 126, done
            assert done.stdout == b""
    finally:
        os.close(leak)
