#!python
"""The command ``ptyd``, as it is installed, and ``python -m ptycli``."""

from ptycli.main import main

main()
