"""Start of a server: ``python -I -S …/ptyd/__main__.py``, the keeper's socket on fd 3."""

import gc
import os
import select
import socket
import sys

sys.path += os.environ["PTYD_PATH"].split(":")

from ptyd.parent import die_with, maker_of
from ptykeep.protocol import FD, receive

with socket.socket(fileno=FD) as keeper:
    keeper.set_inheritable(False)
    die_with(maker_of(keeper))
    gc.disable()  # imports make the collector look, and find nothing
    from ptyd.server import import_rest, main  # the slow part, before it is known what we are for

    if not select.select([keeper], [], [], 0)[0]:
        import_rest()  # that is still not known
    gc.freeze()
    gc.enable()
    hello = receive(keeper)
    if hello is not None:
        if hello.fields.get("log"):  # we were started before there was one
            log = hello.fds.pop()
            os.dup2(log, 2)
            os.close(log)
        main(keeper, hello)
