"""Start of a keeper: ``python -I -S …/ptykeep/__main__.py``, its launch request on fd 3."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from ptylaunch.lean import stand_in

stand_in()

from ptykeep.main import main  # noqa: E402 - after it

main()
