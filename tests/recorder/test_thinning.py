"""Thinning keeps short sessions whole, long ones small, and every peak."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.recorder.thinning import FIRST_BAND, Sample, Thinner

MIB = 1024**2


def kept(sizes, complete, interval=0.1):
    thinner = Thinner(complete)
    samples = [Sample(place * interval, 1, 2, size, 0) for place, size in enumerate(sizes)]
    result = [one for sample in samples for one in thinner.take(sample)]
    return samples, result + list(thinner.rest())


def test_a_short_session_is_kept_whole():
    """Up to the limit every sample is kept as it came."""
    samples, result = kept([5, 5, 5, 5], complete=4)
    assert result == samples


@given(st.lists(st.integers(0, 400).map(lambda units: units * 100_000), min_size=1, max_size=120), st.integers(1, 5))
def test_no_peak_is_lost_or_lowered(sizes, complete):
    """The highest sample of any stretch is within what is kept, with its own time; the last one is kept too."""
    samples, result = kept(sizes, complete)
    assert max(sample.resident for sample in result) == max(sizes)
    assert result[-1] == samples[-1]
    assert result == sorted(set(result), key=lambda sample: sample.time)
    for before, after in itertools.pairwise(result):
        between = [one.resident for one in samples if before.time < one.time < after.time]
        assert max(between, default=0) <= max(before.resident, after.resident)


def test_a_quiet_session_is_kept_once_a_second():
    """Once past the limit, samples that say nothing new come down to one a second."""
    _, result = kept([5 * MIB] * 10_000, complete=100, interval=0.01)
    assert 100 + 98 <= len(result) <= 100 + 102


def test_a_restless_session_is_thinned_more_and_more():
    """The band widens with the number kept, so that the number grows more slowly than the session."""
    sizes = [(place % 7) * FIRST_BAND * 2 for place in range(8_000)]
    _, short = kept(sizes[:4_000], complete=50, interval=0.001)
    _, long = kept(sizes, complete=50, interval=0.001)
    assert len(long) < 1_000
    assert len(long) - len(short) < len(short)


def test_a_move_of_the_children_counts():
    """Memory of child processes is followed as closely as that of the process itself."""
    thinner = Thinner(1)
    thinner.take(Sample(0.0, 0, 0, MIB, 0))
    assert thinner.take(Sample(0.1, 0, 0, MIB, 0)) == ()
    assert thinner.take(Sample(0.2, 0, 0, MIB, 5 * MIB))
