"""What the terminal says of a recorded session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from pytest_memory.model.activity import CONTROLLER
from pytest_memory.recorder.curve import Curve
from pytest_memory.units import human_bytes

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(heights: Sequence[int], width: int = 40) -> str:
    """A curve in one line of text.

    Args:
        heights: Values over equal spans of time; the lowest bar is the smallest of them.
        width: Characters at the most; where there are more values, each character is the highest of several.
    """
    width = min(width, len(heights))
    edges = [len(heights) * place // width for place in range(width + 1)] if width else []
    highest = [max(heights[begin:end]) for begin, end in pairwise(edges)]
    low = min(highest, default=0)
    step = max(1, max(highest, default=0) - low)
    return "".join(_BARS[(size - low) * (len(_BARS) - 1) // step] for size in highest)


def memlog_lines(curves: Iterable[Curve], width: int = 40) -> list[str]:
    """One line for each test process: its curve, where it began, its peak, and the test that was running then."""
    shown = [curve for curve in curves if curve.first is not None and curve.worker != CONTROLLER]
    return [_line(curve, width) for curve in sorted(shown, key=lambda one: (len(one.worker or ""), one.worker or ""))]


def _line(curve: Curve, width: int) -> str:
    worker = f"{curve.worker}: " if curve.worker else ""
    begin, peak = human_bytes(curve.first or 0), human_bytes(curve.highest)
    during = f" {curve.during}" if curve.during else ""
    return f"{worker}{sparkline(curve.heights, width)} from {begin}, highest sample {peak}{during}"
