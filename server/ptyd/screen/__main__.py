"""Start of a screen: ``python -I -S …/ptyd/screen/__main__.py``, the server's socket on fd 3."""

import os
import socket
import sys

sys.path += os.environ["PTYD_PATH"].split(":")

from ptyd.parent import die_with_parent
from ptyd.screen.confine import confine
from ptykeep.protocol import FD


def main() -> None:
    confine(FD)
    with socket.socket(fileno=FD) as server:
        server.set_inheritable(False)
        die_with_parent(server)
        from ptyd.screen.process import (  # the native library: not before we are confined
            Screen,
            warm_up,
        )

        warm_up()
        screen = Screen(server)
        try:
            screen.run()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server is gone, and with it what this was for
        finally:
            screen.close()


main()
