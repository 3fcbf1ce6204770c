"""What a session's timeline says of a death: how memory stood, how fast it grew, and which tests raised it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

from ..model import Death, Series, Span, Timeline

SLOPE_SECONDS = 3.0
"""The slope is taken over this long before the death."""

_SMALLEST_RAISE = 1024**2


@dataclass(frozen=True, slots=True)
class Raise:
    """A test and the bytes by which resident memory was higher after it than before it."""

    nodeid: str
    worker: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Autopsy:
    """A death and what led to it.

    Attributes:
        death: Who died, in which test.
        test_seconds: How long the test had been running; ``None`` if nobody knows when it died.
        activity_seconds: How long its phase had been running.
        test_offset: How long after the start of the session the test began, in seconds.
        resident: Resident bytes of the process at the last sample, its descendants left out.
        children: Resident bytes of its descendants then.
        slope: Bytes a second over the last seconds, by least squares; ``None`` with fewer than three samples.
        before: Resident bytes when the test began.
        raised: The tests before it that raised the level most, largest first.
        finished: Tests that ended before; ``None`` if nobody counted.
    """

    death: Death
    test_seconds: float | None = None
    activity_seconds: float | None = None
    test_offset: float | None = None
    resident: int | None = None
    children: int | None = None
    slope: float | None = None
    before: int | None = None
    raised: tuple[Raise, ...] = ()
    finished: int | None = None

    @property
    def own(self) -> int | None:
        """Bytes by which the running test itself had raised the level."""
        return None if self.resident is None or self.before is None else self.resident - self.before


def explain(timeline: Timeline, death: Death, *, most: int = 5) -> Autopsy:
    """Explain a death from the timeline of its session.

    Args:
        timeline: The session.
        death: One of its deaths.
        most: How many of the tests before it to name.
    """
    series = _series_of(timeline, death)
    tests = _tests(timeline.spans)
    nexts = _resident_at_next(tests)
    raised = [one for one in map(_raise, tests, nexts, repeat(timeline)) if one is not None]
    raised.sort(key=lambda one: -one.size)
    seconds = None if death.time is None else death.time - death.test_since
    return Autopsy(
        death=death,
        test_seconds=seconds if death.nodeid else None,
        activity_seconds=None if death.time is None or not death.activity else death.time - death.activity_since,
        test_offset=death.test_since - timeline.origin if death.nodeid else None,
        resident=series.resident[-1] if series and series.resident else None,
        children=series.children[-1] if series and series.children else None,
        slope=_slope(series) if series else None,
        before=_level(series, death.test_since) if series and death.nodeid else None,
        raised=tuple(raised[:most]),
        finished=len(tests) if timeline.series else None,
    )


def _series_of(timeline: Timeline, death: Death) -> Series | None:
    for series in timeline.series:
        if series.pid == death.pid:
            return series
    return None


def _tests(spans: Sequence[Span]) -> list[list[Span]]:
    """Phases grouped by attempt; the spans of one attempt follow each other."""
    tests: list[list[Span]] = []
    for span in spans:
        last = tests[-1][-1] if tests else None
        same = last is not None and (last.nodeid, last.worker) == (span.nodeid, span.worker)
        if same and span.activity != "setup":
            tests[-1].append(span)
        else:
            tests.append([span])
    return tests


def _resident_at_next(tests: Sequence[Sequence[Span]]) -> list[int | None]:
    """What was resident when the next test of the same process began: pytest has let go of fixtures' values by then."""
    found: list[int | None] = []
    begun: dict[str | None, int | None] = {}
    for first, *_ in reversed(tests):
        found.append(begun.get(first.worker))
        begun[first.worker] = first.resident.start if first.resident is not None else None
    return found[::-1]


def _raise(test: Sequence[Span], at_next: int | None, timeline: Timeline) -> Raise | None:
    first, last = test[0], test[-1]
    if first.resident is not None and last.resident is not None:
        end = last.resident.end if at_next is None else min(last.resident.end, at_next)
        size: int | None = end - first.resident.start
    else:
        size = _sampled_raise(test, timeline)
    if size is None or size < _SMALLEST_RAISE:
        return None
    return Raise(first.nodeid, first.worker, size)


def _sampled_raise(test: Sequence[Span], timeline: Timeline) -> int | None:
    for series in timeline.series:
        if series.worker == test[0].worker:
            end = test[-1].end
            after = _level(series, test[-1].start if end is None else end)
            before = _level(series, test[0].start)
            return None if after is None or before is None else after - before
    return None


def _level(series: Series, time: float) -> int | None:
    """Resident bytes at the last sample up to a time."""
    place = bisect_right(series.times, time) - 1
    return series.resident[place] if place >= 0 else None


def _slope(series: Series) -> float | None:
    times, sizes = series.times, series.resident
    if not times:
        return None
    begin = bisect_right(times, times[-1] - SLOPE_SECONDS)
    count = len(times) - begin
    if count < 3 or times[-1] <= times[begin]:
        return None
    middle = sum(times[begin:]) / count
    mean = sum(sizes[begin:]) / count
    over = sum((times[i] - middle) * (sizes[i] - mean) for i in range(begin, len(times)))
    return over / sum((times[i] - middle) ** 2 for i in range(begin, len(times)))
