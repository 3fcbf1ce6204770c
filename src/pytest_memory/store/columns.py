"""What many benchmarks hold, read by the column; one by one where something is odd, to say which."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from pytest_memory.model.benchmark import BLOB, SERIES_KEYS, BenchmarkMetric
from pytest_memory.store.benchmarks import Benchmark, in_range
from pytest_memory.store.numerals import are_measures, floats_of


class Columns:
    """The members of benchmarks; what several metrics need of them is looked at once.

    Args:
        benchmarks: In the order in which every column has them.
    """

    def __init__(self, benchmarks: Sequence[Benchmark]) -> None:
        self.benchmarks = benchmarks
        self._stats = [benchmark.stats for benchmark in benchmarks]
        self._blobs: list[Any] = [benchmark.extra.get(BLOB) for benchmark in benchmarks]
        self._plain: dict[BenchmarkMetric, _PlainPasses | None] = {}

    def plain_times(self, stats: Sequence[str]) -> list[list[float]] | None:
        """For each statistic all times in seconds; ``None`` if a benchmark lacks one, or holds something odd."""
        columns = []
        for stat in stats:
            values = floats_of(self._column(stat))
            if values is None:
                return None
            columns.append(values)
        return columns

    def numerals(self, stat: str) -> Sequence[bytes] | Sequence[float] | None:
        """One statistic as it was parsed; ``None`` if a benchmark lacks it, or holds something odd."""
        numerals = self._column(stat)
        kinds = set(map(type, numerals))
        return numerals if kinds <= {bytes} or (kinds == {float} and are_measures(numerals)) else None

    def _column(self, stat: str) -> list[Any]:
        return [stats.get(stat) for stats in self._stats]

    def times(self, stats: Sequence[str]) -> list[dict[str, float]]:
        """What :meth:`Benchmark.times` gives for each.

        Raises:
            UnreadableFile: One is no finite number.
        """
        columns = self.plain_times(stats)
        if columns is None:
            return [benchmark.times(stats) for benchmark in self.benchmarks]
        return [dict(zip(stats, row, strict=True)) for row in zip(*columns, strict=True)]

    def plain_rounds(self) -> list[list[float]] | None:
        """The seconds of every round of each; ``None`` if one kept no rounds, or holds something odd."""
        data: list[Any] = [stats.get("data") for stats in self._stats]
        if set(map(type, data)) != {list} or not all(data):
            return None
        values = floats_of(list(chain.from_iterable(data)))
        if values is None:
            return None
        rest = iter(values)
        return [list(islice(rest, count)) for count in map(len, data)]

    def passes(self, metric: BenchmarkMetric) -> Sequence[Sequence[int]]:
        """What :meth:`Benchmark.passes` gives for each.

        Raises:
            UnreadableFile: See :meth:`Benchmark.passes`.
        """
        plain = self._plain_passes(metric)
        return plain.passes if plain is not None else [benchmark.passes(metric) for benchmark in self.benchmarks]

    def steady(self, metric: BenchmarkMetric) -> Sequence[int] | None:
        """The number that all passes of a benchmark share, for each; ``None`` if some differ, or something is odd."""
        plain = self._plain_passes(metric)
        return plain.steady if plain is not None else None

    def peaks_of(self, passes: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
        """The peaks of the passes in which another metric was measured; empty where it was not, or they are not known.

        Raises:
            UnreadableFile: See :meth:`Benchmark.passes`.
        """
        plain = self._plain_passes("peak")
        if plain is not None:
            return plain.passes
        return [one.passes("peak") if values else () for one, values in zip(self.benchmarks, passes, strict=True)]

    def _plain_passes(self, metric: BenchmarkMetric) -> _PlainPasses | None:
        """The passes of all, where each benchmark has some, and as many of them as peaks; ``None`` otherwise."""
        if metric not in self._plain:
            self._plain[metric] = self._find_plain_passes(metric)
        return self._plain[metric]

    def _find_plain_passes(self, metric: BenchmarkMetric) -> _PlainPasses | None:
        peaks = self._plain_passes("peak") if metric != "peak" else None
        if set(map(type, self._blobs)) != {dict} or (metric != "peak" and peaks is None):
            return None
        key = SERIES_KEYS[metric]
        passes = [blob.get(key) for blob in self._blobs]
        if set(map(type, passes)) != {list} or not all(passes):
            return None
        counts, flat = list(map(len, passes)), list(chain.from_iterable(passes))
        if set(map(type, flat)) != {int} or (peaks is not None and counts != peaks.counts):
            return None
        steady = _all_steady(flat, counts[0]) if len(set(counts)) == 1 else None
        return _PlainPasses(passes, counts, steady) if in_range(flat if steady is None else steady) else None


class _PlainPasses(NamedTuple):
    """One metric of benchmarks that all have it, and nothing odd.

    Attributes:
        passes: Those of each.
        counts: How many each has.
        steady: The number that all passes of a benchmark share, for each; ``None`` if some differ.
    """

    passes: list[Sequence[int]]
    counts: list[int]
    steady: list[int] | None


def _all_steady(flat: list[int], count: int) -> list[int] | None:
    first = flat[::count]
    return first if all(flat[turn::count] == first for turn in range(1, count)) else None
