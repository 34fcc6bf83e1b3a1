"""Somebody who uses ``ptylaunch`` as any OCI runtime: root or an ordinary user, with a bundle.

The command is a program of its own that runs from a copy of the sources, since an ordinary user may
read neither a checkout in /root nor root's Python; see ``boxes.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from account import system_python
from boxes import ORDINARY, account_of, readable_copy
from leaks import checked
from ptycli.skeleton import build_skeleton, host_trees

if TYPE_CHECKING:
    from collections.abc import Iterator


class Runtime(NamedTuple):
    """``folder`` holds the bundle, ``root`` what the runtime keeps; both are the user's own."""

    folder: Path
    account: pwd.struct_passwd
    sources: Path

    @property
    def user(self) -> str:
        return self.account.pw_name

    @property
    def uid(self) -> int:
        return self.account.pw_uid

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, its output in files: a container inherits them."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = self.popen(*words, **{"stdout": out, "stderr": err, **more})
            code = process.wait(60)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, code, out.read(), err.read())

    def popen(
        self, *words: str, prefix: tuple[str, ...] = (), **more: Any
    ) -> subprocess.Popen[str]:
        """Start one command; ``prefix`` is a program that becomes it."""
        python = sys.executable if self.uid == os.geteuid() else system_python()
        command = [*prefix, python, "-m", "ptylaunch", "--root", str(self.root), *words]
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": self.bundle, "text": True}
        return subprocess.Popen(command, **{**settings, **self._identity, **more})

    def do(self, *words: str, **more: Any) -> str:
        """Run one command that must go well; return what it printed."""
        done = self.run(*words, **more)

        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def state(self, name: str) -> dict[str, Any]:
        return json.loads(self.do("state", name))  # type: ignore[no-any-return]

    def pid(self, name: str) -> int:
        return int(self.state(name)["pid"])

    @property
    def _identity(self) -> dict[str, Any]:
        account = self.account
        more: dict[str, Any] = {
            "env": {
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": f"{self.sources}/launcher",
                "PYTHONDONTWRITEBYTECODE": "1",
                "CANARY": "caller-secret",
            }
        }
        if account.pw_uid != os.geteuid():
            more |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return more

    def edit(self, *path: str | int, to: object) -> None:
        """Set one value of config.json."""
        file = self.bundle / "config.json"
        place = spec = json.loads(file.read_text())
        for key in path[:-1]:
            place = place.setdefault(key, {}) if isinstance(key, str) else place[key]
        place[path[-1]] = to
        file.write_text(json.dumps(spec))

    def script(self, text: str) -> None:
        """Have the container run a line of sh."""
        self.edit("process", "args", to=["sh", "-c", text])


def users() -> list[str]:
    """Return everybody who can be tried; by root also an ordinary user, who is made when needed."""
    return ["root", ORDINARY] if os.geteuid() == 0 else [pwd.getpwuid(os.geteuid()).pw_name]


@contextlib.contextmanager
def runtime(user: str) -> Iterator[Runtime]:
    """Make a bundle for ``user``; fail if the test leaves a process, a mount or a container."""
    with tempfile.TemporaryDirectory(prefix="oci") as folder, checked(folder):
        sources = readable_copy(folder)
        account = account_of(user)
        home = Path(folder, "home")
        made = Runtime(home, account, sources)
        made.bundle.mkdir(parents=True)
        build_skeleton(str(made.bundle / "rootfs"), etc={"passwd": "root:x:0:0::/root:/bin/sh\n"})
        for path in (home, *home.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        made.do("spec")
        made.edit("process", "terminal", to=False)
        trees = [
            {"destination": tree, "type": "bind", "source": tree, "options": ["rbind", "ro"]}
            for tree in host_trees()
        ]
        spec = json.loads((made.bundle / "config.json").read_text())
        made.edit("mounts", to=[*spec["mounts"], *trees])
        yield made
        left = list(made.root.iterdir()) if made.root.exists() else []
        for path in left:
            made.run("delete", "--force", path.name)

        assert left == [], "containers were left"
