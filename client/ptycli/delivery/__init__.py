"""``ptyd logs --to``: a log driver as a cursor on the journal, which goes on where it stopped.

It reads the journal's files as ``ptyd logs`` does, so nothing that it waits for holds the program.
"""
