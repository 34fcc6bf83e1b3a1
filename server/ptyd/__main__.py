"""Start of a server: ``python -I -S …/ptyd/__main__.py``, the keeper's socket on fd 3."""

import gc
import os
import socket
import sys

sys.path += os.environ["PTYD_PATH"].split(":")

from ptyd.parent import die_with, maker_of
from ptykeep.protocol import FD, receive

with socket.socket(fileno=FD) as keeper:
    keeper.set_inheritable(False)
    die_with(maker_of(keeper))
    hello = receive(keeper)
    if hello is not None:
        gc.disable()  # imports make the collector look, and find nothing
        from ptyd.server import main  # the slow part, once we know that we are wanted

        gc.freeze()
        gc.enable()

        main(keeper, hello)
