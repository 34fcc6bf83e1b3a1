"""A host with a network of its own, and the world around it, for tests of what boxes can reach.

Two network namespaces joined by a veth pair. The *host* is where ptyd is called, with the files
that it looks at (resolv.conf, /dev/net/tun) bound over in a mount namespace; the *world* has an
address as the internet has them, a name server, and a metadata service as clouds have it. Every
service is a thread of the test: a socket stays in the namespace in which it was made (setns(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLONE_NEWNET = 0x40000000

HOST = "203.0.113.2"
HOST6 = "2001:db8:1::2"
OTHER = "10.99.0.1"
"""A second address of the host, on its loopback interface."""
LINK_LOCAL = "169.254.7.7"
"""And a third."""
INTERNET = "198.51.100.7"
INTERNET6 = "2001:db8:2::7"
NAME_SERVER = "198.51.100.53"
METADATA = "169.254.169.254"
ALL_HOSTS = "224.0.0.1"

_WORLD = f"""
ip link set lo up
ip link add name outer type veth peer name inner netns $1
ip addr add 203.0.113.1/24 dev outer
ip addr add 2001:db8:1::1/64 dev outer nodad
ip link set outer up
ip addr add {INTERNET}/32 dev lo
ip addr add {NAME_SERVER}/32 dev lo
ip addr add {METADATA}/32 dev lo
ip addr add {INTERNET6}/128 dev lo nodad
"""
_HOST = f"""
ip link set lo up
ip addr add {HOST}/24 dev inner
ip addr add {HOST6}/64 dev inner nodad
ip addr add {OTHER}/32 dev lo
ip addr add {LINK_LOCAL}/32 dev lo
ip link set inner up
ip route add default via 203.0.113.1
ip -6 route add default via 2001:db8:1::1
"""
_FILES = """
mount --make-rprivate /
mount --bind "$1" /etc/resolv.conf
mkdir -p /dev/net && mount -t tmpfs -o mode=755 none /dev/net
mknod -m 666 /dev/net/tun c 10 200
shift
for hidden in "$@"; do mount --bind /dev/null "$hidden"; done
"""
_WAIT = "echo there; exec cat"


class World:
    """Both namespaces, and the services in them."""

    def __init__(self, host_pid: int, world_pid: int) -> None:
        self.host_pid = host_pid
        self.world_pid = world_pid
        self.helper = ""
        """The only one that the host has."""
        self.heard: list[tuple[str, str]] = []
        """Address of a service, and of who asked it, in order."""
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def prefix(self) -> list[str]:
        """What runs a command on the host."""
        return ["nsenter", "--target", str(self.host_pid), "--net", "--mount"]

    def on_host(self, script: str) -> None:
        _run(self.host_pid, script)

    def serve(self, address: str, *, on_host: bool, port: int = 0, udp: bool = False) -> int:
        """Answer who comes to ``address`` with ``hello`` and their address; return the port."""
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        sock = self.socket(kind, address, on_host=on_host)
        if udp and address == ALL_HOSTS:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership())
        sock.bind((address, port))
        if not udp:
            sock.listen()
        self._begin(sock, _answer_datagrams if udp else _answer_connections)
        return int(sock.getsockname()[1])

    def serve_names(self, address: str = NAME_SERVER, *, on_host: bool = False) -> None:
        """Answer every question for an IPv4 address with INTERNET, over UDP and TCP."""
        for kind, answer in ((socket.SOCK_DGRAM, _name), (socket.SOCK_STREAM, _name_on_stream)):
            sock = self.socket(kind, address, on_host=on_host)
            sock.bind((address, 53))
            if kind == socket.SOCK_STREAM:
                sock.listen()
            self._begin(sock, answer)

    def socket(self, kind: int, address: str, *, on_host: bool) -> socket.socket:
        """Return a new socket in one of the namespaces."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with _inside(self.host_pid if on_host else self.world_pid):
            sock = socket.socket(family, kind)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock

    def link_local(self) -> str:
        """Return the host's link-local IPv6 address on its way out."""
        command = ["nsenter", "--target", str(self.host_pid), "--net", "ip", "-6", "addr", "show"]
        command += ["dev", "inner", "scope", "link"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
        (found,) = re.findall(r"inet6 (fe80:[0-9a-f:]+)/", done.stdout)
        assert isinstance(found, str)
        return found

    def who_heard(self) -> set[str]:
        return {address for address, _ in self.heard}

    def _begin(self, sock: socket.socket, work: object) -> None:
        assert callable(work)
        self._sockets.append(sock)
        thread = threading.Thread(target=_until_closed, args=(work, sock, self.heard), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # which wakes the thread up, close does not
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        for sock in self._sockets:
            sock.close()


@contextlib.contextmanager
def small_world(resolv_conf: Path, *hidden: str) -> Iterator[World]:
    """Make both namespaces; ``hidden`` are programs that the host is not to have."""
    assert os.geteuid() == 0, "network namespaces that are joined want root"
    resolv_conf.touch(mode=0o644)
    with _namespace("--net", "--mount") as host, _namespace("--net") as world:
        _run(world, _WORLD, str(host))
        _run(host, _HOST)
        _run(host, _FILES, str(resolv_conf), *hidden, mount=True)
        made = World(host, world)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def _namespace(*kinds: str) -> Iterator[int]:
    with subprocess.Popen(
        ["unshare", *kinds, "sh", "-c", _WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"there\n"
        try:
            yield holder.pid
        finally:
            holder.send_signal(signal.SIGKILL)


def _run(pid: int, script: str, *words: str, mount: bool = False) -> None:
    where = ["nsenter", "--target", str(pid), "--net", *["--mount"] * mount]
    command = [*where, "sh", "-e", "-c", script, "sh", *words]
    subprocess.run(command, check=True, timeout=20)


@contextlib.contextmanager
def _inside(pid: int) -> Iterator[None]:
    """Be in another network namespace for a moment: this thread only."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/proc/{pid}/ns/net", "rb") as there:
        assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), _CLONE_NEWNET) == 0


def _membership() -> bytes:
    return socket.inet_aton(ALL_HOSTS) + socket.inet_aton(HOST)


def _until_closed(work: object, sock: socket.socket, heard: list[tuple[str, str]]) -> None:
    assert callable(work)
    with contextlib.suppress(OSError):
        while True:
            work(sock, heard)


def _answer_connections(sock: socket.socket, heard: list[tuple[str, str]]) -> None:
    connection, peer = sock.accept()
    with connection, contextlib.suppress(OSError):
        heard.append((sock.getsockname()[0], peer[0]))
        connection.sendall(f"hello {peer[0]}\n".encode())


def _answer_datagrams(sock: socket.socket, heard: list[tuple[str, str]]) -> None:
    data, peer = sock.recvfrom(2048)
    if not peer:
        raise OSError("shut down")
    heard.append((sock.getsockname()[0], peer[0]))
    if data:
        sock.sendto(f"hello {peer[0]}\n".encode(), peer)


def _name(sock: socket.socket, heard: list[tuple[str, str]]) -> None:
    question, peer = sock.recvfrom(2048)
    if not peer:
        raise OSError("shut down")
    heard.append(("names", peer[0]))
    sock.sendto(_answer_for(question), peer)


def _name_on_stream(sock: socket.socket, heard: list[tuple[str, str]]) -> None:
    connection, peer = sock.accept()
    with connection, contextlib.suppress(OSError, struct.error):
        heard.append(("names on a stream", peer[0]))
        (length,) = struct.unpack("!H", connection.recv(2))
        answer = _answer_for(connection.recv(length))
        connection.sendall(struct.pack("!H", len(answer)) + answer)


def _answer_for(question: bytes) -> bytes:
    """Return a DNS answer (RFC 1035, section 4): one address for A, none for everything else."""
    end = question.index(b"\0", 12) + 5
    is_address = question[end - 4 : end - 2] == b"\0\1"
    header = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_address), 0, 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(INTERNET)
    return header + question[12:end] + record * is_address
