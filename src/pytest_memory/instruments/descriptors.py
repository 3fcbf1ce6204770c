"""Descriptors that stay open while tests run.

Code that makes daemons closes every descriptor that it finds, and the files that it opens next get their numbers. What
is written to such a number goes into somebody else's file, and closing it closes that file.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False

if TYPE_CHECKING:
    from pathlib import Path


class HeldDescriptor:
    """Knows the file that it was opened for: ask whether it is ours before writing to it.

    Args:
        number: An open descriptor, which is ours from now on.

    Attributes:
        number: The same; below 0 when it was closed.
    """

    __slots__ = ("_device", "_inode", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        about = os.fstat(number)
        self._device, self._inode = about.st_dev, about.st_ino

    def is_ours(self) -> bool:
        """Whether it is open, and still that file's."""
        try:
            about = os.fstat(self.number)
        except OSError:
            return False
        return about.st_ino == self._inode and about.st_dev == self._device

    def reopen(self, path: str | Path, flags: int) -> None:
        """Open the same file anew. The number held until now is left to whom it belongs.

        Raises:
            OSError: It cannot be opened, or another file is in its place.
        """
        self.number = os.open(path, flags)
        if not self.is_ours():
            os.close(self.number)
            self.number = -1
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    def close(self) -> None:
        """Close it, unless it is somebody else's by now."""
        if self.is_ours():
            os.close(self.number)
        self.number = -1
