"""The peak of resident memory, one span of time after another, for a few microseconds each.

:class:`pytest_memory.instruments.resident.KernelResident` nests, and reads the mark at both ends of a window. Here one
reading ends a span and begins the next, with the mark as the kernel has it at hand: in batches, which may lag by some
hundred KiB. That is enough for a curve over time, and cheap enough for every test.
"""

from __future__ import annotations

from .kernel import open_kernel

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .kernel import Kernel

_INHERITED = 4 * 1024**2


class Watermark:
    """Reads the mark of the span that ends now, and begins the next.

    ``ru_maxrss`` is the larger of the mark and the peak of the program that exec'ed this one. Where that peak is above
    what this process holds it would hide lower marks, and then there are none.

    Args:
        kernel: The counters; by default those of this process.

    Raises:
        OSError: ``/proc`` is missing or may not be written.
    """

    def __init__(self, kernel: Kernel | None = None) -> None:
        self._kernel = kernel = kernel if kernel is not None else open_kernel()
        self._quick = kernel.quick
        resident, mark = self._quick()
        self._inherited = mark if mark > resident + _INHERITED else -1

    def read(self) -> tuple[int, int | None]:
        """Resident bytes now, and at their highest since the last reading; ``None`` where that cannot be told."""
        reading = self._quick()
        resident, mark = reading
        if mark <= self._inherited:
            return resident, None
        return reading if mark >= resident else (resident, resident)  # the mark may lag by a batch

    def close(self) -> None:
        """Close the descriptors."""
        self._kernel.close()
