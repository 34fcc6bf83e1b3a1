"""Start of a screen: ``python -I -S …/ptyd/screen/__main__.py``, the server's socket on fd 3."""

import os
import socket
import sys

sys.path += os.environ["PTYD_PATH"].split(":")

from ptyd.parent import die_with
from ptyd.screen.confine import confine
from ptykeep import identity
from ptykeep.protocol import FD


def main() -> None:
    # Absolute paths go through folders that may be root's alone.
    os.chdir(os.environ["PTYD_DIRECTORY"])
    uid = int(os.environ["PTYD_UID"])
    identity.assume(uid)
    confine(FD)
    die_with(int(os.environ["PTYD_KEEPER"]))  # it may hang, and not hear that its server is gone
    with socket.socket(fileno=FD) as server:
        server.set_inheritable(False)
        from ptyd.screen.process import (  # the native library: not before we are confined
            Screen,
            warm_up,
        )

        warm_up()
        identity.settle(uid)
        screen = Screen(server)
        try:
            screen.run()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server is gone, and with it what this was for
        finally:
            screen.close()


main()
