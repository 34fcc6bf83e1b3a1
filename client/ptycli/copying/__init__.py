"""What ``ptyd cp`` does on both sides: a tar archive is made on one and unpacked on the other.

Both ends are the same code, once out here and once in the box (``ptylaunch.visit``), where it must
not import, look up a user, or trust what it finds: the box changes it meanwhile.
"""
