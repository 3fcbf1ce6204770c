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


def memlog_lines(curves: Iterable[Curve], width: int = 80) -> list[str]:
    """For each test process its curve, where it began, its highest sample, and what was running then.

    Args:
        curves: The processes; pytest-xdist's controller is left out.
        width: Columns; a test that does not fit behind its curve goes below it.
    """
    shown = [curve for curve in curves if curve.first is not None and curve.worker != CONTROLLER]
    shown.sort(key=lambda curve: (len(curve.worker or ""), curve.worker or ""))
    return [line for curve in shown for line in _lines(curve, width)]


def _lines(curve: Curve, width: int) -> list[str]:
    worker = f"{curve.worker}: " if curve.worker else ""
    begin, peak = human_bytes(curve.first or 0), human_bytes(curve.highest)
    line = f"{worker}{sparkline(curve.heights)} from {begin}, highest sample {peak}"
    if curve.during and len(line) + 1 + len(curve.during) > width:
        return [line, f"    {curve.during}"]
    return [f"{line} {curve.during}".rstrip()]
