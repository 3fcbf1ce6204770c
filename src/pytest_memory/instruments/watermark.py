"""The peak of resident memory, phase after phase, for a few microseconds each.

:class:`pytest_memory.instruments.resident.KernelResident` is exact to the page and nests; it reads
``/proc/self/status``, which takes the kernel a sum over all processors and 16 µs. Here the same mark is read with
getrusage(2) in less than one, as the kernel has it at hand: in batches, which may lag by some hundred KiB. That is
enough for a curve over time, and cheap enough for every phase of every test.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..model import ResidentUsage

if sys.platform != "win32":
    import resource

_PROC = Path("/proc/self")
_INHERITED = 4 * 1024**2


class Watermark:
    """Follows one span of time after another; they do not overlap.

    ``ru_maxrss`` is the larger of the mark and the peak of the program that exec'ed this one. Where that peak is above
    what this process holds it would hide lower marks, and then there are none.

    Raises:
        OSError: ``/proc`` is missing or may not be written.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm = os.open(proc / "statm", os.O_RDONLY | os.O_CLOEXEC)
        self._clear = os.open(proc / "clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        self._start = self.begin()
        mark = self._mark()
        self._inherited = mark if mark > self._start + _INHERITED else 0

    def begin(self) -> int:
        """A span begins; give the resident bytes."""
        self._start = start = self._read()
        os.pwrite(self._clear, b"5", 0)
        return start

    def end(self) -> ResidentUsage:
        """It ends; ``peak`` is ``None`` where the mark cannot be told from what was inherited."""
        end, mark = self._read(), self._mark()
        if mark <= self._inherited:
            return ResidentUsage(self._start, end)
        return ResidentUsage(self._start, end, max(self._start, end, mark))

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._statm)
        os.close(self._clear)

    def _read(self) -> int:
        return int(os.pread(self._statm, 128, 0).split(b" ", 2)[1]) * self._page

    @staticmethod
    def _mark() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
