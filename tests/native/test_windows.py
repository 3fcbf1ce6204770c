"""What the native engine says of windows, against what the program did."""

from __future__ import annotations

import sys

import pytest

from pytest_memory.engines.base import HeapReading, WindowRequest
from pytest_memory.model import HeapUsage

COUNTERS = WindowRequest(granularity="malloc", detail="counters")
PYTHON = WindowRequest(granularity="python", detail="counters")


def test_requests_and_readings_are_whole(engine):
    """They are made without their constructors, which must not show."""
    assert WindowRequest("malloc", totals=False).seeded(7) == WindowRequest("malloc", totals=False, seed=7)
    reading = engine.open(COUNTERS).close()
    assert reading == HeapReading(HeapUsage(0, 0, 0, 0))
    assert (type(reading), type(reading.usage)) == (HeapReading, HeapUsage)


@pytest.mark.parametrize("granularity", ["python", "malloc"])
@pytest.mark.parametrize("detail", ["counters", "sampled", "stacks"])
def test_an_empty_window_reads_nothing(engine, granularity, detail):
    """What the engine itself allocates to open and close a window is not the program's."""
    usage = engine.open(WindowRequest(granularity=granularity, detail=detail)).close().usage
    assert (usage.peak, usage.allocated, usage.allocations, usage.retained) == (0, 0, 0, 0)


def test_a_block_freed_inside_counts_for_the_peak_and_not_as_retained(engine):
    """Peak is the high-water mark; retained is what is left."""
    window = engine.open(COUNTERS)
    block = bytearray(3_000_000)
    del block
    usage = window.close().usage
    assert (usage.peak, usage.allocated, usage.allocations, usage.retained) == (3_000_001, 3_000_001, 1, 0)


def test_freeing_an_older_block_counts_for_nothing(engine):
    """A window that frees 40 MB of older memory and allocates 20 MB has a peak of 20 MB, not 0."""
    old = bytearray(40_000_000)
    window = engine.open(COUNTERS)
    del old
    young = bytearray(20_000_000)
    usage = window.close().usage
    assert usage.peak == usage.retained == 20_000_001
    del young


def test_inner_windows_do_not_lower_the_outer_and_the_other_way_round(engine):
    """A block of the outer window freed while the inner is open lowers the outer's live bytes alone."""
    outer = engine.open(COUNTERS)
    first = bytearray(8_000_000)
    inner = engine.open(COUNTERS)
    second = bytearray(2_000_000)
    del first
    third = bytearray(500_000)
    inside = inner.close().usage
    del second, third
    outside = outer.close().usage
    assert (inside.peak, inside.retained) == (2_500_002, 2_500_002)
    assert (outside.peak, outside.retained) == (10_000_002, 0)


def test_granularities_nest_and_both_are_exact(engine):
    """Each granularity has its own ledger, so the same bytes may be counted by both at once."""
    outer = engine.open(PYTHON)
    inner = engine.open(COUNTERS)
    block = bytearray(5_000_000)
    assert inner.close().usage.peak == 5_000_001
    del block
    usage = outer.close().usage
    assert 5_000_057 <= usage.peak < 5_002_000
    assert usage.retained < 1_000


def test_sites_at_the_peak_add_up_to_the_peak(engine):
    """With every stack captured, nothing is left over."""
    window = engine.open(WindowRequest(detail="stacks", leaks=True))
    kept = [bytes(200 + n) for n in range(3000)]
    dropped = [bytes(100) for _ in range(5000)]
    del dropped
    reading = window.close()
    assert sum(site.bytes for site in reading.sites) == reading.usage.peak
    assert sum(site.bytes for site in reading.leaked) == reading.usage.retained
    assert reading.leaked[0].bytes >= sum(sys.getsizeof(block) for block in kept)
    assert reading.sites[0].frames[0].function == "test_sites_at_the_peak_add_up_to_the_peak"


def test_windows_beyond_the_range_of_epochs_never_go_negative(engine):
    """Epochs wrap after 32,766 windows; blocks of old windows, freed later, count for nothing."""
    old = []
    for number in range(100_000):
        if number % 1000 == 0:
            old = [bytes(1000) for _ in range(3)]
        window = engine.open(PYTHON)
        if number % 1000 == 500:
            old.clear()
        usage = window.close().usage
        assert usage.retained == 0
        assert 0 <= usage.peak < 100
