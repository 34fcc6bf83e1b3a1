"""Runs inside a box, or beside it for comparison: tries everything, and tells what came of it.

The request, in the second argument, is JSON: ``numbers`` of system calls by name, ``init``, the pid
to attack as the box's init, whether we are ``confined``, and what ``tests/prowler.py`` needs, which
has more attacks. Standard library only, no package of ours.

Each attack has a process of its own. It is lost when it raises OSError, won when it returns; the
outcome is the errno's name, or ``won``. What calls the kernel with nonsense has won when the
kernel complains about the nonsense, since then it has looked at it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import json
import mmap
import os
import platform
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST: dict[str, Any] = {}
ATTACKS: dict[str, Callable[[], None]] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
DENIED = (errno.EPERM, errno.ENOSYS)
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
ADDRESS = ctypes.c_long(-1)  # of no memory


def attack(function: Callable[[], None]) -> Callable[[], None]:
    ATTACKS[function.__name__] = function
    return function


def call(name: str, *args: int | bytes | ctypes.c_long) -> int:
    """Call the kernel; raise OSError for its complaint."""
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result: int = LIBC.syscall(ctypes.c_long(REQUEST["numbers"][name]), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def reach(name: str, *args: int | bytes | ctypes.c_long) -> None:
    """Raise only if the kernel does not even look at the arguments."""
    try:
        call(name, *args)
    except OSError as error:
        if error.errno in DENIED:
            raise


def each_open(paths: list[str], flags: int) -> None:
    """Win if one of them can be opened."""
    for path in paths:
        try:
            os.close(os.open(path, flags))
        except OSError:
            continue
        return
    raise OSError(errno.EACCES, "all")


# B. /proc, /sys and what is masked


@attack
def a07_kernel_settings_can_be_opened_for_writing() -> None:
    paths = ["kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "vm/drop_caches"]
    places = [f"/proc/sys/{path}" for path in paths]
    places += ["/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper"]
    each_open(places, os.O_WRONLY)


@attack
def a08_masked_files_have_content() -> None:
    for name in ("kcore", "keys", "interrupts", "timer_list", "sched_debug", "latency_stats"):
        try:
            with open(f"/proc/{name}", "rb") as file:
                if file.read(1):
                    return
        except OSError:
            continue
    raise OSError(errno.ENODATA, "all")


def private_mounts() -> None:
    """Go where mounts are nobody else's: only where nothing keeps us in anyway."""
    call("unshare", CLONE_NEWNS)
    LIBC.mount(b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE


def mount_memory() -> None:
    if LIBC.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount")


@attack
def a08_mask_can_be_taken_off() -> None:
    place = b"/proc/keys"
    if not REQUEST["confined"]:
        private_mounts()
        mount_memory()
        place = b"/mnt"
    if LIBC.umount2(place, 2) < 0:  # MNT_DETACH
        raise OSError(ctypes.get_errno(), "umount2")


# C. Terminal


def own_terminal() -> int:
    """Make a new terminal our controlling one; return our end of it."""
    _, tty_fd = pty.openpty()
    os.setsid()
    fcntl.ioctl(tty_fd, termios.TIOCSCTTY, 0)
    return tty_fd


@attack
def a13_typing_into_a_terminal() -> None:
    fcntl.ioctl(own_terminal(), termios.TIOCSTI, b"x")


@attack
def a13_typing_into_a_terminal_with_a_high_bit() -> None:
    call("ioctl", own_terminal(), 1 << 32 | termios.TIOCSTI, b"x")


@attack
def a14_pasting_into_a_console() -> None:
    reach("ioctl", own_terminal(), 0x541C, b"\x02")


@attack
def a14_pasting_into_a_console_with_a_high_bit() -> None:
    reach("ioctl", own_terminal(), 1 << 63 | 0x541C, b"\x02")


# D. Privilege


@attack
def a20_set_user_id_program_gives_root() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    try:
        program = shutil.copy("/usr/bin/id", folder)
        os.chmod(program, 0o4755)
        done = subprocess.run([program, "-u"], user=1000, capture_output=True, check=True)
        if done.stdout != b"0\n":
            raise OSError(errno.EPERM, "id")
    finally:
        shutil.rmtree(folder)


def make_node(kind: int, major: int, minor: int) -> None:
    folder = tempfile.mkdtemp()
    try:
        os.mknod(f"{folder}/node", kind | 0o600, os.makedev(major, minor))
    finally:
        shutil.rmtree(folder)


@attack
def a21_making_a_node_for_memory() -> None:
    make_node(0o020000, 1, 1)


@attack
def a21_making_a_node_for_a_disk() -> None:
    make_node(0o060000, 8, 0)


@attack
def a21_opening_memory_and_the_kernels_log() -> None:
    each_open(["/dev/mem", "/dev/kmsg", "/dev/port", "/dev/vda", "/dev/sda"], os.O_RDONLY)


@attack
def a22_new_user_namespace() -> None:
    call("unshare", CLONE_NEWUSER)


@attack
def a22_new_mount_namespace() -> None:
    call("unshare", CLONE_NEWNS)


@attack
def a22_child_in_a_new_user_namespace() -> None:
    if call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attack
def a22_entering_a_namespace() -> None:
    call("setns", os.open("/proc/self/ns/uts", os.O_RDONLY), 0)


@attack
def a22_mounting_memory() -> None:
    if not REQUEST["confined"]:
        private_mounts()
    mount_memory()


@attack
def a22_new_filesystem_by_the_new_calls() -> None:
    call("fsopen", b"tmpfs", 0)


@attack
def a22_copying_a_mount() -> None:
    call("open_tree", -100, b"/", 1)  # AT_FDCWD, OPEN_TREE_CLONE


@attack
def a23_looking_at_the_session_keyring() -> None:
    call("keyctl", 0, -3, 0)  # KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING


@attack
def a23_adding_a_key() -> None:
    call("add_key", b"user", b"ptyd-test", b"x", 1, -2)  # KEY_SPEC_PROCESS_KEYRING


NONSENSE: dict[str, list[tuple[Any, ...]]] = {
    "a22": [
        ("clone3", ADDRESS, 64),
        ("mount_setattr", -1, ADDRESS, 0, ADDRESS, 0),
        ("move_mount", -1, ADDRESS, -1, ADDRESS, 0),
        ("pivot_root", ADDRESS, ADDRESS),
        ("fsmount", -1, 0, 0),
    ],
    "a23": [("request_key", ADDRESS, ADDRESS, ADDRESS, 0)],
    "a24": [
        ("acct", ADDRESS),
        ("bpf", 0, ADDRESS, 8),
        ("delete_module", ADDRESS, 0),
        ("fanotify_init", -1, -1),
        ("finit_module", -1, ADDRESS, 0),
        ("init_module", ADDRESS, 0, ADDRESS),
        ("io_uring_setup", 1, ADDRESS),
        ("kcmp", -1, -1, 0, 0, 0),
        ("kexec_load", 0, 0, 0, -1),
        ("open_by_handle_at", -1, ADDRESS, 0),
        ("perf_event_open", ADDRESS, 0, -1, -1, 0),
        ("pidfd_getfd", -1, -1, 0),
        ("quotactl", -1, ADDRESS, 0, ADDRESS),
        ("reboot", 0, 0, 0, 0),  # without the magic numbers
        ("setdomainname", ADDRESS, -1),
        ("sethostname", ADDRESS, -1),
        ("settimeofday", ADDRESS, 0),
        ("swapon", ADDRESS, -1),
        ("syslog", -1, 0, 0),
        ("userfaultfd", -1),
    ],
}
for _number, _calls in NONSENSE.items():
    for _call in _calls:
        ATTACKS[f"{_number}_reaching_{_call[0]}"] = functools.partial(reach, *_call)


@attack
def a24_memory_that_can_be_executed_by_itself() -> None:
    call("personality", 0x0400000)  # READ_IMPLIES_EXEC


def make_socket(family: int, kind: int = socket.SOCK_STREAM) -> None:
    """Win if the kernel knows the family but for this machine's lack of it."""
    try:
        call("socket", family, kind, 0)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise


@attack
def a24_socket_of_the_crypto_families() -> None:
    make_socket(38, socket.SOCK_SEQPACKET)  # AF_ALG


@attack
def a24_socket_to_the_hypervisor() -> None:
    make_socket(40)  # AF_VSOCK


@attack
def a24_socket_to_the_hypervisor_with_a_high_bit() -> None:
    make_socket(1 << 32 | 40)


@attack
def a24_tracing_init() -> None:
    call("ptrace", 16, REQUEST["init"], 0, 0)  # PTRACE_ATTACH
    os.waitpid(REQUEST["init"], 0)
    call("ptrace", 17, REQUEST["init"], 0, 0)  # PTRACE_DETACH: it may be who waits for us


@attack
def a24_reading_inits_memory() -> None:
    with open(f"/proc/{REQUEST['init']}/maps", encoding="ascii") as file:
        file.read(1)


# 25. Other ways into the kernel


def call_32(number: int, first: int) -> int:
    """Call the kernel by ``int 0x80``: ``mov eax, number; movabs rbx, first; int 0x80``."""
    code = b"\x53\x31\xc9\x31\xd2\xb8" + number.to_bytes(4, "little")
    code += b"\x48\xbb" + first.to_bytes(8, "little") + b"\xcd\x80\x5b\xc3"
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    result: int = ctypes.CFUNCTYPE(ctypes.c_int)(place)()
    if result < 0:
        raise OSError(-result, "int 0x80")
    return result


def reach_32(number: int, first: int = 0) -> None:
    try:
        call_32(number, first)
    except OSError as error:
        if error.errno in DENIED:
            raise


if platform.machine() == "x86_64":

    @attack
    def a25_unshare_by_the_32_bit_way() -> None:
        call_32(310, CLONE_NEWUSER)

    @attack
    def a25_adding_a_key_by_the_32_bit_way() -> None:
        reach_32(286)

    @attack
    def a25_socket_by_the_32_bit_way() -> None:
        reach_32(102, 1)  # socketcall, SYS_SOCKET

    @attack
    def a25_socket_by_the_32_bit_way_with_a_high_bit() -> None:
        reach_32(102, 1 << 32 | 1)


def outcome(function: Callable[[], None]) -> str:
    """Run one attack in a process of its own."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        try:
            function()
            said = "won"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, repr(error))
        except BaseException as error:  # noqa: BLE001 - a fault of the test, to be seen there
            said = repr(error)
        os.write(write_fd, said.encode())
        os._exit(0)
    os.close(write_fd)
    with open(read_fd, "rb") as file:
        said = file.read().decode()
    status = os.waitpid(pid, 0)[1]
    return said or f"status {status}"


def main() -> None:
    REQUEST.update(json.loads(sys.argv[2]))
    print(json.dumps({name: outcome(function) for name, function in ATTACKS.items()}))
