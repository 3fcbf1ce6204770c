"""Runs laid side by side: every benchmark under every label, each file parsed once and then let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

from pytest_memory.model.benchmark import SERIES_KEYS
from pytest_memory.store.aligned import Ids, Numbers, sorted_keys
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.benchmarks import Benchmark, read_benchmarks
from pytest_memory.store.columns import Columns
from pytest_memory.store.dims import Dim, matches
from pytest_memory.store.measured import EVERYTHING, Measured, Wanted, measure, pool
from pytest_memory.store.numerals import LARGEST
from pytest_memory.store.parsers import Members, Parser, read_fast
from pytest_memory.store.series import Series, series_of


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """A file and the label under which its benchmarks are shown; runs of one label are pooled."""

    label: str
    path: Path


@dataclass(frozen=True, slots=True)
class Lineup:
    """Runs laid side by side.

    Attributes:
        labels: In the order given, each once.
        present: The benchmarks under each label, measured or not.
        metrics: For each metric, the measurements by benchmark under each label.
        dims: The dims of each benchmark, from the first run that has it; empty unless they were asked for.
        extras: For each extra column, the numbers by benchmark under each label.
    """

    labels: tuple[str, ...]
    present: tuple[frozenset[str], ...]
    metrics: Mapping[Metric, tuple[Series, ...]]
    dims: Mapping[str, Mapping[str, Dim]] = field(default_factory=dict)
    extras: Mapping[str, tuple[Numbers, ...]] = field(default_factory=dict)

    def ids(self) -> list[str]:
        """Every benchmark that has a value under some label, sorted."""
        return sorted_keys(series.ids for columns in self.metrics.values() for series in columns)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is taken from each file.

    Attributes:
        metrics: Those to be shown or judged.
        extras: Names of dims to be shown as columns of numbers.
        where: Conditions on dims, all of which must hold.
        dims: Whether dims are kept.
        wanted: What will be asked of the measurements.
    """

    metrics: tuple[Metric, ...]
    extras: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    dims: bool = False
    wanted: Wanted = EVERYTHING

    def members(self, wanted: Wanted) -> Members:
        """What must be parsed of a file in which this is asked of the measurements."""
        memory = [metric for metric in SERIES_KEYS if metric in self.metrics]
        return Members(
            stats=(*wanted.times, *wanted.summaries) if "time" in self.metrics else (),
            rounds=wanted.evidence and "time" in self.metrics,
            series=tuple(SERIES_KEYS[metric] for metric in dict.fromkeys(("peak", *memory))) if memory else (),
            dims=bool(self.where or self.dims or self.extras),
        )


Splitter = Callable[[Benchmark], "tuple[str, str] | None"]
"""Tells for one benchmark under which label and id it is shown, or ``None`` to leave it out."""


def line_up(runs: Sequence[LabelledRun], selection: Selection) -> Lineup:
    """Read runs and lay them side by side.

    Raises:
        UnreadableFile: A file is not a run, or a measurement in it cannot be used.
    """
    pooled = len({run.label for run in runs}) < len(runs)
    members = selection.members(EVERYTHING if pooled else selection.wanted)
    return read_fast([run.path for run in runs], members, lambda parse: _line_up(runs, selection, pooled, parse))


def _line_up(runs: Sequence[LabelledRun], selection: Selection, pooled: bool, parse: Parser) -> Lineup:
    builder = _Builder(selection)
    for run in runs:
        builder.open(run.label)
        builder.add_run(run, pooled, parse)
    return builder.build()


def line_up_split(path: Path, selection: Selection, split: Splitter) -> Lineup:
    """Read one run and lay parts of it side by side.

    Args:
        path: The run.
        selection: What to take.
        split: Which benchmark belongs where.

    Raises:
        UnreadableFile: The file is not a run, or a measurement in it cannot be used.
    """
    members = replace(selection, dims=True).members(EVERYTHING)
    return read_fast([path], members, lambda parse: _line_up_split(path, selection, split, parse))


def _line_up_split(path: Path, selection: Selection, split: Splitter, parse: Parser) -> Lineup:
    places: dict[str, tuple[list[str], list[Benchmark]]] = {}
    for benchmark in read_benchmarks(path, parse).benchmarks:
        place = split(benchmark)
        if place is not None:
            label, key = place
            keys, benchmarks = places.setdefault(label, ([], []))
            keys.append(key)
            benchmarks.append(benchmark)
    builder = _Builder(selection)
    for label, (keys, benchmarks) in places.items():
        builder.open(label)
        builder.add(label, keys, benchmarks, pooled=True)
    return builder.build()


class _Builder:
    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.dims: dict[str, Mapping[str, Dim]] = {}
        self._ids = Ids(())
        self._present: dict[str, set[str]] = {}
        self._series: dict[str, dict[Metric, Series]] = {}
        self._parts: dict[tuple[str, Metric], dict[str, list[Measured]]] = {}
        self._extras: dict[tuple[str, str], dict[str, float]] = {}

    def open(self, label: str) -> None:
        """Make room for a label; those opened before keep their places."""
        if label not in self._series:
            self._present[label] = set()
            self._series[label] = {}

    def add_run(self, run: LabelledRun, pooled: bool, parse: Parser) -> None:
        """Take what is selected of a file, which is let go before the next one is parsed."""
        benchmarks = read_benchmarks(run.path, parse).benchmarks
        keys = [benchmark.id for benchmark in benchmarks]
        if not pooled and keys != self._ids.keys and len(set(keys)) < len(keys):
            pooled = True
            if parse.whole is not parse:
                benchmarks = read_benchmarks(run.path, parse.whole).benchmarks
        self.add(run.label, keys, benchmarks, pooled)

    def add(self, label: str, keys: Sequence[str], benchmarks: Sequence[Benchmark], pooled: bool) -> None:
        """Take what is selected of benchmarks.

        Args:
            label: Under which they are shown.
            keys: What each is called there.
            benchmarks: In the same order.
            pooled: Whether a key may be among them, or be given under this label, several times.
        """
        selection = self.selection
        if selection.where or selection.dims or selection.extras:
            matching = self._matching(label, keys, benchmarks)
            keys, benchmarks = list(compress(keys, matching)), list(compress(benchmarks, matching))
        columns = Columns(benchmarks)
        if not pooled:
            if keys != self._ids.keys:
                self._ids = Ids(keys)
            self._present[label].update(self._ids.keys)  # those of the first run that has them, not the same once more
            for metric in selection.metrics:
                self._series[label][metric] = series_of(self._ids, columns, metric, selection.wanted)
            return
        self._present[label].update(keys)
        for metric in selection.metrics:
            parts = self._parts.setdefault((label, metric), {})
            for key, measured in zip(keys, measure(columns, metric), strict=True):
                if measured is not None:
                    parts.setdefault(key, []).append(measured)

    def _matching(self, label: str, keys: Sequence[str], benchmarks: Sequence[Benchmark]) -> list[bool]:
        matching = []
        whatever = not self.selection.where and not self.selection.extras
        for key, benchmark in zip(keys, benchmarks, strict=True):
            if whatever and key in self.dims:
                matching.append(True)
                continue
            dims = benchmark.dims
            matching.append(matches(dims, self.selection.where))
            if matching[-1]:
                self._add_dims(dims, label, key)
        return matching

    def _add_dims(self, dims: Mapping[str, Dim], label: str, key: str) -> None:
        if self.selection.dims:
            self.dims.setdefault(key, dims)
        for name in self.selection.extras:
            value = dims.get(name)
            if isinstance(value, (int, float)) and abs(value) <= LARGEST:  # no NaN either
                self._extras.setdefault((name, label), {})[key] = value

    def build(self) -> Lineup:
        for (label, metric), measured in self._parts.items():
            self._series[label][metric] = Series.of({key: pool(parts) for key, parts in measured.items()})
        labels = tuple(self._series)
        return Lineup(
            labels=labels,
            present=tuple(frozenset(self._present[label]) for label in labels),
            metrics={
                metric: tuple(self._series[label][metric] for label in labels) for metric in self.selection.metrics
            },
            dims=self.dims,
            extras={
                name: tuple(Numbers.of(self._extras.get((name, label), {})) for label in labels)
                for name in self.selection.extras
            },
        )
