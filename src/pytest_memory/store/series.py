"""One metric of all benchmarks under one label: as measurements one by one, and as columns of numbers.

What is only asked for by the column is never made one by one; there may be a million of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from pytest_memory.model.benchmark import SERIES_KEYS, BenchmarkMetric
from pytest_memory.significance import LARGE_EFFECT, differ
from pytest_memory.stats import summarise
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.columns import Columns
from pytest_memory.store.measured import REPEATABLE, Measured, Wanted, measure, measured_passes

_PASSES: Mapping[str, BenchmarkMetric] = {metric: metric for metric in SERIES_KEYS}
_NOTHING: Mapping[str, float] = {}


class Series(Mapping[str, Measured]):
    """Measurements by benchmark.

    Args:
        measured: One metric under one label.
    """

    def __init__(self, measured: Mapping[str, Measured]) -> None:
        self._measured = measured

    def __getitem__(self, key: str) -> Measured:
        return self._measured[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._measured)

    def __len__(self) -> int:
        return len(self._measured)

    def column(self, stat: str | None) -> Mapping[str, float]:
        """One statistic by benchmark, or the headline for ``None``; benchmarks that lack it are left out."""
        if stat is None:
            return {key: one.headline for key, one in self._measured.items()}
        try:
            return {key: one.stats[stat] for key, one in self._measured.items()}
        except KeyError:  # a file without it, or memory, of which no statistic is stored
            return {key: value for key, one in self._measured.items() if (value := one.value(stat)) is not None}

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """Whether the difference to a newer series is real, for each of some benchmarks that both have."""
        return [self[key].compare(head[key], metric, alpha).real is True for key in keys]


class TimeSeries(Series):
    """Times of which nothing is known but some statistics that every benchmark has.

    Args:
        columns: For each of them the seconds by benchmark; ``min`` is among them.
    """

    def __init__(self, columns: Mapping[str, Mapping[str, float]]) -> None:
        self._columns = columns

    def __getitem__(self, key: str) -> Measured:
        stats = {stat: column[key] for stat, column in self._columns.items()}
        return Measured(stats["min"], stats["min"], (), stats, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns["min"])

    def __len__(self) -> int:
        return len(self._columns["min"])

    def column(self, stat: str | None) -> Mapping[str, float]:
        """See :meth:`Series.column`."""
        return self._columns.get(stat or "min", _NOTHING)


class RoundSeries(TimeSeries):
    """Times whose rounds were all kept.

    Args:
        columns: See :class:`TimeSeries`.
        rounds: The seconds of each round by benchmark, at least one.
        summaries: Further statistics as they were parsed, for tests against times whose rounds were not kept.
    """

    def __init__(
        self,
        columns: Mapping[str, Mapping[str, float]],
        rounds: Mapping[str, Sequence[float]],
        summaries: Mapping[str, Sequence[bytes] | Sequence[float]],
    ) -> None:
        super().__init__(columns)
        self._rounds = rounds
        self._written = summaries

    def __getitem__(self, key: str) -> Measured:
        stats = {stat: column[key] for stat, column in (*self._columns.items(), *self._summaries.items())}
        rounds = self._rounds[key]
        return Measured(stats["min"], stats["min"], rounds, stats, len(rounds))

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """See :meth:`Series.differ`."""
        if not isinstance(head, RoundSeries):
            return super().differ(head, keys, metric, alpha)
        base, other = self._rounds, head._rounds
        return differ([base[key] for key in keys], [other[key] for key in keys], alpha, LARGE_EFFECT)

    @cached_property
    def _summaries(self) -> Mapping[str, Mapping[str, float]]:
        """Without those of which one is too large for a float."""
        read = {stat: list(map(float, column)) for stat, column in self._written.items()}
        return {
            stat: dict(zip(self._rounds, column, strict=True))
            for stat, column in read.items()
            if math.isfinite(sum(column))
        }


class PassSeries(Series):
    """Memory, measured in passes of its own.

    Args:
        passes: The bytes or calls of each pass by benchmark, at least one.
        peaks: Where the headline is that of the pass with the smallest peak, the peaks of the passes.
    """

    def __init__(self, passes: Mapping[str, Sequence[int]], peaks: Mapping[str, Sequence[int]] | None = None) -> None:
        self._passes = passes
        self._peaks = peaks

    def __getitem__(self, key: str) -> Measured:
        return measured_passes(self._passes[key], self._peaks[key] if self._peaks is not None else None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._passes)

    def __len__(self) -> int:
        return len(self._passes)

    def column(self, stat: str | None) -> Mapping[str, float]:
        """See :meth:`Series.column`."""
        if stat == "iqr":
            return _NOTHING
        steady = dict.fromkeys(self._steady, 0.0) if stat == "stddev" else self._steady
        if len(steady) == len(self._passes):
            return steady
        return {
            key: steady[key] if key in steady else self._value(key, passes, stat)
            for key, passes in self._passes.items()
        }

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """See :meth:`Series.differ`."""
        if not isinstance(head, PassSeries) or metric not in REPEATABLE:
            return super().differ(head, keys, metric, alpha)
        base, other = self._steady, head._steady
        odd = [key for key in keys if key not in base or key not in other]
        odd_ones = dict(zip(odd, super().differ(head, odd, metric, alpha), strict=True))
        return [odd_ones[key] if key in odd_ones else base[key] != other[key] for key in keys]

    def _value(self, key: str, passes: Sequence[int], stat: str | None) -> float:
        return self[key].headline if stat is None else summarise(passes, stat)

    @cached_property
    def _steady(self) -> Mapping[str, float]:
        """Those whose passes are all the same, as nearly all bytes are."""
        alike = _all_steady(list(self._passes.values()))
        if alike is not None:
            return dict(zip(self._passes, alike, strict=True))
        return {key: passes[0] for key, passes in self._passes.items() if passes.count(passes[0]) == len(passes)}


def _all_steady(passes: Sequence[Sequence[int]]) -> list[int] | None:
    """The number that all passes of a benchmark share, for each; ``None`` if some differ, in number or in count."""
    counts = set(map(len, passes))
    if len(counts) != 1:
        return None
    count = counts.pop()
    flat = list(chain.from_iterable(passes))
    first = flat[::count]
    return first if all(flat[turn::count] == first for turn in range(1, count)) else None


def series_of(keys: Sequence[str], columns: Columns, metric: Metric, wanted: Wanted) -> Series:
    """Take what is wanted of one metric out of benchmarks, each of which is shown under the key in its place.

    Raises:
        UnreadableFile: What a file holds in its place is not a measurement.
    """
    if metric in _PASSES:
        return _memory_series(keys, columns, _PASSES[metric])
    plain = _plain_times(keys, columns, wanted)
    if plain is not None:
        return plain
    measured = measure(columns, metric, wanted)
    return Series({key: one for key, one in zip(keys, measured, strict=True) if one is not None})


def _memory_series(keys: Sequence[str], columns: Columns, metric: BenchmarkMetric) -> PassSeries:
    found = columns.passes(metric)
    if not all(found):
        keys = [key for key, one in zip(keys, found, strict=True) if one]
    passes = dict(zip(keys, filter(None, found), strict=True))
    if metric in ("peak", "rss"):
        return PassSeries(passes)
    peaks = [peak or one for peak, one in zip(columns.peaks_of(found), found, strict=True) if one]
    return PassSeries(passes, dict(zip(keys, peaks, strict=True)))


def _plain_times(keys: Sequence[str], columns: Columns, wanted: Wanted) -> TimeSeries | None:
    """The times of benchmarks that all have what is wanted, and nothing odd."""
    times = columns.plain_times(wanted.times)
    if times is None:
        return None
    by_stat = {stat: dict(zip(keys, column, strict=True)) for stat, column in zip(wanted.times, times, strict=True)}
    if not wanted.evidence:
        return TimeSeries(by_stat)
    summaries = {stat: column for stat in wanted.summaries if (column := columns.numerals(stat)) is not None}
    rounds = columns.plain_rounds() if len(summaries) == len(wanted.summaries) else None
    return RoundSeries(by_stat, dict(zip(keys, rounds, strict=True)), summaries) if rounds is not None else None
