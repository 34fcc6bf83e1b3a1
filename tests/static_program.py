"""Programs that need nothing: no C library, no loader, just the system calls they are made of."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_X86_64: Final = """
static long call(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
/* The way of 32-bit programs into the kernel, open to 64-bit ones as well. */
static long call32(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
"""
_AARCH64: Final = """
static long call(long n, long a, long b, long c) {
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
"""
_CALLS: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}


@contextlib.contextmanager
def static_program(body: str) -> Iterator[Path]:
    """Compile a function body, in which ``call(number, a, b, c)`` calls the kernel.

    It lies where every account may read it, and must not return.
    """
    source = (
        f"#include <asm/unistd.h>\n{_CALLS[os.uname().machine]}\nvoid _start(void) {{ {body} }}\n"
    )
    with tempfile.TemporaryDirectory(prefix="program") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "program")
        subprocess.run(
            ["cc", "-O1", "-static", "-nostdlib", "-fno-stack-protector", "-x", "c", "-",
             "-o", str(path)],
            input=source,
            text=True,
            check=True,
        )  # fmt: skip
        path.chmod(0o755)
        yield path
