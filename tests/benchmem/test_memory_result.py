"""The blob and the numbers derived from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.errors import InvalidValue
from pytest_memory.model import Measurement, MemoryResult

COUNTS = st.integers(0, 2**63 - 1)
PASSES = st.lists(st.builds(Measurement, COUNTS, COUNTS, COUNTS), min_size=1, max_size=6)


def test_the_headline_is_the_pass_with_the_smallest_peak():
    """allocated and allocations are the numbers of that same pass, not the minima of their own series."""
    result = MemoryResult((Measurement(9, 1, 9), Measurement(5, 3, 30), Measurement(5, 2, 20)))
    assert (result.peak_bytes, result.allocations, result.total_bytes) == (5, 3, 30)
    assert (result.peak_bytes_max, result.repeats, result.rss_bytes) == (9, 3, None)
    assert [result.value(metric) for metric in ("peak", "allocated", "allocations", "rss")] == [5, 30, 3, None]


def test_the_blob_has_exactly_three_keys():
    """Three series of raw integers, one entry per pass; no scalars and no repeats."""
    blob = MemoryResult((Measurement(800000, 12, 800000), Measurement(805000, 12, 805000))).as_dict()
    assert blob == {"peak_bytes": [800000, 805000], "allocations": [12, 12], "total_bytes": [800000, 805000]}


def test_isolated_passes_add_the_resident_peak():
    """rss_bytes is there only where every pass ran in a process of its own; its headline is its own minimum."""
    result = MemoryResult((Measurement(1, 1, 1, 700), Measurement(2, 1, 1, 600)))
    assert result.as_dict()["rss_bytes"] == [700, 600]
    assert result.rss_bytes == 600


def test_a_metric_the_engine_cannot_give_has_no_key():
    """Never a zero for what was not measured."""
    result = MemoryResult((Measurement(10),))
    assert result.as_dict() == {"peak_bytes": [10]}
    assert result.value("allocated") is None


@given(PASSES)
def test_round_trip(passes):
    """The blob holds every pass."""
    result = MemoryResult(tuple(passes))
    assert MemoryResult.from_blob(result.as_dict()) == result


@pytest.mark.parametrize(
    "blob",
    [
        None,
        [],
        {},
        {"peak_bytes": []},
        {"peak_bytes": 5},
        {"peak_bytes": [1.5]},
        {"peak_bytes": [True]},
        {"peak_bytes": [-1]},
        {"allocations": [1]},
        {"peak_bytes": [1, 2], "allocations": [1]},
    ],
)
def test_what_is_not_a_blob_is_refused(blob):
    """A ValueError that shows what was found."""
    with pytest.raises(InvalidValue, match="blob"):
        MemoryResult.from_blob(blob)


def test_series_by_metric_or_key():
    """A series is asked for by the metric's name or by the blob's key; anything else is an error."""
    result = MemoryResult((Measurement(1, 2, 3),))
    assert result.series("allocated") == result.series("total_bytes") == (3,)
    with pytest.raises(InvalidValue, match="unknown memory metric 'memory'"):
        result.series("memory")


def test_no_pass_is_no_result():
    """There is nothing to derive a headline from."""
    with pytest.raises(InvalidValue):
        MemoryResult(())
