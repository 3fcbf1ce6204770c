"""One metric of all benchmarks under one label: as measurements one by one, and as columns of numbers.

What is only asked for by the column is never made one by one; there may be a million of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from pytest_memory.model.benchmark import SERIES_KEYS, BenchmarkMetric
from pytest_memory.stats import summarise
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.benchmarks import Benchmark
from pytest_memory.store.columns import passes_of, time_columns
from pytest_memory.store.measured import Measured, Wanted, measure, measured_passes

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

    def _value(self, key: str, passes: Sequence[int], stat: str | None) -> float:
        return self[key].headline if stat is None else summarise(passes, stat)

    @cached_property
    def _steady(self) -> Mapping[str, float]:
        """Those whose passes are all the same, as nearly all bytes are."""
        return {key: passes[0] for key, passes in self._passes.items() if passes.count(passes[0]) == len(passes)}


def series_of(keys: Sequence[str], benchmarks: Sequence[Benchmark], metric: Metric, wanted: Wanted) -> Series:
    """Take what is wanted of one metric out of benchmarks, each of which is shown under the key in its place.

    Raises:
        UnreadableFile: What a file holds in its place is not a measurement.
    """
    if metric in _PASSES:
        columns = passes_of(benchmarks, _PASSES[metric])
        passes = {key: column for key, column in zip(keys, columns, strict=True) if column}
        if metric in ("peak", "rss"):
            return PassSeries(passes)
        peaks = passes_of([one for one, column in zip(benchmarks, columns, strict=True) if column], "peak")
        return PassSeries(passes, {key: peak or passes[key] for key, peak in zip(passes, peaks, strict=True)})
    if metric == "time" and not wanted.evidence:
        times = time_columns(benchmarks, wanted.times)
        if times is not None:
            return TimeSeries(
                {stat: dict(zip(keys, column, strict=True)) for stat, column in zip(wanted.times, times, strict=True)}
            )
    measured = measure(benchmarks, metric, wanted)
    return Series({key: one for key, one in zip(keys, measured, strict=True) if one is not None})
