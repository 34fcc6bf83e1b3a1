"""Run inside a box, from standard input: tries to reach what it is told, prints what came of it.

Arguments are ``KIND,ADDRESS,PORT[,DEVICE]``, KIND tcp or udp; all are tried at once. With a device
the socket is bound to it, which asks for no privilege and leads around routes (socket(7)).
"""

import errno
import json
import select
import socket
import sys
import time

PATIENCE = 1.5  # seconds: what is dropped is not answered


def begin(kind: str, address: str, port: str, device: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.setblocking(False)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if address.startswith("224."):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    try:
        sock.connect((address, int(port)))
    except BlockingIOError:
        pass
    if kind == "udp":
        sock.send(b"?")
    return sock


def main() -> None:
    said: dict[str, str] = {}
    waiting: dict[socket.socket, str] = {}
    for word in sys.argv[1:]:
        try:
            kind, address, port, *device = word.split(",")
            waiting[begin(kind, address, port, device[0] if device else "")] = word
        except OSError as error:
            said[word] = errno.errorcode.get(error.errno, str(error))
    deadline = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < deadline:
        for sock in select.select(list(waiting), [], [], deadline - time.monotonic())[0]:
            try:
                said[waiting[sock]] = sock.recv(100).decode().strip() or "closed"
            except OSError as error:
                said[waiting[sock]] = errno.errorcode.get(error.errno, str(error))
            del waiting[sock]
    said.update(dict.fromkeys(waiting.values(), "nothing"))
    print(json.dumps(said))


main()
