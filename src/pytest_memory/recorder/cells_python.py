"""What ``_cells.c`` does, where there was no compiler."""

from __future__ import annotations

import zlib

from .cells import CELL, NAME, NAME_ROOM, NAME_STRIDE, NAMES_AT, STATE, STATES_AT

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

_pack_state, _store_cell, _crc32 = STATE.pack, CELL.pack_into, zlib.crc32


class PythonCells:
    """See :class:`pytest_memory.recorder.cells.Cells`.

    Args:
        memory: The breadcrumb.
        clock: Monotonic seconds.
    """

    __slots__ = ("_begun", "_generation", "_memory", "_number", "clock")

    def __init__(self, memory: mmap, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._memory: mmap | None = memory
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
        self._begun = now = self.clock()
        self._write(activity, now)
        return now

    def enter(self, activity: int) -> float:
        """See :meth:`Cells.enter`."""
        now = self.clock()
        self._write(activity, now)
        return now

    def move(self, memory: mmap) -> None:
        """See :meth:`Cells.move`."""
        self._memory = memory
        self._generation = self._number = 0
        self._begun = 0.0

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
