"""What a command starts with: closed descriptors, an umask, arguments that are no text."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ptyd_user import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd

CLOSED = [
    " ".join(closed)
    for count in range(4)
    for closed in itertools.combinations(("0<&-", "1>&-", "2>&-"), count)
]


def in_shell(ptyd: Ptyd, script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        env={**ptyd.env, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **env},
    )


@pytest.mark.parametrize("closed", CLOSED)
def test_standard_descriptors_may_be_closed(ptyd: Ptyd, closed: str) -> None:
    """Any of the three, for either command; what is open gets what belongs there."""
    run = in_shell(ptyd, f"ptyd run --rm -- sh -c 'echo out; echo err >&2; exit 3' {closed}")
    detached = in_shell(ptyd, f"ptyd run -d --name there -- sh -c 'exit 4' {closed}")
    listed = in_shell(ptyd, f"ptyd ps -a {closed}")
    attached = in_shell(ptyd, f"ptyc nowhere {closed}")
    wrong = in_shell(ptyd, f"ptyd rm nowhere {closed}")

    open_out, open_err = "1" not in closed, "2" not in closed
    assert (run.returncode, run.stdout) == (3, b"out\n" * open_out)
    assert run.stderr == b"err\n" * open_err
    assert (detached.returncode, len(detached.stdout)) == (0, 65 * open_out)
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert (b"there" in listed.stdout) == open_out
    for failed, code in ((attached, 125), (wrong, 1)):
        assert (failed.returncode, failed.stdout) == (code, b"")
        assert len(failed.stderr.splitlines()) == open_err


def test_an_umask_that_takes_everything_does_no_harm(ptyd: Ptyd) -> None:
    """What we make is ours alone, and ours."""
    done = in_shell(ptyd, "umask 0777; ptyd run --rm echo x && ptyd run --rm echo y")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"x\ny\n", b"")
    assert os.stat(ptyd.root).st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "words",
    [
        ["--hostname", b"\xff"],
        ["--hostname", "a b"],
        ["--listen", b"\xff:0"],
        ["--raw", b"\xff:0"],
        ["--host-name", b"\xff"],
        ["--as", b"\xff"],
        ["--name", b"\xff"],
    ],
)
def test_what_is_no_text_is_refused_where_text_is_wanted(
    ptyd: Ptyd, words: list[str | bytes]
) -> None:
    """One line, nothing made."""
    done = ptyd("run", *(os.fsdecode(word) for word in words), "true")

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1
    assert "bug" not in done.err
    assert ptyd.left() == []


def test_arguments_and_paths_are_bytes(ptyd: Ptyd, tmp_path: Path) -> None:
    """Of the program, its environment, its folder and its volumes."""
    odd = os.fsdecode(b"\xff")
    (tmp_path / odd).write_text("inside")
    done = ptyd(
        *("run", "--rm", "-e", f"ODD={odd}", "-w", f"/tmp/{odd}", "-v", f"{tmp_path}:/{odd}"),
        *("sh", "-c", f'printf %s "$1" "$ODD"; pwd; cat "/{odd}/{odd}"', "sh", odd),
    )

    assert (done.out, done.err) == (b"\xff\xff/tmp/\xff\ninside", "")
