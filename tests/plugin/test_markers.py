"""What ``limit_memory`` accepts, and what it says to the rest."""

import pytest

from pytest_memory.errors import InvalidLimit, InvalidSize
from pytest_memory.plugin.limit_markers import parse_limit_memory

mark = pytest.mark.limit_memory


def bounds(decorator, positional="peak"):
    return {limit.metric: limit.bound for limit in parse_limit_memory(decorator.mark, positional)}


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        (mark("24 MB"), {"peak": 24 * 1024**2}),
        (mark("1.5KiB"), {"peak": 1536}),
        (mark(limit="1 KB"), {"peak": 1024}),
        (mark(memory_limit="1 KB"), {"peak": 1024}),
        (mark(memory="1 KB"), {"peak": 1024}),
        (mark(100), {"peak": 100}),
        (mark("1KB", rss="2KB", allocated=3, allocations=4, retained="5 B"),
         {"peak": 1024, "rss": 2048, "allocated": 3, "allocations": 4, "retained": 5}),
        (mark(rss="2KB"), {"rss": 2048}),
    ],
)  # fmt: skip
def test_accepted(decorator, expected):
    """Any combination of bounds; the positional one has pytest-memray's and pytest-memlog's names too."""
    assert bounds(decorator) == expected


def test_positional_binds_what_the_session_says():
    """With --memory-limit-metric=rss a bare limit is pytest-memlog's: resident memory."""
    assert bounds(mark("1KB"), positional="rss") == {"rss": 1024}


def test_phase_and_switches_hold_for_every_bound():
    """phase, current_thread_only and collect belong to the marker, not to one bound of it."""
    limits = parse_limit_memory(mark("1KB", allocated=2, phase="setup", collect=True).mark, "peak")
    assert [(limit.phase, limit.collect, limit.current_thread_only) for limit in limits] == [("setup", True, False)] * 2


@pytest.mark.parametrize(
    ("decorator", "error", "text"),
    [
        (mark("5 BANANA"), InvalidSize, "unknown unit 'BANANA'"),
        (mark("100 MiBs"), InvalidSize, "unknown unit 'MiBs'"),
        (mark("-1 MB"), InvalidSize, "'-1 MB'"),
        (mark("NaN MB"), InvalidSize, "'NaN MB'"),
        (mark("100"), InvalidSize, "the unit is missing"),
        (mark(True), InvalidSize, "True"),
        (mark(1.5), InvalidSize, "1.5"),
        (mark(float("nan")), InvalidSize, "nan"),
        (mark(-1), InvalidSize, "-1"),
        (mark(None), InvalidSize, "None"),
        (mark(allocations="5"), InvalidSize, "whole number of allocations"),
        (mark(allocations=True), InvalidSize, "True"),
        (mark("1MB", max_peek="2MB"), InvalidLimit, "unknown argument 'max_peek'"),
        (mark("1MB", phase="body"), InvalidLimit, "unknown phase 'body'"),
        (mark("1MB", phase=["call"]), InvalidLimit, "unknown phase"),
        (mark("1MB", collect="yes"), InvalidLimit, "collect='yes'"),
        (mark("1MB", "2MB"), InvalidLimit, "more than one positional limit"),
        (mark("1MB", limit="2MB"), InvalidLimit, "more than one positional limit"),
        (mark(), InvalidLimit, "sets no limit"),
        (mark(phase="setup"), InvalidLimit, "sets no limit"),
    ],
)
def test_refused(decorator, error, text):
    """Anything else is an error that repeats the marker and says what is wrong."""
    with pytest.raises(error) as caught:
        parse_limit_memory(decorator.mark, "peak")
    assert text in str(caught.value)
    assert "limit_memory(" in str(caught.value)
