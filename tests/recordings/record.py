"""Make the recordings beside this file: what real programs print, byte for byte.

Run as root with those programs installed: ``python tests/recordings/record.py [NAME...]``. Each
runs in a PID and UTS namespace of its own and an empty environment, so a recording says nothing
about the machine that it was made on. Tests only read the files.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import tempfile
import termios
import time
from typing import Final

ROWS, COLS = 24, 80
IDLE: Final = 0.4
"""Seconds without output after which the next key is typed."""
PATIENCE: Final = 5.0

TEXT: Final = (
    "The quick brown fox jumps over the lazy dog, and goes on for longer than a row is wide.\n"
    "漢字かな交じり文、全角と半角 mixed widths. Ünïcödé é ä́ क्षि 👍 🎉 ─│┌┐\n"
    "\tdef f(x):\n\t\treturn [x, 'string', 42]  # a comment\n"
) * 30

# ruff: noqa: RUF005 - keys go on over several lines
PROGRAMS: Final[dict[str, tuple[list[str], list[bytes]]]] = {
    "vim": (
        ["vim", "-u", "NONE", "-N", "-c", "syntax on", "-c", "set nu hls ai", "text.py"],
        [b"/return\r", b"nn", b"oinserted \xe6\xbc\xa2\xe5\xad\x97\x1b", b":split\r", b"\x06\x06"]
        + [b"dd5p", b"\x17w", b"vjjj", b"\x1b:set wrap!\r", b"G", b"gg", b":q!\r:q!\r"],
    ),
    "less": (["less", "-R", "text.py"], [b" ", b" ", b"b", b"/fox\r", b"n", b"G", b"g", b"q"]),
    "htop": (["htop", "-d", "5"], [b"", b"\x1bOR", b"a\r", b"\x1b[B", b"t", b"\x1bOQ", b"q", b"q"]),
    "top": (["top", "-d", "1", "-n", "6"], [b"z", b"1", b"c"]),
    "tmux": (
        ["tmux", "-L", "recording", "-f", "tmux.conf", "new-session", "sh"],
        [b"echo one\r", b"\x02%", b"ls --color=always -l /usr\r", b'\x02"', b"seq 40\r", b"\x02o"]
        + [b"\x02[", b"\x1b[5~", b"q", b"\x02z", b"\x02z", b"\x02d"],
    ),
    "shell": (
        ["bash", "--norc", "-i"],
        [b"ls --color=always -C /usr/bin | head -60\r", b"cat text.py | head -40\r", b"sleep \t\t"]
        + [b"\x03", b"echo a very long line that is typed ", b"and goes on and on until it wraps "]
        + [b"\x1b[D" * 30, b"xyz", b"\x01\x0b", b"printf '\\e[31;1mred\\e[0m\\n'\r", b"exit\r"],
    ),
}


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sys.argv[1:] or PROGRAMS:
        command, keys = PROGRAMS[name]
        with tempfile.TemporaryDirectory() as folder:
            for file, text in (("text.py", TEXT), ("tmux.conf", 'set -g status-right "clock"\n')):
                with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                    out.write(text)
            data = record(command, keys, folder)
        with open(os.path.join(here, name + ".bin"), "wb") as recording:
            recording.write(data)
        print(f"{name}: {len(data)} bytes")


def record(command: list[str], keys: list[bytes], folder: str) -> bytes:
    """Run a program under a PTY, type the keys, and return all that it printed."""
    alone = ["unshare", "--pid", "--uts", "--fork", "--mount-proc"]
    named = ["sh", "-c", 'hostname box; exec "$@"', "sh"]
    pid, pty_fd = os.forkpty()
    if pid == 0:
        os.chdir(folder)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        environment |= {"HOME": folder, "PS1": r"\[\e[32m\]box\[\e[0m\]:~$ ", "TMUX_TMPDIR": folder}
        os.execvpe(alone[0], [*alone, *named, *command], environment)
    fcntl.ioctl(pty_fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
    data = bytearray()
    waiting = list(keys)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([pty_fd], [], [], IDLE)[0]:
            if waiting:
                os.write(pty_fd, waiting.pop(0))
                deadline = time.monotonic() + PATIENCE
            continue
        try:
            data += os.read(pty_fd, 65536)
        except OSError:  # EIO: everybody has closed the terminal
            break
    os.close(pty_fd)
    os.waitpid(pid, 0)
    return bytes(data)


if __name__ == "__main__":
    main()
