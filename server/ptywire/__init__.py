"""Pure codecs of everything ptyd speaks: bytes in, values out, no I/O."""
