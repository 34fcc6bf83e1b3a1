"""The journal: all output of a session, append-only, addressed by absolute byte offset."""
