"""Attempts that are over, as bytes, until somebody asks for the records.

A record is a few dozen objects, and a session has thousands of records: kept as objects they would make every full
garbage collection of the tests longer, on a suite that collects a lot by a fifth of its time. The bytes never leave
this process.

Most attempts have passed, and there is no more to them than numbers and some call stacks: those are packed in C, where
there was a compiler (``_keeping.c``). All others are marshalled.
"""

from __future__ import annotations

import marshal
import struct
from typing import TYPE_CHECKING

from pytest_memory.model import NOTABLE_PHASE, PHASES
from pytest_memory.plugin.tally import Tally
from pytest_memory.plugin.transport import TRAVELLING_FRAMES, pack_frame, pack_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_memory.model import StackFrame
    from pytest_memory.plugin._keeping import Packer
    from pytest_memory.plugin.tally import Key
    from pytest_memory.plugin.transport import Kept, Packed

_HEAD = struct.Struct("4B4x")
"""In the machine's own format: a zero, with which nothing marshalled begins, how many call stacks follow, the phases
with heap counters, and those with resident sizes; a bit for each."""

_PHASE = struct.Struct("d4q3q")
"""Three follow: seconds, counters, sizes."""

_SITE = struct.Struct("2qQ")
"""Bytes, count, and how many numbers of frames follow, which are those of the packer."""


class Attempts:
    """The attempts that are over.

    Attributes:
        tally: Counts them.
    """

    __slots__ = ("_bytes", "_nodeids", "_packer", "_workers", "tally")

    def __init__(self) -> None:
        self.tally = Tally()
        self._bytes: list[bytes] = []
        self._workers: list[str | None] = []
        self._nodeids: list[str] = []
        self._packer = _packer()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, key: Key, outcome: str, phases: list[Kept]) -> None:
        """Keep one that has just ended.

        Args:
            key: The worker and the test.
            outcome: That of the attempt.
            phases: Those that ran, in the order in which they did.
        """
        packer = self._packer
        usual = packer.pack(phases) if packer is not None and outcome == "passed" else None
        if usual is not None:
            kept, seconds, peak, growth = usual
            self.tally.count(key, seconds, peak, growth)
        else:
            kept = marshal.dumps((outcome, [pack_kept(phase) for phase in phases]))
            self.tally.add(key, phases)
        worker, nodeid = key
        self._workers.append(worker)
        self._nodeids.append(nodeid)
        self._bytes.append(kept)

    def let_go(self, key: Key, end: int, resident: int) -> None:
        """Correct the end of the test of that name that ended last: pytest has let go of its fixtures' values.

        Args:
            key: The worker and the test.
            end: Resident bytes at the end of its teardown; of an attempt with others nothing is changed.
            resident: Those that count in their place.
        """
        position = self.tally.last(key)
        if position is None:
            return
        _, outcome, phases = self[position]
        for number in reversed(range(len(phases))):
            phase, seconds, unmeasured, heap, usage, *more = phases[number]
            if usage is None:
                continue
            if usage[1] == end:
                phases[number] = phase, seconds, unmeasured, heap, (usage[0], resident, usage[2]), *more
                self._bytes[position] = marshal.dumps((outcome, phases))
                self.tally.shrink(position, end - resident)
            return

    def __getitem__(self, position: int) -> tuple[Key, str, list[Packed]]:
        """The worker and the test, the outcome and the phases of one, as they travel."""
        kept, key = self._bytes[position], (self._workers[position], self._nodeids[position])
        if kept[0]:
            return key, *marshal.loads(kept)
        assert self._packer is not None  # nobody else leaves a zero there
        return key, "passed", list(_unpacked(kept, self._packer.frames))


def _packer() -> Packer | None:
    try:
        from pytest_memory.plugin._keeping import Packer
    except ImportError:  # there was no compiler
        return None
    return Packer(NOTABLE_PHASE, TRAVELLING_FRAMES)


def _unpacked(kept: bytes, frames: Sequence[StackFrame]) -> Iterator[Packed]:
    _, count, heaps, residents = _HEAD.unpack_from(kept)
    for number, phase in enumerate(PHASES):
        seconds, *numbers = _PHASE.unpack_from(kept, _HEAD.size + number * _PHASE.size)
        heap = tuple(numbers[:4]) if heaps >> number & 1 else None
        resident = tuple(numbers[4:]) if residents >> number & 1 else None
        sites = tuple(_unpacked_sites(kept, count, frames)) if phase == "call" else ()
        yield phase, seconds, "", heap, resident, sites, ()


def _unpacked_sites(kept: bytes, count: int, frames: Sequence[StackFrame]) -> Iterator[Packed]:
    at = _HEAD.size + len(PHASES) * _PHASE.size
    for _ in range(count):
        size, allocations, depth = _SITE.unpack_from(kept, at)
        numbers = struct.unpack_from(f"{depth}I", kept, at + _SITE.size)
        at += _SITE.size + 4 * depth
        yield size, allocations, tuple([pack_frame(frames[number]) for number in numbers])
