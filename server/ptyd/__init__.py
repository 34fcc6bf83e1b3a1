"""The server: moves bytes into the journal and serves everybody who reads it."""
