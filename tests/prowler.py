"""More attacks for ``tests/attacker.py``: on what belongs to the host, and on what is limited.

What the host has is told in the request: ``word`` stands in the command line and in the environment
of processes of the host, ``file`` and ``socket`` are paths there that everybody may use,
``abstract`` the name of a socket, ``memory`` the key of a piece of memory (System V).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import pty
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
from typing import Final

from attacker import LIBC, REQUEST, attack, call, own_terminal

_MOST_TERMINALS: Final = 1024
_MOST_MEMORY: Final = 64 << 20
_CAPABILITY: Final = struct.pack("<5I", 0x02000001, 1 << 7, 0, 0, 0)
"""CAP_SETUID, permitted and effective, as a file's attribute (capabilities(7), version 2)."""


def lost(why: str) -> OSError:
    return OSError(errno.EACCES, why)


# A. Files and descriptors


@attack
def a02_leaving_by_a_descriptor() -> None:
    """Whoever called left some open; 0, 1 and 2 are ours."""
    for fd in range(3, 64):
        for path in ("etc/shadow", "../../../../../../etc/shadow", "../../../../../../root/.."):
            try:
                os.close(os.open(path, os.O_RDONLY, dir_fd=fd))
            except OSError:
                continue
            return
    raise lost("all")


@attack
def a06_reading_files_of_the_host() -> None:
    for path in (REQUEST["file"], "/etc/shadow", f"/proc/1/root{REQUEST['file']}"):
        try:
            with open(path, "rb") as file:
                if file.read(1):
                    return
        except OSError:
            continue
    raise lost("all")


# B. Processes


@attack
def a11_seeing_a_process_of_the_host() -> None:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[1:] == [REQUEST["word"].encode(), b""]:
            return
    raise lost("all")


@attack
def a39_finding_the_environment_of_the_host() -> None:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if f"CANARY={REQUEST['word']}".encode() in file.read().split(b"\0"):
                    return
        except OSError:
            continue
    raise lost("all")


# C. Terminal


@attack
def a14_hanging_up_a_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own_terminal()
    call("vhangup")


@attack
def a14_stealing_a_terminal() -> None:
    """That of another session, which TIOCSCTTY gives to who has CAP_SYS_ADMIN."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    read_fd, write_fd = os.pipe()
    _, tty_fd = pty.openpty()
    victim = os.fork()
    if victim == 0:
        os.setsid()
        fcntl.ioctl(tty_fd, termios.TIOCSCTTY, 0)
        os.write(write_fd, b"!")
        signal.pause()
    try:
        os.read(read_fd, 1)
        os.setsid()
        fcntl.ioctl(tty_fd, termios.TIOCSCTTY, 1)
    finally:
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)


@attack
def a16_taking_every_terminal() -> None:
    """So many that the next box, or the host, has none."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(_MOST_TERMINALS + 1):
        os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)


# D. Privilege


@attack
def a20_file_with_a_capability_gives_it() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    try:
        program = shutil.copy("/bin/cat", folder)
        os.setxattr(program, "security.capability", _CAPABILITY)
        status = subprocess.run(
            [program, "/proc/self/status"], user=1000, capture_output=True, check=True
        ).stdout
        if b"CapEff:\t0000000000000000" in status:
            raise lost("nothing given")
    finally:
        shutil.rmtree(folder)


@attack
def a24_reading_inits_memory_at_once() -> None:
    buffer = ctypes.create_string_buffer(16)
    with open("/proc/self/maps", encoding="ascii") as file:
        place = int(file.read().partition("-")[0], 16)
    ours = struct.pack("QQ", ctypes.addressof(buffer), 16)
    theirs = struct.pack("QQ", place, 16)
    try:
        call("process_vm_readv", REQUEST["init"], ours, 1, theirs, 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:  # its memory lies elsewhere: we were let look
            raise


if platform.machine() == "x86_64":

    @attack
    def a24_talking_to_devices_by_ports() -> None:
        call("iopl", 3)


# E. Limits


@attack
def a32_lowering_ones_oom_score() -> None:
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("-1000")


@attack
def a32_raising_a_limit() -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NICE, (40, 40))
    except ValueError:  # what Python makes of EPERM
        raise lost("not allowed") from None


@attack
def a32_being_more_urgent() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, -20)


@attack
def a32_being_real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attack
def a32_leaving_ones_cgroup() -> None:
    for place in ("memory/cgroup.procs", "unified/cgroup.procs", "cgroup.procs"):
        try:
            with open(f"/sys/fs/cgroup/{place}", "w", encoding="ascii") as file:
                file.write("0")
        except OSError:
            continue
        return
    raise lost("all")


@attack
def a33_filling_memory_with_files() -> None:
    folder = "/dev/shm" if REQUEST["confined"] else "/tmp"
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, _MOST_MEMORY + 1)
        except OSError as error:
            raise (lost("full") if error.errno == errno.ENOSPC else error) from None


# F. Network and sockets


def connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            raise lost("nobody there") from None


@attack
def a36_connecting_to_an_abstract_socket_of_the_host() -> None:
    connect("\0" + REQUEST["abstract"])


@attack
def a36_connecting_to_a_socket_of_the_host() -> None:
    connect(REQUEST["socket"])


@attack
def a37_sending_raw_packets() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attack
def a37_listening_to_all_packets() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300).close()


@attack
def a40_taking_memory_of_the_host() -> None:
    if LIBC.shmget(REQUEST["memory"], 0, 0) < 0:
        raise lost("no such memory")
