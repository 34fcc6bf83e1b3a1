"""The loop of a server, and what it is loaded without."""

from __future__ import annotations

import subprocess
import sys

from ptykeep.forerunner import import_path

SCRIPT = """
import sys
sys.path += sys.argv[1:]
from ptyd.loop import new_loop
import ptyd.server
ptyd.server.import_rest()
heavy = {"_ssl", "email.message", "importlib.metadata"} & set(sys.modules)
assert not heavy, heavy
loop = new_loop()
assert type(loop).__module__ == "uvloop"
loop.call_soon(loop.stop)
loop.run_forever()
import ssl
assert ssl.OPENSSL_VERSION
from ptyd.net.tls import Tls
loop.close()
"""


def test_a_server_loads_no_tls_until_it_speaks_it() -> None:
    """Nor anything else that is large; whoever imports ssl afterwards has the real one."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT, *import_path()],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
