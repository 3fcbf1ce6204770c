"""What is said of all attempts together, counted as each of them ends.

A session has thousands of attempts and shows ten. What is needed of the rest is counted from what travelled of them, so
that no records of them need be made.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING

from pytest_memory.model import NOTABLE_PHASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from pytest_memory.plugin.transport import Kept

Key = tuple["str | None", str]
"""The worker, or ``None``, and the test."""

Weight = tuple[int, int]
"""By which attempts are ranked: the highest heap peak of any phase, then the growth of resident memory; in bytes."""


_LARGEST = 2**63 - 1
_NOTHING = -1
"""A peak that nobody has measured."""


class Tally:
    """Counts attempts, in numbers and texts alone.

    Containers, two for each of thousands of attempts, would let the garbage collector run more often, and longer.

    Attributes:
        seconds: Wall time of all phases.
        unmeasured: Why phases have no heap numbers, and how many.
        unjudged: Why limits were not judged, and how many.
    """

    __slots__ = ("_growths", "_last", "_peaks", "seconds", "unjudged", "unmeasured")

    def __init__(self) -> None:
        self._peaks = array("q")
        self._growths = array("q")
        self._last: dict[str | None, dict[str, int]] = {}
        self.seconds = 0.0
        self.unmeasured: Counter[str] = Counter()
        self.unjudged: Counter[str] = Counter()

    def add(self, key: Key, phases: Sequence[Kept]) -> None:
        """Count an attempt.

        Args:
            key: The worker and the test.
            phases: What is kept of each phase that ran.
        """
        if not phases:
            self._peaks.append(_NOTHING)
            self._growths.append(0)
            return
        total, highest, first, last = 0.0, 0, None, None
        for phase, seconds, unmeasured, heap, resident, _, verdicts in phases:
            total += seconds
            if heap is not None:
                peak = heap[0]
                if peak is not None and peak > highest and (phase == "call" or peak >= NOTABLE_PHASE):
                    highest = peak
            if resident is not None:
                last = resident
                if first is None:
                    first = resident
            if unmeasured:
                self.unmeasured[unmeasured] += 1
            if verdicts:
                self._count_unjudged(verdicts)
        growth = last[1] - first[0] if first is not None and last is not None else 0
        self.count(key, total, min(highest, _LARGEST), max(-_LARGEST, min(growth, _LARGEST)))

    def count(self, key: Key, seconds: float, peak: int, growth: int) -> None:
        """Count an attempt that was measured, and of which no more is to be said.

        Args:
            key: The worker and the test.
            seconds: Wall time of its phases.
            peak: The highest heap peak of any phase, in bytes.
            growth: That of resident memory, in bytes.
        """
        worker, nodeid = key
        peaks = self._peaks
        tests = self._last.get(worker)
        if tests is None:
            tests = self._last[worker] = {}
        tests[nodeid] = len(peaks)
        self.seconds += seconds
        peaks.append(peak)
        self._growths.append(growth)

    @property
    def weights(self) -> list[Weight | None]:
        """That of each attempt; ``None`` for those of which nothing was measured."""
        pairs = zip(self._peaks, self._growths, strict=True)
        return [None if peak == _NOTHING else (peak, growth) for peak, growth in pairs]

    @property
    def tests(self) -> int:
        """How many tests were measured, those of each worker apart."""
        return sum(map(len, self._last.values()))

    def nodeids(self) -> Iterator[str]:
        """Those of the tests that were measured."""
        return itertools.chain.from_iterable(self._last.values())

    def is_last(self, key: Key, position: int) -> bool:
        """Whether an attempt is the last one at its test that was measured."""
        return self.last(key) == position

    def last(self, key: Key) -> int | None:
        """The position of the last attempt at a test that was measured, or ``None``."""
        worker, nodeid = key
        return self._last.get(worker, {}).get(nodeid)

    def shrink(self, position: int, size: int) -> None:
        """An attempt has grown by so many bytes less."""
        self._growths[position] -= size

    def _count_unjudged(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["outcome"] == "not judged":
                self.unjudged[verdict["reason"]] += 1

    @property
    def attempts(self) -> int:
        """How many attempts were measured."""
        return len(self._peaks) - self._peaks.count(_NOTHING)

    def heaviest(self, count: int | None) -> list[int]:
        """The positions of so many measured attempts, or of all, the heaviest first; of equals the earlier first."""
        ranked = [(weight, -position) for position, weight in enumerate(self.weights) if weight is not None]
        largest = sorted(ranked, reverse=True) if count is None else nlargest(count, ranked)
        return [-position for _, position in largest]
