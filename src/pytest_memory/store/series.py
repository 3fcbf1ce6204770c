"""One metric of all benchmarks under one label: as measurements one by one, and as columns of numbers.

What is only asked for by the column is never made one by one; there may be a million of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import compress

from pytest_memory.model.benchmark import SERIES_KEYS, BenchmarkMetric
from pytest_memory.significance import LARGE_EFFECT, differ
from pytest_memory.stats import summarise
from pytest_memory.store.aligned import EMPTY, Ids, Numbers
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.columns import Columns
from pytest_memory.store.measured import REPEATABLE, Measured, Wanted, measure, measured_passes
from pytest_memory.store.numerals import are_measures

_PASSES: Mapping[str, BenchmarkMetric] = {metric: metric for metric in SERIES_KEYS}


class Series(Mapping[str, Measured]):
    """Measurements by benchmark.

    Args:
        ids: The benchmarks.
        measured: One metric of each under one label.
    """

    def __init__(self, ids: Ids, measured: Sequence[Measured]) -> None:
        self.ids = ids
        self._measured = measured

    @classmethod
    def of(cls, measured: Mapping[str, Measured]) -> Series:
        """The series of what a mapping holds."""
        return cls(Ids(list(measured)), list(measured.values()))

    def __getitem__(self, key: str) -> Measured:
        return self._at(self.ids.places[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids.keys)

    def __len__(self) -> int:
        return len(self.ids.keys)

    def column(self, stat: str | None) -> Numbers:
        """One statistic by benchmark, or the headline for ``None``; benchmarks that lack it are left out."""
        found = [one.value(stat) for one in self._measured]
        if None not in found:
            return Numbers(self.ids, found)  # type: ignore[arg-type]
        has = [value is not None for value in found]
        return Numbers(Ids(list(compress(self.ids.keys, has))), list(compress(found, has)))  # type: ignore[arg-type]

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """Whether the difference to a newer series is real, for each of some benchmarks that both have."""
        return [self[key].compare(head[key], metric, alpha).real is True for key in keys]

    def _at(self, place: int) -> Measured:
        return self._measured[place]


class TimeSeries(Series):
    """Times of which nothing is known but some statistics that every benchmark has.

    Args:
        ids: The benchmarks.
        columns: For each of these statistics the seconds of all; ``min`` is among them.
    """

    def __init__(self, ids: Ids, columns: Mapping[str, Sequence[float]]) -> None:
        self.ids = ids
        self._columns = columns

    def column(self, stat: str | None) -> Numbers:
        """See :meth:`Series.column`."""
        numbers = self._columns.get(stat or "min")
        return Numbers(self.ids, numbers) if numbers is not None else EMPTY

    def _at(self, place: int) -> Measured:
        stats = {stat: column[place] for stat, column in self._columns.items()}
        return Measured(stats["min"], stats["min"], (), stats, 0)


class RoundSeries(TimeSeries):
    """Times whose rounds were all kept.

    Args:
        ids: The benchmarks.
        columns: See :class:`TimeSeries`.
        rounds: The seconds of each round of each benchmark, at least one.
        summaries: Further statistics as they were parsed, for tests against times whose rounds were not kept.
    """

    def __init__(
        self,
        ids: Ids,
        columns: Mapping[str, Sequence[float]],
        rounds: Sequence[Sequence[float]],
        summaries: Mapping[str, Sequence[bytes] | Sequence[float]],
    ) -> None:
        super().__init__(ids, columns)
        self._rounds = rounds
        self._written = summaries

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """See :meth:`Series.differ`."""
        if not isinstance(head, RoundSeries):
            return super().differ(head, keys, metric, alpha)
        base, other = self.ids.pick(self._rounds, keys), head.ids.pick(head._rounds, keys)
        return differ(base, other, alpha, LARGE_EFFECT)  # type: ignore[arg-type]

    def _at(self, place: int) -> Measured:
        stats = {stat: column[place] for stat, column in (*self._columns.items(), *self._summaries.items())}
        rounds = self._rounds[place]
        return Measured(stats["min"], stats["min"], rounds, stats, len(rounds))

    @cached_property
    def _summaries(self) -> Mapping[str, Sequence[float]]:
        """Without those of which one is too large to be believed."""
        read = {stat: list(map(float, column)) for stat, column in self._written.items()}
        return {stat: column for stat, column in read.items() if are_measures(column)}


class PassSeries(Series):
    """Memory, measured in passes of its own.

    Args:
        ids: The benchmarks.
        passes: The bytes or calls of each pass of each benchmark, at least one.
        peaks: Where the headline is that of the pass with the smallest peak, the peaks of the passes.
        steady: The number that all passes of a benchmark share, for each, if that is known of all.
    """

    def __init__(
        self,
        ids: Ids,
        passes: Sequence[Sequence[int]],
        peaks: Sequence[Sequence[int]] | None = None,
        steady: Sequence[int] | None = None,
    ) -> None:
        self.ids = ids
        self._passes = passes
        self._peaks = peaks
        self._known_steady = steady

    def column(self, stat: str | None) -> Numbers:
        """See :meth:`Series.column`."""
        if stat == "iqr":
            return EMPTY
        if None not in self._steady:
            return self._no_deviations if stat == "stddev" else self._steady_column
        deviation = stat == "stddev"
        return Numbers(
            self.ids,
            [
                self._value(place, stat) if steady is None else 0.0 if deviation else steady
                for place, steady in enumerate(self._steady)
            ],
        )

    def differ(self, head: Series, keys: Sequence[str], metric: Metric, alpha: float) -> list[bool]:
        """See :meth:`Series.differ`."""
        if not isinstance(head, PassSeries) or metric not in REPEATABLE:
            return super().differ(head, keys, metric, alpha)
        pairs = list(zip(self.ids.pick(self._steady, keys), head.ids.pick(head._steady, keys), strict=True))
        odd = [None in pair for pair in pairs]
        odd_ones = iter(super().differ(head, list(compress(keys, odd)), metric, alpha) if any(odd) else ())
        return [next(odd_ones) if is_odd else base != other for is_odd, (base, other) in zip(odd, pairs, strict=True)]

    def _at(self, place: int) -> Measured:
        return measured_passes(self._passes[place], self._peaks[place] if self._peaks is not None else None)

    def _value(self, place: int, stat: str | None) -> float:
        return self._at(place).headline if stat is None else summarise(self._passes[place], stat)

    @cached_property
    def _steady(self) -> Sequence[int | None]:
        """The number that all passes of a benchmark share, as they nearly always do with bytes; ``None`` otherwise."""
        if self._known_steady is not None:
            return self._known_steady
        return [passes[0] if passes.count(passes[0]) == len(passes) else None for passes in self._passes]

    @cached_property
    def _steady_column(self) -> Numbers:
        """What every statistic but the deviation is, where all are steady."""
        return Numbers(self.ids, self._steady)  # type: ignore[arg-type]

    @cached_property
    def _no_deviations(self) -> Numbers:
        return Numbers(self.ids, [0.0] * len(self._passes))


def series_of(ids: Ids, columns: Columns, metric: Metric, wanted: Wanted) -> Series:
    """Take what is wanted of one metric out of benchmarks.

    Args:
        ids: What each is shown under, in the order of the columns.
        columns: What they hold.
        metric: Which metric.
        wanted: What will be asked of the measurements.

    Raises:
        UnreadableFile: What a file holds in its place is not a measurement.
    """
    if metric in _PASSES:
        return _memory_series(ids, columns, _PASSES[metric])
    plain = _plain_times(ids, columns, wanted)
    if plain is not None:
        return plain
    measured = measure(columns, metric, wanted)
    return Series.of({key: one for key, one in zip(ids.keys, measured, strict=True) if one is not None})


def _memory_series(ids: Ids, columns: Columns, metric: BenchmarkMetric) -> PassSeries:
    passes = columns.passes(metric)
    peaks = columns.peaks_of(passes) if metric not in ("peak", "rss") else None
    if not all(passes):
        ids = Ids(list(compress(ids.keys, passes)))
        peaks = list(compress(peaks, passes)) if peaks is not None else None
        passes = list(filter(None, passes))
    if peaks is not None and not all(peaks):
        peaks = [peak or one for peak, one in zip(peaks, passes, strict=True)]
    return PassSeries(ids, passes, peaks, columns.steady(metric))  # known only where all have passes


def _plain_times(ids: Ids, columns: Columns, wanted: Wanted) -> TimeSeries | None:
    """The times of benchmarks that all have what is wanted, and nothing odd."""
    times = columns.plain_times(wanted.times)
    if times is None:
        return None
    by_stat = dict(zip(wanted.times, times, strict=True))
    if not wanted.evidence:
        return TimeSeries(ids, by_stat)
    summaries = {stat: column for stat in wanted.summaries if (column := columns.numerals(stat)) is not None}
    rounds = columns.plain_rounds() if len(summaries) == len(wanted.summaries) else None
    return RoundSeries(ids, by_stat, rounds, summaries) if rounds is not None else None
