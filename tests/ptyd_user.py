"""A user of ptyd at a shell: real commands, real containers, a PTYD_ROOT of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pexpect

from ptyc_user import TIMEOUT as SEEN_WITHIN
from ptyc_user import TerminalUser
from waiting import wait_for_end, wait_until
from wire_client import Place, WireClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMEOUT = 60
PROGRAMS = Path(sys.executable).parent


class Done(NamedTuple):
    """What became of a command."""

    code: int
    out: bytes
    err: str


class Person(TerminalUser):
    """Runs any of the commands on a new terminal."""

    def __init__(self, command: list[str], size: tuple[int, int], env: dict[str, str]) -> None:
        self.child = pexpect.spawn(
            command[0], command[1:], dimensions=size, timeout=SEEN_WITHIN, env=env
        )
        self.child.delaybeforesend = None
        self.child.delayafterread = None
        self.child.ptyproc.delayafterclose = 0
        self.modes = termios.tcgetattr(self.child.child_fd)


class Ptyd:
    """The commands, for one root. ``prefix`` runs them as somebody else or somewhere else."""

    def __init__(
        self,
        root: str,
        *,
        programs: Path = PROGRAMS,
        prefix: Sequence[str] = (),
        seen_at: str = "",
        **env: str,
    ) -> None:
        self.root = root
        self.seen_at = seen_at
        """What stands before a path of theirs to make it one of ours: another mount namespace."""
        self._programs = programs
        self._prefix = list(prefix)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "TERM": "xterm-256color",
            "PTYD_ROOT": root,
            **env,
        }

    def command(self, *words: str) -> list[str]:
        """Return the command line of ``ptyd WORDS`` or ``ptyc WORDS``."""
        program, *rest = words
        return [*self._prefix, str(self._programs / program), *rest]

    def __call__(
        self, *words: str, stdin: bytes | int = b"", timeout: float = TIMEOUT, **env: str
    ) -> Done:
        """Run ``ptyd WORDS`` to its end, on pipes."""
        return self.call("ptyd", *words, stdin=stdin, timeout=timeout, **env)

    def call(
        self, *words: str, stdin: bytes | int = b"", timeout: float = TIMEOUT, **env: str
    ) -> Done:
        """Run a program to its end, on pipes; ``stdin`` is bytes or a descriptor."""
        given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            self.command(*words),
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**self.env, **env},
            **given,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    @contextlib.contextmanager
    def background(self, *words: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program on pipes beside the test; it is killed if it outlives the block."""
        process = subprocess.Popen(
            self.command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.env, **env},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    @contextlib.contextmanager
    def terminal(
        self, *words: str, size: tuple[int, int] = (24, 80), **env: str
    ) -> Iterator[TerminalUser]:
        """Run a program on a terminal of its own; the terminal is closed behind the block."""
        user = Person(self.command(*words), size, {**self.env, **env})
        try:
            yield user
        finally:
            user.close()

    def start(self, *words: str) -> Container:
        """Start a container in the background: ``ptyd run -d WORDS``."""
        done = self("run", "-d", *words)
        assert done.code == 0, done.err
        return self.container(done.out.decode().strip())

    def container(self, reference: str) -> Container:
        return Container(self, self.inspect(reference))

    def inspect(self, reference: str) -> dict[str, Any]:
        done = self("inspect", reference)
        assert done.code == 0, done.err
        (described,) = json.loads(done.out)
        assert isinstance(described, dict)
        return described

    def names(self) -> list[str]:
        """Return the ids of all containers, ended ones included."""
        return self("ps", "-aq").out.decode().split()

    def remove_all(self) -> None:
        """End and remove whatever there is."""
        if names := self.names():
            done = self("rm", "-f", *names)
            assert done.code == 0, done.err

    def left(self) -> list[str]:
        """Return every file of containers that is still in the root."""
        return [
            f"{folder}/{name}"
            for folder in ("containers", "names", "ranges", "run")
            if os.path.isdir(f"{self.seen_at}{self.root}/{folder}")
            for name in os.listdir(f"{self.seen_at}{self.root}/{folder}")
        ]


class Container:
    """A container that was started, and what one does with it."""

    def __init__(self, ptyd: Ptyd, described: dict[str, Any]) -> None:
        self.ptyd = ptyd
        self.described = described
        self.id: str = described["Id"]
        self.name: str = described["Name"]
        self.keeper_pid: int = described["KeeperPid"]
        self.journal_folder: str = ptyd.seen_at + described["Paths"]["Journal"]

    def state(self) -> dict[str, Any]:
        """Return what the keeper has written down."""
        fields = json.loads(Path(self.ptyd.seen_at + self.described["Paths"]["State"]).read_text())
        assert isinstance(fields, dict)
        return fields

    # Where it is

    def port(self, dialect: str = "ptyd.v1") -> int:
        listeners = self.described["Listeners"]
        return next(int(one["port"]) for one in listeners if one["dialect"] == dialect)

    def link(self, role: str = "control") -> str:
        """Mint a token and return its link."""
        done = self.ptyd("share", f"--{role}", self.id)
        assert done.code == 0, done.err
        return done.out.decode().strip()

    @property
    def control(self) -> Place:
        return Place(path=self.ptyd.seen_at + self.described["Paths"]["Control"])

    def attach(self, link: str | None = None, *, acks: bool = True, **fields: Any) -> WireClient:
        """Attach a lossless client from the first byte on; by control.sock without a link."""
        client = WireClient(Place.of_link(link) if link else self.control, acks=acks)
        try:
            client.attach(**{"from": "start", "lossless": True, **fields})
        except BaseException:
            client.close()
            raise
        return client

    # Its processes

    def server_pid(self) -> int:
        """Return the pid of the server that is ready, waiting for it to be."""
        found: list[int] = []

        def is_ready() -> bool:
            pid = self.state().get("server_pid")  # once: the next moment it may be replaced
            found.extend([pid] if pid else [])
            return bool(found)

        wait_until(is_ready)
        return found[0]

    def kill_server(self) -> int:
        """Kill the server and wait for nothing; return its pid."""
        while True:
            pid = self.server_pid()
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it was being replaced
            return pid

    def wait_for_new_server(self, old: int) -> int:
        """Wait until another server than ``old`` is ready; return its pid."""
        wait_until(lambda: self.state().get("server_pid") not in (None, old), what="a new server")
        return self.server_pid()

    def replace_server(self) -> int:
        """Kill the server, wait for the next; return its pid."""
        return self.wait_for_new_server(self.kill_server())

    @property
    def pid(self) -> int:
        return int(self.state()["pid"])

    # Its end

    def wait_for_status(self) -> int:
        wait_until(lambda: self.state()["status"] == "exited", what="the program's end")
        return int(self.state()["exit_status"])

    def journal(self) -> bytes:
        """Return the bytes of the journal's segments, as far as they are held."""
        segments = sorted(Path(self.journal_folder).glob("*.out"))
        return b"".join(segment.read_bytes() for segment in segments)

    def remove(self) -> None:
        done = self.ptyd("rm", "-f", self.id)
        assert done.code == 0, done.err
        wait_for_end(self.keeper_pid)
