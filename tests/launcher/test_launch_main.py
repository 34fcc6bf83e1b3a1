"""The command ``ptylaunch``, run as a program, on a bundle as any OCI tool makes it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ptycli.skeleton import build_skeleton, host_trees

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "ptylaunch"]


def ptylaunch(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    spec = json.loads(ptylaunch("spec", "--config", "-").stdout)
    assert spec["process"].pop("terminal")  # as runc has it
    spec["mounts"] += [
        {"destination": tree, "type": "bind", "source": tree, "options": ["rbind", "ro"]}
        for tree in host_trees()
    ]
    build_skeleton(str(tmp_path / "rootfs"), etc={})
    write(tmp_path, spec)
    return tmp_path


def write(bundle: Path, spec: dict[str, Any]) -> None:
    (bundle / "config.json").write_text(json.dumps(spec))


def edit(bundle: Path, **process: object) -> None:
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"] |= process
    write(bundle, spec)


def test_default_spec_runs(bundle: Path) -> None:
    """What ``spec`` prints is complete: without a terminal its sh reads our input, as pid 1."""
    done = ptylaunch("run", "--bundle", str(bundle), "x1", input="echo $$; ulimit -n; exit 7")

    assert (done.returncode, done.stdout, done.stderr) == (7, "1\n1024\n", "")


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["nosuchprogram"], 127, "nosuchprogram in PATH: No such file or directory"),
        (["/etc/passwd"], 126, "Permission denied"),
        (["sh", "-c", "kill -9 $$; exit 3"], 3, ""),  # pid 1 is deaf to its own
    ],
)
def test_exit_status_is_dockers(bundle: Path, args: list[str], status: int, words: str) -> None:
    """The program's, or why there is none, in one line."""
    edit(bundle, args=args)
    done = ptylaunch("run", "-b", str(bundle), "x")

    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == bool(words)


def test_terminal_is_sent_over_the_console_socket(bundle: Path) -> None:
    """One message with one fd, the way runc and crun do it."""
    edit(bundle, terminal=True, consoleSize={"height": 33, "width": 101}, args=["stty", "size"])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bundle / "console"))
        listener.listen()
        with subprocess.Popen(
            [*COMMAND, "run", "-b", str(bundle), "--console-socket", str(bundle / "console"), "x"]
        ) as process:
            connection, _ = listener.accept()
            with connection:
                name, fds, _, _ = socket.recv_fds(connection, 64, 2)
            assert select.select([fds[0]], [], [], 30)[0]
            output = os.read(fds[0], 64)
            os.close(fds[0])

            assert process.wait(30) == 0
    assert name == b"/dev/ptmx"
    assert output == b"33 101\r\n"


@pytest.mark.parametrize(("words", "status"), [(["create"], 1), (["run", "--detach"], 125)])
def test_terminal_that_nobody_would_hold_is_refused(
    bundle: Path, words: list[str], status: int
) -> None:
    """Who does not stay needs a console socket."""
    edit(bundle, terminal=True)
    done = ptylaunch(*words, "-b", str(bundle), "x")

    assert done.returncode == status
    assert "--console-socket" in done.stderr


@pytest.mark.parametrize(
    "args",
    [["exec", "x"], ["kill"], ["fly"], [], ["run"], ["run", "../x"], ["run", "-b", "/", "x"]],
)
def test_what_is_not_there_is_refused_in_one_line(args: list[str]) -> None:
    """With status 1, as runc's."""
    done = ptylaunch(*args)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_features_and_version_say_what_it_is() -> None:
    """As tools that choose a runtime read them."""
    features = json.loads(ptylaunch("features").stdout)

    assert "user" in features["linux"]["namespaces"]
    assert "rbind" in features["mountOptions"]
    assert ptylaunch("--version").stdout.splitlines()[1] == "spec: 1.3.0"


@pytest.mark.parametrize(
    "words", ["--help", "run --help", "--version", "features", "list", "spec -f -"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_our_output_is_one_line(words: str, unbuffered: str) -> None:
    """And 1, however Python buffers it."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )

    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.endswith("No space left on device\n")


def test_a_reader_that_has_gone_is_no_error() -> None:
    """``ptylaunch features | true``: 128 and SIGPIPE."""
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    done = subprocess.run(
        [*COMMAND, "features"],
        stdout=write_fd,
        stderr=subprocess.PIPE,
        timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        check=False,
    )
    os.close(write_fd)

    assert (done.returncode, done.stderr) == (141, b"")
