"""Summaries of a series, and whether two of them differ."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.significance import mann_whitney, weigh, weigh_summaries
from pytest_memory.stats import (
    STATS,
    Summary,
    geometric_mean,
    median_interval,
    sample_stddev,
    summarise,
    summary_interval,
)


def test_summaries_by_name():
    """Each named statistic is the textbook's; the standard deviation is that of a sample."""
    assert [summarise([4, 1, 2, 3], stat) for stat in STATS] == [1, 4, 2.5, 2.5, pytest.approx(1.2909944)]
    assert sample_stddev([5]) == 0.0


@pytest.mark.parametrize(("values", "expected"), [([2, 8], 4), ([], None), ([1, 0], None), ([1, -1], None)])
def test_geometric_mean_needs_positive_values(values, expected):
    """Of nothing, zero or less there is no geometric mean."""
    assert geometric_mean(values) == (expected if expected is None else pytest.approx(expected))


def test_interval_of_the_median_comes_from_order_statistics():
    """Six values are the fewest whose extremes enclose the median at 95 %; ten allow the second from each end."""
    assert median_interval([1, 2, 3, 4, 5]) is None
    six = median_interval([6, 5, 4, 3, 2, 1])
    assert (six.low, six.median, six.high) == (1, 3.5, 6)
    ten = median_interval(range(1, 11))
    assert (ten.low, ten.high) == (2, 9)
    assert ten.relative == pytest.approx(3.5 / 5.5)


def test_interval_of_a_series_that_repeats_exactly_is_a_point():
    """Passes that agree leave nothing uncertain; a single one leaves everything."""
    assert median_interval([7, 7]).relative == 0
    assert median_interval([7]) is None


@pytest.mark.parametrize("count", [6, 25, 100, 101, 500])
def test_interval_encloses_the_median(count):
    """Also where the normal approximation takes over the ranks lie symmetric around the middle and shrink with n."""
    interval = median_interval(range(count))
    assert interval.low < interval.median < interval.high
    assert interval.median - interval.low == interval.high - interval.median
    assert (interval.high - interval.low) / count <= 1.1 * 2 / math.sqrt(count)


def _by_enumeration(first, second):
    """The definition of the exact test: deal the values to the two sides in every possible way."""
    values = [*first, *second]

    def doubled(one, other):
        return sum(2 * (a > b) + (a == b) for a in one for b in other)

    seen = doubled(first, second)
    ways = [
        doubled([values[i] for i in dealt], [values[i] for i in range(len(values)) if i not in dealt])
        for dealt in itertools.combinations(range(len(values)), len(first))
    ]
    below, above = sum(way <= seen for way in ways), sum(way >= seen for way in ways)
    return min(1, 2 * min(below, above) / len(ways))


_SERIES = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@given(_SERIES, _SERIES)
def test_rank_test_is_exact_for_small_series_with_ties(first, second):
    """The p is that of dealing the values to the sides in every possible way."""
    assert mann_whitney(first, second).p == pytest.approx(_by_enumeration(first, second))


@given(st.permutations(range(9)), st.integers(1, 8))
def test_rank_test_is_exact_for_small_series_without_ties(values, cut):
    """Without ties a faster formula gives the same."""
    assert mann_whitney(values[:cut], values[cut:]).p == pytest.approx(_by_enumeration(values[:cut], values[cut:]))


def test_rank_test_of_large_series_is_close_to_the_exact_one():
    """Fifty values are tested exactly and fifty-one by the normal approximation; the two agree."""
    low, high = [i * 2 for i in range(51)], [i * 2 + 9 for i in range(51)]
    assert mann_whitney(low, high).p == pytest.approx(mann_whitney(low[:50], high[:50]).p, rel=0.1)


def test_values_that_are_all_equal_do_not_differ():
    """Nothing can be ranked, so nothing differs, by every formula."""
    assert mann_whitney([3] * 4, [3] * 4) == (1, 0.5)
    assert mann_whitney([3] * 60, [3] * 60) == (1, 0.5)


def test_three_rounds_a_side_can_never_prove_anything():
    """The clearest result of 3 against 3 has p = 0.1: nothing can be said. With 4 it has 0.029."""
    assert weigh([1, 2, 3], [11, 12, 13]).real is None
    evidence = weigh([1, 2, 3, 4], [11, 12, 13, 14])
    assert (evidence.method, evidence.real) == ("mann-whitney", True)
    assert evidence.p == pytest.approx(2 / 70)


def test_alpha_decides_how_sure_is_sure_enough():
    """The same series differ or not, as the reader wants."""
    assert weigh([1, 2, 3, 4], [11, 12, 13, 14], alpha=0.02).real is None
    assert weigh([1, 2, 3], [11, 12, 13], alpha=0.2).real is True


@pytest.mark.parametrize(("base", "head", "real"), [([8, 8], [9, 9], True), ([8], [9], True), ([8, 8], [8], False)])
def test_what_repeats_exactly_is_compared_exactly(base, head, real):
    """Bytes and counts that every pass agrees on differ if they differ, however few passes there are."""
    evidence = weigh(base, head, repeatable=True)
    assert (evidence.method, evidence.p, evidence.real) == ("exact", None, real)


def test_a_time_that_repeats_exactly_is_no_proof():
    """Two equal timings are chance, or the clock's resolution."""
    assert weigh([8, 8], [9, 9]).real is None


def test_bytes_that_vary_are_tested_like_any_noisy_series():
    """One pass that disagrees, and the series is noisy."""
    assert weigh([8, 8, 8, 8], [9, 9, 9, 8], repeatable=True).method == "mann-whitney"


def test_medians_and_quartiles_are_compared_by_their_notches():
    """Where the rounds were not kept, medians several standard errors apart differ."""
    base = Summary(count=100, median=10.0, iqr=1.0)
    assert weigh_summaries(base, Summary(100, 10.7, 1.0)).real is True
    assert weigh_summaries(base, Summary(100, 10.1, 1.0)).real is False
    assert weigh_summaries(base, Summary(4, 20.0, 1.0)).real is None
    assert weigh_summaries(Summary(9, 1.0, 0.0), Summary(9, 2.0, 0.0)).real is None


def test_interval_from_quartiles():
    """1.96 standard errors of the median to either side."""
    interval = summary_interval(Summary(count=100, median=10.0, iqr=1.35))
    assert interval.high - interval.median == pytest.approx(1.96 * 0.125)
    assert summary_interval(Summary(5, 1.0, 1.0)) is None


def test_thousands_of_rounds_do_not_make_a_small_difference_real():
    """Two processes always differ a little; the values of one must mostly exceed those of the other."""
    low, high = list(range(1000)), [value + 100 for value in range(1000)]
    assert mann_whitney(high, low).superiority == pytest.approx(0.595)
    assert weigh(low, high).real is True
    assert weigh(low, high, least_effect=0.71).real is False
    assert weigh(low, [value + 300 for value in low], least_effect=0.71).real is True


def test_notches_ask_for_a_large_effect_too():
    """The same measure, as it is of normal distributions: 0.78 standard deviations."""
    base = Summary(10_000, 10.0, 1.349)
    assert weigh_summaries(base, Summary(10_000, 10.75, 1.349)).real is False
    assert weigh_summaries(base, Summary(10_000, 10.80, 1.349)).real is True


def test_nothing_against_something():
    """A side without values cannot be compared."""
    assert weigh([], [1]).real is None
