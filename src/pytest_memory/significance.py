"""Whether two series differ, or only seem to; pure.

The model is Go's benchstat: a series that repeats exactly is compared exactly; a noisy one by the rank test of Mann
and Whitney, which assumes no distribution; where nothing can be said, nothing is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, repeat
from typing import Literal, NamedTuple

from pytest_memory.stats import Summary

Method = Literal["exact", "mann-whitney", "notches", "none"]

_EXACT_WITHOUT_TIES = 50  # values a side; above, the normal approximation is good to three digits
_EXACT_WITH_TIES = 10_000  # ways to deal the values to the two sides
_SMALLEST_SUMMARY = 5  # rounds behind a median whose quartiles mean anything

LARGE_EFFECT = 0.71
"""How often a value of one series must exceed one of the other for the effect to be called large.

Vargha and Delaney, "A Critique and Improvement of the CL Common Language Effect Size Statistics of McGraw and Wong",
Journal of Educational and Behavioral Statistics 25 (2000), p. 101–132.
"""

_LARGE_DISTANCE = math.sqrt(2) * 0.5534  # between medians, in standard deviations: Phi(0.5534) is LARGE_EFFECT
_DEVIATIONS_PER_IQR = 1.349  # of a normal distribution


class Evidence(NamedTuple):
    """What can be said of the difference between two series; a named tuple because there may be many.

    Attributes:
        method: How it was found out: ``exact`` (both repeat exactly), ``mann-whitney`` (values were kept),
            ``notches`` (only medians and quartiles were), or ``none`` (too few values for either).
        p: How likely so large a difference is if there is none; ``None`` where no test was made.
        real: Whether the difference is real: ``p`` is below alpha, and the effect is as large as was asked for;
            ``None`` where that cannot be said.
        counts: Number of values on each side.
    """

    method: Method
    p: float | None
    real: bool | None
    counts: tuple[int, int]


class RankTest(NamedTuple):
    """Outcome of the rank-sum test.

    Attributes:
        p: Two-sided probability of ranks so uneven if both series come from one distribution.
        superiority: How often a value of the first series exceeds one of the second, a tie counting half; the
            measure A of Vargha and Delaney.
    """

    p: float
    superiority: float


def weigh(
    base: Sequence[float],
    head: Sequence[float],
    *,
    alpha: float = 0.05,
    repeatable: bool = False,
    least_effect: float = 0.5,
) -> Evidence:
    """Compare two series of values.

    Args:
        base: The older one.
        head: The newer one.
        alpha: The difference is real if ``p`` is below it.
        repeatable: What was measured depends on nothing but the program (bytes and counts of a heap), so that series
            which are constant need no test.
        least_effect: How often a value of one series has to exceed one of the other as well. Thousands of rounds of
            two processes make any difference between the processes significant, whatever the code.
    """
    counts = len(base), len(head)
    if not base or not head:
        return Evidence("none", None, None, counts)
    if repeatable and min(base) == max(base) and min(head) == max(head):
        return Evidence("exact", None, base[0] != head[0], counts)
    if _smallest_p(*counts) >= alpha:
        return Evidence("none", None, None, counts)
    test = mann_whitney(base, head)
    return Evidence("mann-whitney", test.p, _is_real(test, alpha, least_effect), counts)


def _is_real(test: RankTest, alpha: float, least_effect: float) -> bool:
    return test.p < alpha and max(test.superiority, 1 - test.superiority) >= least_effect


def differ(
    bases: Sequence[Sequence[float]], heads: Sequence[Sequence[float]], alpha: float, least_effect: float
) -> list[bool]:
    """Whether :func:`weigh` calls the differences between many pairs of series real.

    Args:
        bases: The older series, none of them empty.
        heads: The newer ones, none of them empty.
        alpha: See :func:`weigh`.
        least_effect: See :func:`weigh`.
    """
    return [_differ(base, head, alpha, least_effect) for base, head in zip(bases, heads, strict=True)]


def _differ(base: Sequence[float], head: Sequence[float], alpha: float, least_effect: float) -> bool:
    counts = len(base), len(head)
    if len({*base, *head}) < sum(counts) or max(counts) > _EXACT_WITHOUT_TIES:
        return weigh(base, head, alpha=alpha, least_effect=least_effect).real is True
    return _real_without_ties(*counts, alpha, least_effect)[_pairs_below(base, head)]


@lru_cache(maxsize=256)
def _real_without_ties(base: int, head: int, alpha: float, least_effect: float) -> tuple[bool, ...]:
    """Whether a difference without ties is real, by how many pairs have the larger value in the base."""
    if _smallest_p(base, head) >= alpha:
        return (False,) * (base * head + 1)
    return tuple([_is_real(_without_ties(below, base, head), alpha, least_effect) for below in range(base * head + 1)])


def weigh_summaries(base: Summary, head: Summary, *, alpha: float = 0.05) -> Evidence:
    """Compare two series of which only medians and quartiles were kept, by the notches of their box plots.

    A difference that is real is also as large as ``LARGE_EFFECT`` would have it of normal distributions.

    McGill, Tukey and Larsen, "Variations of Box Plots", The American Statistician 32 (1978), p. 12–16.
    """
    counts = base.count, head.count
    error = math.hypot(base.median_error, head.median_error) if base.count and head.count else 0.0
    if min(counts) < _SMALLEST_SUMMARY or error == 0:
        return Evidence("none", None, None, counts)
    distance = abs(head.median - base.median)
    deviation = math.hypot(base.iqr, head.iqr) / math.sqrt(2) / _DEVIATIONS_PER_IQR
    p = math.erfc(distance / error / math.sqrt(2))
    return Evidence("notches", p, p < alpha and distance >= _LARGE_DISTANCE * deviation, counts)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Make the rank-sum test; both series need at least one value.

    Exact for up to 50 values a side, or, with ties, where there are at most 10,000 ways to deal the values to the
    sides; otherwise the normal approximation with corrections for ties and continuity.

    Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the Other",
    Annals of Mathematical Statistics 18 (1947), p. 50–60.
    """
    below = _pairs_below(first, second)
    pairs = len(first) * len(second)
    if len({*first, *second}) == len(first) + len(second):  # no ties
        if max(len(first), len(second)) <= _EXACT_WITHOUT_TIES:
            return _without_ties(below, len(first), len(second))
        return RankTest(_normal_p(below, len(first), len(second), ()), below / pairs)
    doubled = below + sum(map(bisect_right, repeat(sorted(second)), first))  # 2 U
    sizes = tuple([size for _, size in sorted(Counter([*first, *second]).items())])
    return RankTest(_tied_p(doubled, len(first), len(second), sizes), doubled / (2 * pairs))


def _pairs_below(first: Sequence[float], second: Sequence[float]) -> int:
    """In how many pairs the value of the second series is below that of the first."""
    return sum(map(bisect_left, repeat(sorted(second)), first))


def _without_ties(below: int, first: int, second: int) -> RankTest:
    """The test where ``below`` pairs have the larger value in the first series."""
    return RankTest(_exact_p(first, second)[below], below / (first * second))


def _tied_p(doubled: int, first: int, second: int, sizes: tuple[int, ...]) -> float:
    if math.comb(first + second, first) <= _EXACT_WITH_TIES:
        return _two_sided(_tied_distribution(first, sizes), doubled)
    return _normal_p(doubled / 2, first, second, sizes)


@lru_cache(maxsize=256)
def _smallest_p(first: int, second: int) -> float:
    """The p of the clearest result that the test can give: all values of one side below all of the other."""
    return 2 / math.comb(first + second, first)


def _two_sided(shares: tuple[float, ...], statistic: int) -> float:
    """``shares[u]`` is the probability of at most u."""
    below = shares[statistic]
    above = 1 - (shares[statistic - 1] if statistic else 0)
    return min(1.0, 2 * min(below, above))


@lru_cache(maxsize=256)
def _exact_p(first: int, second: int) -> tuple[float, ...]:
    """P of each U without ties."""
    shares = _distribution(first, second)
    return tuple([_two_sided(shares, statistic) for statistic in range(len(shares))])


def _distribution(first: int, second: int) -> tuple[float, ...]:
    """Cumulative probability of each U without ties: the coefficients of a Gaussian binomial."""
    counts = [1] + [0] * (first * second)
    for part in range(1, first + 1):
        shift = second + part
        for degree in range(len(counts) - 1, shift - 1, -1):  # times (1 - q^shift)
            counts[degree] -= counts[degree - shift]
        for degree in range(part, len(counts)):  # divided by (1 - q^part)
            counts[degree] += counts[degree - part]
    return _cumulative(counts)


@lru_cache(maxsize=4096)
def _tied_distribution(first: int, sizes: tuple[int, ...]) -> tuple[float, ...]:
    """Cumulative probability of each 2 U where ``sizes`` are the numbers of equal values, in ascending order."""
    second = sum(sizes) - first
    ways: dict[tuple[int, int], int] = {(0, 0): 1}  # (values dealt to the first side, 2 U so far)
    seen = 0
    for size in sizes:
        following: Counter[tuple[int, int]] = Counter()
        for (dealt, doubled), count in ways.items():
            for taken in range(max(0, size - (second - (seen - dealt))), min(size, first - dealt) + 1):
                beaten = 2 * (seen - dealt) + (size - taken)
                following[dealt + taken, doubled + taken * beaten] += count * math.comb(size, taken)
        ways, seen = following, seen + size
    counts = [0] * (2 * first * second + 1)
    for (_, doubled), count in ways.items():
        counts[doubled] += count
    return _cumulative(counts)


def _cumulative(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(reached / total for reached in accumulate(counts))


def _normal_p(statistic: float, first: int, second: int, sizes: Sequence[int]) -> float:
    total = first + second
    ties = sum(size**3 - size for size in sizes) / (total * (total - 1))
    variance = first * second / 12 * (total + 1 - ties)
    if variance <= 0:  # every value is the same
        return 1.0
    distance = max(0.0, abs(statistic - first * second / 2) - 0.5)
    return math.erfc(distance / math.sqrt(2 * variance))
