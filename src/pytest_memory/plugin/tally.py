"""What is said of all attempts together, counted as each of them ends.

A session has thousands of attempts and shows ten. What is needed of the rest is counted from what travelled of them, so
that no records of them need be made.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING

from pytest_memory.model import NOTABLE_PHASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from pytest_memory.plugin.transport import Kept

Key = tuple["str | None", str]
"""The worker, or ``None``, and the test."""

Weight = tuple[int, int]
"""By which attempts are ranked: the highest heap peak of any phase, then the growth of resident memory; in bytes."""


class Tally:
    """Counts attempts.

    Attributes:
        weights: That of each attempt; ``None`` for those of which nothing was measured.
        last: The position of the last attempt at each test that was measured, by worker and node id.
        seconds: Wall time of all phases.
        unmeasured: Why phases have no heap numbers, and how many.
        unjudged: Why limits were not judged, and how many.
    """

    __slots__ = ("last", "seconds", "unjudged", "unmeasured", "weights")

    def __init__(self) -> None:
        self.weights: list[Weight | None] = []
        self.last: dict[Key, int] = {}
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
            self.weights.append(None)
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
        self.count(key, total, (highest, last[1] - first[0] if first is not None and last is not None else 0))

    def count(self, key: Key, seconds: float, weight: Weight) -> None:
        """Count an attempt that was measured, and of which no more is to be said.

        Args:
            key: The worker and the test.
            seconds: Wall time of its phases.
            weight: By which it is ranked.
        """
        self.last[key] = len(self.weights)
        self.seconds += seconds
        self.weights.append(weight)

    def _count_unjudged(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["outcome"] == "not judged":
                self.unjudged[verdict["reason"]] += 1

    @property
    def attempts(self) -> int:
        """How many attempts were measured."""
        return len(self.weights) - self.weights.count(None)

    def heaviest(self, count: int | None) -> list[int]:
        """The positions of so many measured attempts, or of all, the heaviest first; of equals the earlier first."""
        ranked = [(weight, -position) for position, weight in enumerate(self.weights) if weight is not None]
        largest = sorted(ranked, reverse=True) if count is None else nlargest(count, ranked)
        return [-position for _, position in largest]
