"""A session's journal as what people keep: lines, entries, recordings.

Journal items (bytes and moments) go through a :class:`~ptycli.transcript.selection.Selection` into
a format, which returns bytes. Formats wait for nothing and write nothing.
"""
