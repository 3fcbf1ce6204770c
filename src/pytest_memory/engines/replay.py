"""What one thread allocated, replayed from a log of every allocation.

A profiler's own high-water mark belongs to the process: the share that one thread had in it is not that thread's
peak. Replaying the log gives the thread's own figures exactly. A block counts for the thread that allocated it,
whichever thread frees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

EventKind = Literal["allocate", "free", "map", "unmap"]

Event = tuple[EventKind, int, int, int, bool]
"""Kind, address, size in bytes, call stack, and whether the thread in question did it."""


@dataclass(slots=True)
class Replay:
    """Live blocks of one thread while its log is read.

    Attributes:
        allocated: Bytes allocated so far.
        allocations: Calls so far.
        live: Bytes live now.
        peak: The most that was ever live.
        peak_at: How many events had been read when the peak was first reached.
        read: How many events have been read.
    """

    allocated: int = 0
    allocations: int = 0
    live: int = 0
    peak: int = 0
    peak_at: int = 0
    read: int = 0
    _blocks: dict[int, tuple[int, int]] = field(default_factory=dict)
    _maps: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take the next event of the log."""
        kind, address, size, stack, own = event
        self.read += 1
        if kind == "free":
            self.live -= self._blocks.pop(address, (0, 0))[0]
        elif kind == "unmap":
            self._unmap(address, address + size)
        elif own:
            if kind == "allocate":
                self._blocks[address] = (size, stack)
            else:
                self._maps.append((address, address + size, stack))
            self.allocated += size
            self.allocations += 1
            self.live += size
            if self.live > self.peak:
                self.peak, self.peak_at = self.live, self.read

    def stacks(self) -> dict[int, tuple[int, int]]:
        """Bytes and number of the live blocks, by call stack."""
        sizes: Counter[int] = Counter()
        counts: Counter[int] = Counter()
        for size, stack in self._blocks.values():
            sizes[stack] += size
            counts[stack] += 1
        for first, end, stack in self._maps:
            sizes[stack] += end - first
            counts[stack] += 1
        return {stack: (sizes[stack], counts[stack]) for stack in counts}

    def _unmap(self, first: int, end: int) -> None:
        """Part of a mapping may go, or several at once."""
        kept: list[tuple[int, int, int]] = []
        for begin, finish, stack in self._maps:
            if finish <= first or end <= begin:
                kept.append((begin, finish, stack))
                continue
            self.live -= min(finish, end) - max(begin, first)
            if begin < first:
                kept.append((begin, first, stack))
            if end < finish:
                kept.append((end, finish, stack))
        self._maps = kept


def replay(events: Iterable[Event], *, until: int | None = None) -> Replay:
    """Read a log.

    Args:
        events: The log, of all threads.
        until: Stop after this many events (:attr:`Replay.peak_at` shows the thread's blocks at its peak).
    """
    state = Replay()
    for number, event in enumerate(events):
        if number == until:
            break
        state.take(event)
    return state
