"""What Linux counts of this process's resident memory, and who reads it.

``_kernel.c`` beside this file does it: both ends of every phase of every test are read. Where it was not compiled,
:class:`pytest_memory.instruments.procfs.ProcFiles` serves.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Protocol

    class Kernel(Protocol):
        """Counters of this process. A fork notices by itself that the descriptors are its parent's, and opens its own.

        Every method raises OSError where the files cannot be read any more.
        """

        @property
        def forks(self) -> int:
            """How often it noticed that it is in a fork of the process before."""
            ...

        def begin(self) -> int:
            """Resident bytes now; the mark starts anew from there."""
            ...

        def read(self) -> tuple[int, int]:
            """Resident bytes now, and the mark (the kernel counts in batches of about 300 KiB)."""
            ...

        def quick(self) -> tuple[int, int]:
            """Resident bytes now, and ``ru_maxrss``; if that is higher, the mark starts anew."""
            ...

        def close(self) -> None:
            """Close the descriptors."""
            ...


PROC = "/proc/self"


def open_kernel(folder: str = PROC) -> Kernel:
    """Open the counters in a folder such as ``/proc/self``.

    Raises:
        OSError: They are missing, or may not be written.
    """
    try:
        from ._kernel import Kernel as Compiled
    except ImportError:  # there was no compiler
        from .procfs import ProcFiles

        return ProcFiles(folder)
    return Compiled(folder)
