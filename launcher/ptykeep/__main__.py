"""Start of a keeper: ``python -I -S …/ptykeep/__main__.py``, its launch request on fd 3."""

import gc
import os
import sys

gc.disable()  # imports make the collector look, and find nothing
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from ptylaunch.lean import stand_in  # noqa: E402 - after these

stand_in()

from ptykeep.main import main  # noqa: E402 - after it

main()
