"""Settings of every test: properties are not timed, and repeat themselves where CI runs them."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# A deadline per example fails on a busy machine, which says nothing about the code. In CI the
# examples are the same each time and no database is kept: a red run can be run again.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# What a shell's & and nohup(1) ignore is ignored by all that we start, too: ptyd respects that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
    signal.signal(_number, signal.SIG_DFL)
