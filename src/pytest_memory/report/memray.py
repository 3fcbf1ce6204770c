"""The ``MEMRAY REPORT``, in the shape that pytest-memray's users and their greps know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from pytest_memory.model import AllocationSite, StackFrame, TestRecord
from pytest_memory.units import format_size

TITLE = "MEMRAY REPORT"
_FUNCTIONS = 5
_BARS = " ▁▂▃▄▅▆▇█"
_BINS = 5
_UNKNOWN = "—"


def memray_report_lines(records: Iterable[TestRecord], most_allocations: int) -> Iterator[str]:
    """The report below its heading.

    Args:
        records: All of the session; of several attempts at a test the last counts.
        most_allocations: How many tests to show, those with the highest peaks first; 0 is all.
    """
    latest = {record.nodeid: record for record in records if record.peak is not None}
    ranked = sorted(latest.values(), key=lambda record: record.peak or 0, reverse=True)
    for record in ranked[: most_allocations or None]:
        if record.peak:
            yield from _test_lines(record)


def histogram(sizes: Sequence[int]) -> str:
    """Bars for how many sites have sizes of the same magnitude, small ones on the left.

    Sizes are sorted into equal steps of their logarithm, at most five and not more than there are sizes; the
    fullest step has the highest bar, and a step with few but not none has the lowest.
    """
    if not sizes:
        return ""
    logarithms = [math.log(max(size, 1)) for size in sizes]
    lowest, bins = min(logarithms), min(len(sizes), _BINS)
    step = (max(logarithms) - lowest) / bins
    counts = [0] * bins
    for logarithm in logarithms:
        place = int((logarithm - lowest) / step) if step else 0
        counts[min(place, bins - 1)] += 1
    return "".join(_BARS[math.ceil(count * (len(_BARS) - 1) / max(counts))] for count in counts)


def _test_lines(record: TestRecord) -> Iterator[str]:
    yield f"Allocation results for {record.nodeid} at the high watermark"
    yield ""
    yield f"\t 📦 Total memory allocated: {format_size(record.peak or 0)}"
    yield f"\t 📏 Total allocations: {_allocations(record)}"
    if not record.sites:  # the engine does not know them
        yield f"\t 📊 Histogram of allocation sizes: {_UNKNOWN}"
        yield f"\t 🥇 Biggest allocating functions: {_UNKNOWN}"
    else:
        yield f"\t 📊 Histogram of allocation sizes: |{histogram([site.bytes for site in record.sites])}|"
        yield "\t 🥇 Biggest allocating functions:"
    for site in record.sites[:_FUNCTIONS]:
        frame = _python_frame(site)
        if frame is not None:
            yield f"\t\t- {frame.function}:{frame.filename}:{frame.lineno} -> {format_size(site.bytes)}"
    yield ""
    yield ""


def _allocations(record: TestRecord) -> str:
    """All allocations of the call; where the engine did not count them, those live at the peak."""
    heap = record.phases["call"].heap
    if heap is not None and heap.allocations is not None:
        return str(heap.allocations)
    live = sum(site.count for site in record.sites)
    return f"{live} live at the high watermark" if live else _UNKNOWN


def _python_frame(site: AllocationSite) -> StackFrame | None:
    """The innermost Python frame; native ones stand in front of it where they were asked for."""
    return next(
        (frame for frame in site.frames if frame.filename.endswith((".py", ".pyc")) or frame.filename.startswith("<")),
        site.frames[0] if site.frames else None,
    )
