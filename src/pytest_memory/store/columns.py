"""What many benchmarks hold, read by the column; one by one where a number is odd, to say which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

from pytest_memory.model.benchmark import BLOB, SERIES_KEYS, BenchmarkMetric
from pytest_memory.store.benchmarks import Benchmark, are_passes


def time_columns(benchmarks: Sequence[Benchmark], stats: Sequence[str]) -> list[list[float]] | None:
    """For each statistic the times of all benchmarks in seconds; ``None`` if one lacks one, or holds something odd."""
    columns = []
    for stat in stats:
        numerals = [benchmark.stats.get(stat) for benchmark in benchmarks]
        if not set(map(type, numerals)) <= {bytes}:
            return None
        columns.append(list(map(float, numerals)))  # type: ignore[arg-type]
        if not math.isfinite(sum(columns[-1])):
            return None
    return columns


def times_of(benchmarks: Sequence[Benchmark], stats: Sequence[str]) -> list[dict[str, float]]:
    """What :meth:`Benchmark.times` gives for each of many.

    Raises:
        UnreadableFile: One is no finite number.
    """
    columns = time_columns(benchmarks, stats)
    if columns is None:
        return [benchmark.times(stats) for benchmark in benchmarks]
    return [dict(zip(stats, row, strict=True)) for row in zip(*columns, strict=True)]


def rounds_of(benchmarks: Sequence[Benchmark]) -> list[Sequence[float]]:
    """What :attr:`Benchmark.rounds` gives for each of many.

    Raises:
        UnreadableFile: See :attr:`Benchmark.rounds`.
    """
    data = [benchmark.stats.get("data") for benchmark in benchmarks]
    if set(map(type, data)) == {list}:
        numerals = list(chain.from_iterable(data))  # type: ignore[arg-type]
        if set(map(type, numerals)) <= {bytes}:
            values = list(map(float, numerals))
            if math.isfinite(sum(values)):
                rest = iter(values)
                return [list(islice(rest, len(one))) for one in data]  # type: ignore[arg-type]
    return [benchmark.rounds for benchmark in benchmarks]


def passes_of(benchmarks: Sequence[Benchmark], metric: BenchmarkMetric) -> list[Sequence[int]]:
    """What :meth:`Benchmark.passes` gives for each of many.

    Raises:
        UnreadableFile: See :meth:`Benchmark.passes`.
    """
    blobs = [benchmark.extra.get(BLOB) for benchmark in benchmarks]
    if set(map(type, blobs)) == {dict}:
        columns = _lists(blobs, metric)
        peaks = columns if metric == "peak" else _lists(blobs, "peak")
        alike = list(map(len, columns)) == list(map(len, peaks))
        if columns and alike and all(are_passes(list(chain.from_iterable(all_of))) for all_of in (columns, peaks)):
            return columns
    return [benchmark.passes(metric) for benchmark in benchmarks]


def _lists(blobs: Sequence[Any], metric: BenchmarkMetric) -> list[Sequence[int]]:
    """What every blob holds of a metric, where it is a list in all of them and empty in none; else nothing."""
    columns = [blob.get(SERIES_KEYS[metric]) for blob in blobs]
    return columns if set(map(type, columns)) == {list} and all(columns) else []
