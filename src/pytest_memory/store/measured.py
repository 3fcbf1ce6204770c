"""One metric of one benchmark under one label: what it says, and the values a test of significance needs.

A label may stand for several runs, which are *pooled*: their passes and rounds are taken together. Where rounds were
not kept, the smallest, largest and mean values are those of all rounds, and median and quartiles the median of the
runs' own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_memory.model.benchmark import SERIES_KEYS, BenchmarkMetric
from pytest_memory.significance import LARGE_EFFECT, Evidence, weigh, weigh_summaries
from pytest_memory.stats import Interval, Summary, median, median_interval, summarise, summary_interval
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.columns import Columns

_MEMORY: Mapping[str, BenchmarkMetric] = {metric: metric for metric in SERIES_KEYS}
_NOTHING: Mapping[str, float] = {}
REPEATABLE: frozenset[Metric] = frozenset(("peak", "allocated", "allocations"))
"""Metrics that depend on nothing but the program."""

_SUMMARY = ("median", "iqr")
_TIME_STATS = ("min", "max", "mean", "median", "stddev", "iqr")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody will ask of the measurements; the rest is left in the file. Runs are pooled of everything.

    Attributes:
        times: The computed times.
        evidence: Whether differences will be tested.
        summaries: The computed times that stand in for rounds in these tests.
    """

    times: tuple[str, ...] = _TIME_STATS
    evidence: bool = True
    summaries: tuple[str, ...] = ()

    @classmethod
    def of(cls, stats: Iterable[str], *, evidence: bool) -> Wanted:
        """What is read for some statistics, and for tests of the differences if they are wanted."""
        times = tuple(dict.fromkeys(("min", *stats)))
        return cls(times, evidence, tuple(stat for stat in _SUMMARY if stat not in times) if evidence else ())


EVERYTHING = Wanted()


class Measured(NamedTuple):
    """One metric of one benchmark under one label; a named tuple because there may be a million.

    Attributes:
        headline: The value of the pass with the smallest peak; the shortest round for times.
        peak: The peak of that pass, by which the headline of several runs is found; the headline itself for times.
        values: Passes or rounds, in bytes, calls or seconds; empty if rounds were not kept, or are not wanted.
        stats: Statistics that the file itself holds, by name.
        rounds: Number of rounds or passes, for tests of differences.
        per_run: The headline of each run that was pooled; empty for one run.
    """

    headline: float
    peak: float
    values: Sequence[float]
    stats: Mapping[str, float]
    rounds: int
    per_run: tuple[float, ...] = ()

    def value(self, stat: str | None) -> float | None:
        """One statistic, or the headline for ``None``; ``None`` if the file lacks it and it cannot be computed."""
        if stat is None:
            return self.headline
        if stat in self.stats:
            return self.stats[stat]
        values = self.values
        if not values or stat == "iqr":
            return None
        if values.count(values[0]) == len(values):  # nearly all bytes repeat, and there may be a million of them
            return 0.0 if stat == "stddev" else values[0]
        return summarise(values, stat)

    @property
    def interval(self) -> Interval | None:
        """Where the median lies with 95 % confidence, or ``None`` for too few values."""
        if self.values:
            return median_interval(self.values)
        summary = self._summary
        return summary_interval(summary) if summary is not None else None

    @property
    def _summary(self) -> Summary | None:
        if not self.stats.keys() >= {*_SUMMARY}:
            return None
        return Summary(self.rounds, self.stats["median"], self.stats["iqr"])

    def compare(self, head: Measured, metric: Metric, alpha: float) -> Evidence:
        """What can be said of the difference to a newer measurement of the same benchmark.

        Where both labels have several runs, the runs are compared, one value each: rounds of one process tell
        nothing of what differs between processes. Where only rounds can be compared, the effect must be large.
        """
        if len(self.per_run) > 1 and len(head.per_run) > 1 and metric not in REPEATABLE:
            return weigh(self.per_run, head.per_run, alpha=alpha)
        if self.values and head.values:
            repeatable = metric in REPEATABLE
            return weigh(self.values, head.values, alpha=alpha, repeatable=repeatable, least_effect=LARGE_EFFECT)
        mine, other = self._summary, head._summary
        if mine is None or other is None:
            return Evidence("none", None, None, (self.rounds, head.rounds))
        return weigh_summaries(mine, other, alpha=alpha)


def measure(columns: Columns, metric: Metric, wanted: Wanted = EVERYTHING) -> list[Measured | None]:
    """Take what is wanted of one metric out of benchmarks; ``None`` for each for which it was not measured.

    Raises:
        UnreadableFile: What the file holds in its place is not a measurement.
    """
    if metric == "time":
        return _measure_times(columns, wanted)
    passes = columns.passes(_MEMORY[metric])
    if metric in ("peak", "rss"):
        return [measured_passes(one) if one else None for one in passes]
    peaks = columns.peaks_of(passes)
    return [measured_passes(one, peak or None) if one else None for one, peak in zip(passes, peaks, strict=True)]


def measured_passes(passes: Sequence[int], peaks: Sequence[int] | None = None) -> Measured:
    """Memory of a benchmark, of its passes.

    Args:
        passes: The bytes or calls of each, at least one.
        peaks: Their peaks, where the headline is the value of the pass with the smallest.
    """
    if peaks is None:
        peaks = passes
    peak = min(peaks)
    return Measured(passes[peaks.index(peak)], peak, passes, _NOTHING, len(passes))


def _measure_times(columns: Columns, wanted: Wanted) -> list[Measured | None]:
    asked = (*wanted.times, *wanted.summaries)
    needed = len(asked) + wanted.evidence
    measured: list[Measured | None] = []
    for one, stats in zip(columns.benchmarks, columns.times(asked), strict=True):
        headline = stats.get("min")
        if headline is None:
            measured.append(None)
        elif len(stats) < needed:  # what is asked for and was not saved can be computed from the rounds
            rounds = one.rounds
            count = len(rounds) or int(one.time("rounds") or 1)
            measured.append(Measured(headline, headline, rounds, stats, count))
        else:
            measured.append(Measured(headline, headline, (), stats, 0))
    return measured


def pool(parts: Sequence[Measured]) -> Measured:
    """Take several measurements of one benchmark together; at least one."""
    if len(parts) == 1:
        return parts[0]
    first = min(parts, key=lambda part: part.peak)
    per_run = tuple(part.headline for part in parts)
    rounds = sum(part.rounds for part in parts)
    if all(part.values for part in parts):
        values = [value for part in parts for value in part.values]
        return Measured(first.headline, first.peak, values, {}, rounds, per_run)
    return Measured(first.headline, first.peak, (), _pooled_stats(parts), rounds, per_run)


def _pooled_stats(parts: Sequence[Measured]) -> dict[str, float]:
    pooled: dict[str, float] = {}
    columns = {stat: [value for part in parts if (value := part.value(stat)) is not None] for stat in _TIME_STATS}
    for stat, column in columns.items():
        if len(column) == len(parts):
            pooled[stat] = _pooled_stat(stat, column, columns["mean"], [part.rounds for part in parts])
    return pooled


def _pooled_stat(stat: str, column: Sequence[float], means: Sequence[float], rounds: Sequence[int]) -> float:
    if stat in ("min", "max"):
        return summarise(column, stat)
    if stat in ("median", "iqr") or len(means) < len(column):
        return median(column)
    total = sum(rounds)
    mean = math.fsum(part * count for part, count in zip(means, rounds, strict=True)) / total
    if stat == "mean":
        return mean
    squares = math.fsum(
        deviation**2 * (count - 1) + count * (part - mean) ** 2
        for deviation, part, count in zip(column, means, rounds, strict=True)
    )
    return math.sqrt(squares / (total - 1)) if total > 1 else 0.0
