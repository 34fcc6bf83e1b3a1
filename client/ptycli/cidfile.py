"""``--cidfile``: a file that names a container from before its start, and never two of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from ptycli.arguments import Failure

if TYPE_CHECKING:
    from ptycli.container import Container


class IdFile:
    """Within its ``with`` block the container is made; without one the file goes again."""

    def __init__(self, path: str | None, container: Container) -> None:
        self._path = path
        self._container = container

    def __enter__(self) -> Self:
        """Write it; raise Failure where it is there already, for it is another's."""
        if self._path is None:
            return self
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o644)
        except FileExistsError:
            raise Failure(f"--cidfile {self._path}: it is there already: remove it") from None
        except OSError as error:
            raise Failure(f"--cidfile {self._path}: {error.strerror}") from None
        try:
            os.write(fd, self._container.id.encode())
        except OSError as error:
            os.unlink(self._path)
            raise Failure(f"--cidfile {self._path}: {error.strerror}") from None
        finally:
            os.close(fd)
        return self

    def __exit__(self, *error: object) -> None:
        if self._path is None or error[0] is None or os.path.isdir(self._container.directory):
            return
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass  # somebody else has removed it
