"""Numbers of system calls: ours are those of the kernel's headers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ptylaunch import abi

HEADERS = {
    abi.X86_64: "asm/unistd_64.h",
    abi.X86: "asm/unistd_32.h",
    abi.X32: "asm/unistd_x32.h",
    abi.AARCH64: "asm-generic/unistd.h",
}
FOLDERS = [Path("/usr/include"), *Path("/usr/include").glob("*-linux-gnu")]
NO_CALLS = {"syscalls", "SYSCALL_MASK"}


def defined_in(header: str) -> dict[str, int]:
    """Return what the C preprocessor finds in one of this machine's headers."""
    source = "#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_SET_GET_RLIMIT\n"
    source += "#define __ARCH_WANT_NEW_STAT\n#define __ARCH_WANT_SYS_CLONE3\n"
    source += f"#define __ARCH_WANT_MEMFD_SECRET\n#include <{header}>\n"
    done = subprocess.run(
        ["cc", "-E", "-dM", "-"], input=source, capture_output=True, text=True, check=True
    )
    defined = dict(re.findall(r"^#define (\w+) (.+)$", done.stdout, re.MULTILINE))
    numbers: dict[str, int] = {}
    for name, first in defined.items():
        value = first
        while value in defined:  # __NR_mmap is __NR3264_mmap
            value = defined[value]
        match = re.fullmatch(r"(?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?", value)
        if name.startswith("__NR_") and match:
            numbers[name.removeprefix("__NR_")] = int(match[1])
    return numbers


def test_numbers_are_those_of_this_machines_headers() -> None:
    """All that the headers have is in our tables; calls newer than the headers are no matter."""
    compared = 0
    for way, header in HEADERS.items():
        if any((folder / header).exists() for folder in FOLDERS):
            theirs = {
                name: number + way.base
                for name, number in defined_in(header).items()
                if name not in NO_CALLS
            }

            assert len(theirs) > 250
            assert theirs.items() - abi.numbers(way).items() == set()
            compared += 1
    assert compared, "no kernel headers: package linux-libc-dev"


def test_no_two_calls_have_one_number() -> None:
    """But for one of ARM's, which has two names."""
    for family in abi.FAMILIES.values():
        for way in family:
            table = abi.numbers(way)

            assert len(table) - len(set(table.values())) == (1 if way is abi.ARM else 0)


def test_x32_calls_carry_its_bit() -> None:
    """Some of them have numbers of their own as well (asm/unistd_x32.h)."""
    assert abi.numbers(abi.X32)["read"] == 0x40000000
    assert abi.numbers(abi.X32)["execve"] == 0x40000000 + 520
