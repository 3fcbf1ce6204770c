"""The peak of resident memory, one span of time after another, for a few microseconds each.

:class:`pytest_memory.instruments.resident.KernelResident` is exact to the page and nests; it reads
``/proc/self/status``, which takes the kernel a sum over all processors and 16 µs. Here the same mark is read with
getrusage(2) in less than two, as the kernel has it at hand: in batches, which may lag by some hundred KiB. That is
enough for a curve over time, and cheap enough for every test.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_PROC = Path("/proc/self")
_INHERITED = 4 * 1024**2


class Watermark:
    """Reads the mark of the span that ends now, and begins the next.

    ``ru_maxrss`` is the larger of the mark and the peak of the program that exec'ed this one. Where that peak is above
    what this process holds it would hide lower marks, and then there are none.

    Raises:
        OSError: ``/proc`` is missing or may not be written.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm = os.open(proc / "statm", os.O_RDONLY | os.O_CLOEXEC)
        self._clear = os.open(proc / "clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        self._inherited = -1
        os.pwrite(self._clear, b"5", 0)
        resident, mark = self.read()
        if mark is not None and mark > resident + _INHERITED:
            self._inherited = mark

    def read(self) -> tuple[int, int | None]:
        """Resident bytes now, and at their highest since the last reading; ``None`` where that cannot be told."""
        resident = int(os.pread(self._statm, 128, 0).split(b" ", 2)[1]) * self._page
        mark = self._mark()
        if mark > resident:  # else the kernel's mark is at this level already
            os.pwrite(self._clear, b"5", 0)
        if mark <= self._inherited:
            return resident, None
        return resident, max(resident, mark)

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._statm)
        os.close(self._clear)

    @staticmethod
    def _mark() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
