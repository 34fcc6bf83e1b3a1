"""Stands in for ``ctypes``: the types and calls of this project, by the same code in C.

The real one imports ``types`` and makes a hundred things that nobody asks for here, in 1.5 ms.
"""

from __future__ import annotations

from ptylaunch.lean import real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ctypes: Any = __import__("_ctypes")  # half of it is not in typeshed
Array, Structure, _Simple = _ctypes.Array, _ctypes.Structure, _ctypes._SimpleCData  # noqa: SLF001
addressof, byref, sizeof = _ctypes.addressof, _ctypes.byref, _ctypes.sizeof
get_errno = _ctypes.get_errno


def __getattr__(name: str) -> Any:
    return real("ctypes", name)


def _simple(name: str, code: str) -> Any:
    """Make a type of one value, ``code`` as in :mod:`struct` but for z, a string, and P."""
    return type(_Simple)(name, (_Simple,), {"_type_": code, "__module__": __name__})


c_char = _simple("c_char", "c")
c_char_p = _simple("c_char_p", "z")
c_void_p = _simple("c_void_p", "P")
c_int = c_int32 = _simple("c_int", "i")
c_ushort = _simple("c_ushort", "H")
c_uint32 = _simple("c_uint32", "I")
c_uint64 = _simple("c_uint64", "Q")
c_long = _simple("c_long", "l")
c_ulong = c_size_t = _simple("c_ulong", "L")


def _function(name: str, flags: int, result: Any, arguments: tuple[Any, ...] | None = None) -> Any:
    """Make a type of functions in C."""
    body = {"_flags_": flags, "_restype_": result, "__module__": __name__}
    if arguments is not None:
        body["_argtypes_"] = arguments
    base = _ctypes.CFuncPtr
    return type(base)(name, (base,), body)


_Move = _function("memmove", _ctypes.FUNCFLAG_CDECL, c_void_p, (c_void_p, c_void_p, c_size_t))
_Set = _function("memset", _ctypes.FUNCFLAG_CDECL, c_void_p, (c_void_p, c_int, c_size_t))
memmove, memset = _Move(_ctypes._memmove_addr), _Set(_ctypes._memset_addr)  # noqa: SLF001


class CDLL:
    """The functions of a library; of those that are loaded already when it has no name."""

    _flags = _ctypes.FUNCFLAG_CDECL

    def __init__(self, name: str | None, *, use_errno: bool = False) -> None:
        flags = self._flags | (_ctypes.FUNCFLAG_USE_ERRNO if use_errno else 0)
        self._kind = _function("function", flags, c_int)
        self._handle = _ctypes.dlopen(name, _ctypes.RTLD_LOCAL)  # by which _kind finds one

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._kind((name, self))
        setattr(self, name, found)
        return found


class PyDLL(CDLL):
    """The same, called without giving the interpreter's lock away."""

    _flags = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI


def create_string_buffer(init: bytes | int) -> Any:
    """Return memory of so many bytes, or with these and a NUL."""
    if isinstance(init, int):
        return (c_char * init)()
    buffer = (c_char * (len(init) + 1))()
    buffer.value = init
    return buffer
