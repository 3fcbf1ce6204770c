"""The curve of one process over a session whose length nobody knows yet, in a few dozen numbers."""

from __future__ import annotations

from ..model.activity import ACTIVITIES

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from ..model import Series

_COLLECTION = ACTIVITIES[-1]
_SPANS = 128
"""At most so many spans of time; when there are more, each two become one."""


class Curve:
    """The highest resident memory in each of equal spans of time, and where it was highest of all.

    Args:
        worker: As in :class:`pytest_memory.model.Series`.
        span: Seconds of the first spans; they double as the session goes on.

    Attributes:
        first: Resident bytes of the first sample; ``None`` before it.
        highest: The highest sample.
        during: What was going on then: ``"in test_a.py::test_one"``; empty if nothing that has a name.
        heights: Bytes, one for each span so far.
    """

    def __init__(self, worker: str | None, span: float) -> None:
        self.worker = worker
        self.first: int | None = None
        self.highest = 0
        self.during = ""
        self.heights: list[int] = []
        self._span = span
        self._begun = 0.0

    def add(self, time: float, resident: int, nodeid: str, activity: str) -> None:
        """Take a sample, in order of time, and what its process was doing."""
        if self.first is None:
            self.first, self._begun = resident, time
        place = int((time - self._begun) / self._span)
        while place >= _SPANS:
            heights = self.heights
            self.heights = [max(heights[at : at + 2]) for at in range(0, len(heights), 2)]
            self._span *= 2
            place //= 2
        while len(self.heights) <= place:  # spans without a sample stay as high as the sample before
            self.heights.append(self.heights[-1] if self.heights and len(self.heights) < place else resident)
        self.heights[place] = max(self.heights[place], resident)
        if resident > self.highest:
            self.highest = resident
            self.during = f"{'while collecting' if activity == _COLLECTION else 'in'} {nodeid}" if nodeid else ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        names = ("worker", "first", "highest", "during", "heights")
        return {name: getattr(self, name) for name in names}


def curve_from_json(value: dict[str, Any]) -> Curve:
    """Undo :meth:`Curve.to_json`; no more samples can be added."""
    curve = Curve(value["worker"], 1.0)
    curve.first, curve.highest, curve.during = value["first"], value["highest"], value["during"]
    curve.heights = value["heights"]
    return curve


def curve_of(series: Series, span: float) -> Curve:
    """The curve of samples that were read from a journal, where no recorder is left to tell it."""
    curve = Curve(series.worker, span)
    for sample in zip(series.times, series.resident, series.tests, series.activities, strict=True):
        curve.add(*sample)
    return curve
