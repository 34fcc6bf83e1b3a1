"""The ``ptyd`` command: one file a verb, thin over files, keepers and the wire."""
