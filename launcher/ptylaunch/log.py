"""The file of ``--log``: what went wrong, where podman and containerd look for it.

The format is logrus's, as runc has it: ``level``, ``msg`` and ``time`` in either notation.
"""

from __future__ import annotations

import json
import os
import sys

from ptylaunch.record import utc_now


class Log:
    """Appends lines to a file; without one only an error is told, on standard error.

    OSError when the file cannot be written to: better at once than when there is something to say.
    """

    def __init__(self, path: str | None, form: str, *, debug: bool) -> None:
        self._form = form
        self._debug = debug
        self._file = None
        if path is not None:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._file = open(fd, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - open as long as we are

    def complain(self, message: str) -> None:
        """Tell the user, and the log if there is one: one line each."""
        line = " ".join(message.splitlines())
        print(f"ptylaunch: {line}", file=sys.stderr)
        self._append("error", line)

    def mention(self, message: str) -> None:
        """As an error, of something that went on all the same."""
        line = " ".join(message.splitlines())
        print(f"ptylaunch: warning: {line}", file=sys.stderr)
        self._append("warning", line)

    def remark(self, message: str) -> None:
        """Tell the log alone, of something that went on as it was asked for."""
        self._append("warning", message)

    def note(self, message: str) -> None:
        if self._debug:
            self._append("debug", message)

    def _append(self, level: str, message: str) -> None:
        if self._file is None and level != "debug":
            return  # it has been told already
        fields = {"level": level, "msg": message, "time": utc_now()}
        if self._form == "json":
            line = json.dumps(fields, separators=(",", ":"))
        else:
            line = f"time={json.dumps(fields['time'])} level={level} msg={json.dumps(message)}"
        if self._file is None:
            print(line, file=sys.stderr)
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            print(f"ptylaunch: {self._file.name}: {error.strerror}", file=sys.stderr)
            self._file = None
