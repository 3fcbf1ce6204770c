"""What the terminal says of a recorded session."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from pytest_memory.model import CONTROLLER, Series, Timeline
from pytest_memory.units import human_bytes

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(times: Sequence[float], sizes: Sequence[int], width: int = 40) -> str:
    """A curve in one line of text: the highest value in each of ``width`` equal spans of time.

    Args:
        times: Seconds, rising.
        sizes: A value for each; the lowest bar is the smallest of them.
        width: Characters at the most.
    """
    if not times:
        return ""
    width = min(width, len(times))
    span = (times[-1] - times[0]) / width
    highest: list[int] = []
    begin = 0
    for place in range(1, width + 1):
        end = len(times) if place == width else bisect_right(times, times[0] + span * place)
        highest.append(max(sizes[begin:end], default=highest[-1] if highest else sizes[0]))
        begin = max(begin, end)
    low, high = min(highest), max(highest)
    step = max(1, high - low)
    return "".join(_BARS[(size - low) * (len(_BARS) - 1) // step] for size in highest)


def memlog_lines(timeline: Timeline, width: int = 40) -> list[str]:
    """One line for each test process: its curve, where it began, its peak, and the test that was running then."""
    shown = [series for series in timeline.series if series.times and series.worker != CONTROLLER]
    return [_line(series, width) for series in sorted(shown, key=lambda one: (len(one.worker or ""), one.worker or ""))]


def _line(series: Series, width: int) -> str:
    place = max(range(len(series.times)), key=series.resident.__getitem__)
    worker = f"{series.worker}: " if series.worker else ""
    curve = sparkline(series.times, series.resident, width)
    peak = human_bytes(series.resident[place])
    during = f" in {series.tests[place]}" if series.tests[place] else ""
    return f"{worker}{curve} from {human_bytes(series.resident[0])}, highest sample {peak}{during}"
