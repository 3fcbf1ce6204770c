"""The cells of a breadcrumb, and who follows the tests: what both ends must know, and who does the writing.

Every phase of every test is written, so it is done in C where there was a compiler (``_cells.c``, ``_following.c``),
and in Python elsewhere (:mod:`pytest_memory.recorder.cells_python`, :mod:`pytest_memory.recorder.following_python`).
Both leave the same bytes.
"""

from __future__ import annotations

import struct
import time

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap
    from typing import Protocol

    Reading = tuple[int, int | None]
    """Resident bytes now, and their peak since the last reading where that is known; it may lag behind."""

    class Cells(Protocol):
        """Writes into the cells of one breadcrumb, alternating between the two of a kind."""

        def begin(self, nodeid: str, activity: int = 1, /) -> float:
            """A test (or collector) begins; ``activity`` is an index of ``ACTIVITIES``. Gives the time."""
            ...

        def enter(self, activity: int, /) -> float:
            """It goes on with something else; 0 if no test is running any more. Gives the time."""
            ...

        def clock(self) -> float:
            """The time: monotonic seconds."""
            ...

        def move(self, memory: mmap, /) -> None:
            """Write into another memory from now on, as if nothing had been written before."""
            ...

        def release(self) -> None:
            """Let go of the memory; nothing can be written any more."""
            ...

    class Item(Protocol):
        """A test as far as it is looked at: pytest's."""

        @property
        def nodeid(self) -> str:
            """Its node id."""
            ...

    class Follower(Protocol):
        """Follows the tests of one process: writes the breadcrumb, and makes a frame of each test that has ended.

        Attributes:
            put: Takes the frames, for the journal; ``None`` where there is none, and then nothing is read or kept.
            read: Reads resident memory; ``None`` where nobody can, or somebody else does.
        """

        put: Callable[[bytes], object] | None
        read: Callable[[], Reading] | None

        @property
        def running(self) -> bool:
            """Whether a test is running."""
            ...

        def begin(self, nodeid: str, /) -> None:
            """A test begins."""
            ...

        def enter(self, item: Item, phase: int, nodeid: str = ..., /) -> None:
            """A phase begins, and if the one before did not end it ends now; ``phase`` is an index of ``ACTIVITIES``.

            A phase of an item that was not announced begins its test; so does a second setup. Whoever knows the node id
            of the item may give it: pytest makes it anew each time.
            """
            ...

        def end(self, resident: tuple[int, int, int | None] | None, heap_peak: int | None, /) -> None:
            """The running phase has ended.

            Args:
                resident: Bytes at its start, at its end and at its peak, where somebody has measured them.
                heap_peak: Bytes.
            """
            ...

        def finish(self) -> None:
            """The test has ended."""
            ...


NAME_ROOM = 65_536 - 16
"""Bytes of UTF-8 kept of a name; a longer one is cut."""

BRIEF = 1e-4
"""Seconds for which a reading of resident memory is good enough: most setups and teardowns take no longer."""

ABSENT = 2**64 - 1
"""A number of bytes that is not known, in a journal."""

STATE = struct.Struct("<QddIB")
CELL = struct.Struct(f"<{STATE.size}sI")
NAME = struct.Struct("<III")
STATES_AT = (192, 256)
NAMES_AT = 4096
NAME_STRIDE = NAME_ROOM + 16
END = NAMES_AT + 2 * NAME_STRIDE


def make_cells(memory: mmap, clock: Callable[[], float]) -> Cells:
    """Who writes a breadcrumb: in C if that was built, else in Python.

    Args:
        memory: The breadcrumb.
        clock: Monotonic seconds.
    """
    try:
        from ._cells import Cells as Compiled
    except ImportError:  # there was no compiler
        from .cells_python import PythonCells

        return PythonCells(memory, clock)
    return Compiled(memory, STATES_AT, NAMES_AT, NAME_STRIDE, NAME_ROOM, None if clock is time.monotonic else clock)


def make_follower(cells: Cells, worker: str | None) -> Follower:
    """Who follows the tests: in C if the cells are.

    Args:
        cells: Of the breadcrumb of this process.
        worker: As in :class:`pytest_memory.model.Series`.
    """
    try:
        from ._cells import Cells as CompiledCells
        from ._cells import Follower as Compiled
    except ImportError:
        pass
    else:
        if isinstance(cells, CompiledCells):
            return Compiled(cells, (worker or "").encode())
    from .following_python import PythonFollower

    return PythonFollower(cells, worker)
