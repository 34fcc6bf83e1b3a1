#!python
"""The command ``ptylaunch``, as it is installed, and ``python -m ptylaunch``."""

from ptylaunch.command import command

command()
