"""Fewer points that draw the same line, pure."""

from __future__ import annotations

from collections.abc import Sequence


def keep_extremes(values: Sequence[float], most: int) -> list[int]:
    """Choose the points that matter for a line.

    This is M4 (Jugel, Jerzak, Hackenbroich, Markl: *M4: A Visualization-Oriented Time Series Data Aggregation*, VLDB
    2014): of every bucket of consecutive points the first, the last, the lowest and the highest are kept. A line
    drawn from them has the same pixels as long as no bucket is wider than a pixel; no peak is ever lost.

    Args:
        values: In order of time.
        most: How many points may be kept, at least 4.

    Returns:
        Their positions, ascending; all of them if they are few enough.
    """
    if len(values) <= most:
        return list(range(len(values)))
    buckets = max(1, most // 4)
    kept: list[int] = []
    for bucket in range(buckets):
        start, end = len(values) * bucket // buckets, len(values) * (bucket + 1) // buckets
        inside = values[start:end]
        lowest, highest = start + inside.index(min(inside)), start + inside.index(max(inside))
        kept += sorted({start, lowest, highest, end - 1})
    return kept
