"""What a series of measurements says of itself: summaries, the interval of its median; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

STATS = ("min", "max", "mean", "median", "stddev")
"""Statistics over a series that can be asked for by name."""


def sample_stddev(values: Sequence[float]) -> float:
    """Standard deviation of a sample (n - 1 in the denominator); 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def median(values: Sequence[float]) -> float:
    """The middle of at least one value, or the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


_SUMMARIES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "mean": mean,
    "median": median,
    "stddev": sample_stddev,
}


def summarise(values: Sequence[float], stat: str) -> float:
    """One of ``STATS`` over at least one value.

    Raises:
        KeyError: There is no such statistic.
    """
    return _SUMMARIES[stat](values)


def geometric_mean(values: Collection[float]) -> float | None:
    """Geometric mean of positive values, or ``None`` if there is none or one is not positive."""
    if not values or min(values) <= 0:
        return None
    return math.exp(math.fsum(map(math.log, values)) / len(values))


@dataclass(frozen=True, slots=True)
class Summary:
    """What is left of a series whose values were not kept.

    Attributes:
        count: Number of values.
        median: Their median.
        iqr: Distance between their quartiles.
    """

    count: int
    median: float
    iqr: float

    @property
    def median_error(self) -> float:
        """Standard error of the median for roughly normal data, from the quartiles and so robust against outliers.

        McGill, Tukey and Larsen, "Variations of Box Plots", The American Statistician 32 (1978), p. 12–16.
        """
        return 1.25 * self.iqr / (1.35 * math.sqrt(self.count))


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the median of a series lies with 95 % confidence, or closer than that.

    Attributes:
        low: Lower end, in the series' unit.
        median: The median of the series.
        high: Upper end.
    """

    low: float
    median: float
    high: float

    @property
    def relative(self) -> float | None:
        """The longer arm as a share of the median, or ``None`` around 0."""
        return max(self.high - self.median, self.median - self.low) / abs(self.median) if self.median else None


def median_interval(values: Sequence[float]) -> Interval | None:
    """Interval of the median from order statistics, without any assumption on the distribution.

    Returns:
        ``None`` for fewer than six values that are not all equal: no pair of them reaches 95 %.
    """
    if not values:
        return None
    ordered = sorted(values)
    middle = median(ordered)
    if ordered[0] == ordered[-1]:
        return Interval(middle, middle, middle) if len(ordered) > 1 else None
    rank = _interval_rank(len(ordered))
    return Interval(ordered[rank - 1], middle, ordered[-rank]) if rank else None


def summary_interval(summary: Summary) -> Interval | None:
    """Interval of the median where only quartiles were kept; ``None`` for fewer than six values."""
    if summary.count < 6:
        return None
    reach = 1.96 * summary.median_error
    return Interval(summary.median - reach, summary.median, summary.median + reach)


@lru_cache(maxsize=1024)
def _interval_rank(count: int) -> int:
    """The largest rank k whose k-th smallest and k-th largest of ``count`` values enclose the median at 95 %."""
    if count > 100:
        return int(count / 2 - 1.96 * math.sqrt(count) / 2)
    rank, below = 0, 0.0
    while True:  # below = P(fewer than or exactly `rank` values under the median)
        below += math.comb(count, rank) / 2**count
        if 2 * below > 0.05:
            return rank
        rank += 1
