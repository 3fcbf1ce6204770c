"""The cells of a breadcrumb: the two for what the process does, and the two for the name of the running test.

Every phase of every test is written, so it is done in C where there was a compiler (``_cells.c``), and by
:class:`PythonCells` elsewhere. Both leave the same bytes.
"""

from __future__ import annotations

import struct
import time
import zlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap
    from typing import Protocol

    class Cells(Protocol):
        """Writes into the cells of one breadcrumb, alternating between the two of a kind."""

        def begin(self, nodeid: str, activity: int = 1, /) -> float:
            """A test (or collector) begins; ``activity`` is an index of ``ACTIVITIES``. Gives the time."""
            ...

        def enter(self, activity: int, /) -> float:
            """It goes on with something else; 0 if no test is running any more. Gives the time."""
            ...

        def release(self) -> None:
            """Let go of the memory; nothing can be written any more."""
            ...


NAME_ROOM = 65_536 - 16
"""Bytes of UTF-8 kept of a name; a longer one is cut."""

STATE = struct.Struct("<QddIB")
CELL = struct.Struct(f"<{STATE.size}sI")
NAME = struct.Struct("<III")
STATES_AT = (192, 256)
NAMES_AT = 4096
NAME_STRIDE = NAME_ROOM + 16
END = NAMES_AT + 2 * NAME_STRIDE

_pack_state, _store_cell, _crc32 = STATE.pack, CELL.pack_into, zlib.crc32


class PythonCells:
    """See :class:`Cells`.

    Args:
        memory: The breadcrumb.
        clock: Monotonic seconds.
    """

    __slots__ = ("_begun", "_clock", "_generation", "_memory", "_number")

    def __init__(self, memory: mmap, clock: Callable[[], float]) -> None:
        self._memory: mmap | None = memory
        self._clock = clock
        self._generation = 0
        self._number = 0
        self._begun = 0.0

    def begin(self, nodeid: str, activity: int = 1) -> float:
        """See :meth:`Cells.begin`."""
        memory = self._writable()
        encoded = nodeid.encode("utf-8", "surrogatepass")[:NAME_ROOM]
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        at = NAMES_AT + (number & 1) * NAME_STRIDE
        cell = NAME.pack(number, len(encoded), _crc32(encoded)) + encoded
        memory[at : at + len(cell)] = cell
        self._begun = now = self._clock()
        self._write(activity, now)
        return now

    def enter(self, activity: int) -> float:
        """See :meth:`Cells.enter`."""
        now = self._clock()
        self._write(activity, now)
        return now

    def release(self) -> None:
        """See :meth:`Cells.release`."""
        self._memory = None

    def _write(self, activity: int, now: float) -> None:
        memory = self._writable()
        self._generation = generation = self._generation + 1
        cell = _pack_state(generation, now, self._begun, self._number, activity)
        _store_cell(memory, STATES_AT[generation & 1], cell, _crc32(cell))

    def _writable(self) -> mmap:
        if self._memory is None:
            raise ValueError("the breadcrumb is closed")
        return self._memory


def choose_cells() -> Callable[[mmap, Callable[[], float]], Cells]:
    """The writer in C if it was built, else the one in Python: to be made of a breadcrumb and a clock."""
    try:
        from ._cells import Cells as Compiled
    except ImportError:  # there was no compiler
        return PythonCells

    def compiled(memory: mmap, clock: Callable[[], float]) -> Cells:
        own = None if clock is time.monotonic else clock
        return Compiled(memory, STATES_AT, NAMES_AT, NAME_STRIDE, NAME_ROOM, own)

    return compiled
