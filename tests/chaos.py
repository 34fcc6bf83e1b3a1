"""All verbs at random on a handful of containers, while whatever belongs to them is killed.

What must hold: no traceback, no exit code that is not defined, no verb that hangs; and when it is
quiet again ``ps -a`` tells the truth, and ``prune`` and ``rm`` leave nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import signal
import subprocess
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaks import descendants
from ptykeep import lock, state
from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ptyd_user import Ptyd

AT_ONCE = 4
NAMES = ("ant", "bee", "cat", "dog", "elk")
WITHIN = 60.0
"""Seconds in which each verb returns whatever is killed; it is far less on a quiet machine."""
FOLLOWS = 1.5
"""Seconds for which somebody looks on who would do so for ever."""
DEFINED = {0, 1, 2, 3, 7, 125, 126, 127, 128 + 1, 128 + 2, 128 + 9, 128 + 13, 128 + 15}
"""3 and 7 are the programs' own, 2 is that of ``expect`` for one that ended."""
ENDLESS = "trap 'exit 7' TERM; while :; do echo line; sleep 0.05 & wait; done"
FOLLOWERS = ("attach", "wait", "record")
_OURS = re.compile(r'ptycli/main\.py", line \d+, in (?!<module>)')
BAD = ("Traceback", "this is a bug", "Exception", "asyncio")
"""What no user is to see, and no log to hold."""


class Call(NamedTuple):
    """What became of a verb, and whether it was let run."""

    words: Sequence[str]
    code: int
    err: str
    out: bytes
    seconds: float
    was_cut: bool

    @property
    def fault(self) -> str:
        """Return what is wrong with it, nothing if it is as it must be."""
        said = self.err + self.out.decode(errors="replace")
        is_early = "KeyboardInterrupt" in said or "init_import_site" in said
        if self.was_cut and is_early and not _OURS.search(said):
            return ""  # Python itself was interrupted, before it came to us
        if any(word in said for word in BAD):
            return "it shows its inside"
        if self.was_cut:
            return ""
        if self.code not in DEFINED:
            return "that is no exit code of ours"
        if self.code in (1, 125) and not self.err and self.words[0] not in ("run", "start"):
            return "it does not say why"
        return ""


class Chaos:
    """One run of it; ``seed`` decides what is done, the machine in which order."""

    def __init__(self, ptyd: Ptyd, folder: Path, seed: int) -> None:
        self._ptyd = ptyd
        self._archive = str(folder / "root.tar")
        self._seed = seed
        self._over = threading.Event()
        self.calls: list[Call] = []
        self.kills: list[str] = []
        self.faults: list[str] = []
        with tarfile.open(self._archive, "w") as tar:
            entry = tarfile.TarInfo("etc/it")
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"it\n"))

    def run(self, times: int) -> None:
        """Give so many verbs; fail if one of them or what is left is not as it must be."""
        killer = threading.Thread(target=self._kill_on, args=(random.Random(self._seed),))
        killer.start()
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                # To a list: what goes wrong in one of them is raised here.
                list(pool.map(self._call, range(self._seed, self._seed + times)))
        finally:
            self._over.set()
            killer.join()
        self.faults += [f"{call}: {call.fault}" for call in self.calls if call.fault]
        assert self.faults == []
        self._check_truth()
        self._check_prune()

    # Verbs

    def _call(self, seed: int) -> None:
        chance = random.Random(seed)
        words = self._words(chance)
        is_endless = words[0] in FOLLOWERS or "-f" in words[1:2] or "-a" in words[1:2]
        cut_after = FOLLOWS if is_endless else None
        if chance.random() < 0.12:
            cut_after = chance.uniform(0.0, 0.8)
        began = time.monotonic()
        process = subprocess.Popen(
            self._ptyd.command("ptyd", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._ptyd.env,
        )
        was_cut = False
        try:
            out, err = process.communicate(b"echo typed\n", timeout=cut_after or WITHIN)
        except subprocess.TimeoutExpired:
            if cut_after is None:
                self.faults.append(f"{words}: it did not return in {WITHIN} s")
            was_cut = True
            process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            try:
                out, err = process.communicate(timeout=WITHIN)
            except subprocess.TimeoutExpired:
                self.faults.append(f"{words}: it did not end when it was told to")
                process.kill()
                out, err = process.communicate()
        took = time.monotonic() - began
        self.calls.append(Call(words, process.returncode, err.decode(), out, took, was_cut))

    def _words(self, chance: random.Random) -> list[str]:
        name = chance.choice(NAMES)
        words = chance.choice(VERBS)
        filled = (word.format(name, chance.choice(NAMES)) for word in words)
        return [self._archive if word == "ARCHIVE" else word for word in filled]

    # Kills

    def _kill_on(self, chance: random.Random) -> None:
        while not self._over.wait(chance.uniform(0.02, 0.3)):
            with contextlib.suppress(OSError, ValueError):
                self._kill_something(chance)

    def _kill_something(self, chance: random.Random) -> None:
        folders = [Path(each) for each in self._folders()]
        if not folders:
            return
        folder = chance.choice(folders)
        self._look_at_logs(folder)
        keeper = lock.keeper_pid(str(folder))
        fields = state.read_json(f"{folder}/state.json")
        role = chance.choice(["keeper", "server", "init", "pid", "any", "any"])
        if role == "keeper":
            pid = keeper
        elif role == "any":  # the screen, who carries the network, what exec started
            pid = chance.choice(sorted(descendants(keeper)) or [None]) if keeper else None
        else:
            pid = fields.get({"server": "server_pid", "init": "init_pid"}.get(role, "pid"))
        if not pid:
            return
        fd = os.pidfd_open(pid)
        try:
            if pid in descendants():  # else it ended, and the pid may be a stranger's
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                self.kills.append(role)
        finally:
            os.close(fd)

    def _folders(self) -> list[str]:
        dirs = state.Dirs(self._ptyd.root, f"{self._ptyd.root}/run")
        return [state.container_dir(dirs, each) for each in state.list_containers(dirs)]

    def _look_at_logs(self, folder: Path) -> None:
        for name in ("keeper.log", "server.log"):
            with contextlib.suppress(OSError):
                text = (folder / name).read_text(errors="replace")
                if any(word in text for word in BAD):
                    self.faults.append(f"{folder.name[:12]}/{name}: {text[-3000:]}")

    # What is left

    def _check_truth(self) -> None:
        """What ``ps -a`` says of each is what its processes say."""
        for folder in self._folders():
            self._look_at_logs(Path(folder))
        assert self.faults == []
        wait_until(lambda: self._lies() == [], what=f"ps tells the truth: {self._lies()}")

    def _lies(self) -> list[str]:
        return [
            f"{row['ID']} {row['Status']}: {why}" for row in self._rows() if (why := self._lie(row))
        ]

    def _lie(self, row: dict[str, Any]) -> str:
        directory = f"{self._ptyd.root}/containers/{row['ID']}"
        keeper = lock.keeper_pid(directory)
        try:
            fields = state.read_json(f"{directory}/state.json")
        except (OSError, ValueError):
            fields = {}
        init = fields.get("init_pid")
        lives = bool(init) and is_alive(init) and init in descendants()
        match row["State"]:
            case "running" | "paused":
                return "" if keeper and lives else f"keeper {keeper}, init {init} {lives}"
            case "restarting":
                return "" if keeper else "it has no keeper"
            case _:
                return f"init {init} lives" if lives else ""

    def _rows(self) -> Iterator[dict[str, Any]]:
        done = self._ptyd("ps", "-a", "--no-trunc", "--format", "json")
        assert (done.code, done.err) == (0, "")
        return map(json.loads, done.out.splitlines())

    def _check_prune(self) -> None:
        """``prune`` removes all that does not run, also what was never made to its end."""
        for folder in self._folders():
            os.utime(folder, (0, 0))  # nobody makes it any more
        done = self._ptyd("prune", "-f")
        assert done.code == 0, done.err
        assert {row["State"] for row in self._rows()} <= {"running", "paused", "restarting"}
        assert self._ptyd("image", "prune", "-af").code == 0


VERBS: list[list[str]] = [
    *[["run", "-d", "--name", "{0}", "sh", "-c", ENDLESS]] * 4,
    *[["run", "-d", "--no-tty", "--name", "{0}", "sh", "-c", ENDLESS]] * 2,
    ["run", "-d", "--restart", "on-failure:3", "--name", "{0}", "sh", "-c", "sleep 0.2; exit 3"],
    ["run", "-d", "--restart", "always", "--name", "{0}", "sh", "-c", ENDLESS],
    ["run", "--rm", "--name", "{0}", "sh", "-c", "printf x; exit 7"],
    ["run", "--rm", "sh", "-c", "printf x; exit 7"],
    ["run", "--rm", "--name", "{0}", "--network", "none", "cat"],
    ["run", "--name", "{0}", "no-such-program"],
    ["create", "--name", "{0}", "sh", "-c", ENDLESS],
    ["create", "--rm", "--name", "{0}", "sh", "-c", "exit 3"],
    *[["start", "{0}"]] * 3,
    ["start", "{0}", "{1}"],
    ["start", "-a", "{0}"],
    ["attach", "{0}"],
    ["attach", "--no-stdin", "--sig-proxy=false", "{0}"],
    *[["exec", "{0}", "sh", "-c", "echo it; exit 3"]] * 3,
    ["exec", "-t", "{0}", "sh", "-c", "echo it; exit 3"],
    ["exec", "-d", "{0}", "sleep", "1000"],
    ["logs", "{0}"],
    ["logs", "-f", "{0}"],
    ["logs", "--tail", "3", "-t", "{0}"],
    *[["ps", "-a"]] * 2,
    ["ps", "-as", "--format", "json"],
    ["inspect", "{0}", "{1}"],
    ["inspect", "-f", "{{{{json .State}}}}", "{0}"],
    *[["stop", "-t", "1", "{0}"]] * 2,
    ["stop", "-t", "0", "{0}", "{1}"],
    ["kill", "{0}"],
    ["kill", "-s", "TERM", "{0}", "{1}"],
    *[["restart", "-t", "1", "{0}"]] * 2,
    *[["pause", "{0}"]] * 2,
    *[["unpause", "{0}"]] * 2,
    ["wait", "{0}"],
    ["rename", "{0}", "{1}"],
    ["rm", "{0}"],
    ["rm", "-f", "{0}", "{1}"],
    ["prune", "-f"],
    ["top", "{0}"],
    ["stats", "--no-stream"],
    ["port", "{0}"],
    ["events", "--since", "10m", "--until", "0s"],
    ["images"],
    ["import", "ARCHIVE", "{0}"],
    ["run", "--rm", "--image", "{0}", "true"],
    ["rmi", "{0}"],
    ["image", "prune", "-af"],
    ["info"],
    ["screen", "{0}"],
    ["send", "--timeout", "5", "{0}", "hello"],
    ["expect", "--timeout", "1", "{0}", "line"],
    ["size", "{0}", "30x90"],
    ["share", "{0}"],
    ["upgrade", "{0}"],
    ["upgrade", "--all"],
    ["export", "{0}"],
    ["record", "{0}", "/dev/null"],
]
