"""What the figures are drawn from: one value per benchmark and run, with everything it can be grouped by."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_memory.errors import InvalidValue, ToolUnavailable, UnknownName
from pytest_memory.stats import STATS
from pytest_memory.store.benchmark_json import Metric, check_stat, resolve_metric, unique_labels, unit_of, value_of
from pytest_memory.store.benchmarks import Benchmark, read_benchmarks
from pytest_memory.store.dims import Dim, matches, without_token

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

METRIC_NAMES: Mapping[Metric, str] = {
    "time": "time",
    "peak": "peak memory",
    "allocated": "allocated memory",
    "allocations": "allocations",
    "rss": "peak rss",
}
_NOT_MEASURED = {
    "time": "none of its benchmarks was timed",
    "rss": "resident memory is measured for isolated benchmarks, and for ordinary tests by --memory-report",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One benchmark of one run.

    Attributes:
        id: pytest's node id.
        value: Seconds, bytes or calls.
        dims: Name to text or number.
        low: Smallest value over the rounds or passes, ``None`` if unknown.
        high: Largest, likewise.
    """

    id: str
    value: float
    dims: Mapping[str, Dim]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One run under its label."""

    label: str
    points: tuple[Point, ...]

    @property
    def by_id(self) -> dict[str, Point]:
        """The points by node id; of several with one id the last counts."""
        return {point.id: point for point in self.points}


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of several runs.

    Attributes:
        metric: Which.
        unit: ``s``, ``B``, or nothing for a count.
        snapshots: At least one, in the order given; each has at least one point.
    """

    metric: Metric
    unit: str
    snapshots: tuple[Snapshot, ...]

    @property
    def name(self) -> str:
        """The metric as people call it."""
        return METRIC_NAMES[self.metric]

    @property
    def titled(self) -> str:
        """The metric with its unit, for titles."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def read_points(
    runs: Paths,
    *,
    metric: str,
    stat: str | None = None,
    labels: Sequence[str] | None = None,
    where: Sequence[tuple[str, str]] = (),
) -> Measured:
    """Read one metric of one or several runs.

    Args:
        runs: One path, or several.
        metric: ``time``, ``peak`` (alias ``memory``), ``allocated``, ``allocations``, ``rss``.
        stat: Another statistic than the headline.
        labels: Names of the runs, in their order.
        where: Pairs of a dim and the text it must equal.

    Raises:
        UnknownName: A dim or a statistic that no benchmark has.
        InvalidValue: An unknown metric, a wrong number of labels, or a run without the metric.
        UnreadableFile: A file is not a run.
    """
    resolved = resolve_metric(metric)
    check_stat(resolved, stat)
    paths = [Path(runs)] if isinstance(runs, (str, os.PathLike)) else [Path(run) for run in runs]
    if labels is not None and len(labels) != len(paths):
        raise InvalidValue(f"labels has {len(labels)} entries but there are {len(paths)} snapshot(s)")
    names = list(labels) if labels is not None else unique_labels(paths)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValue(f"two distinct snapshots cannot share the label {twice!r}", "give each run its own")
    snapshots = tuple(
        Snapshot(name, _points(path, resolved, stat, where)) for name, path in zip(names, paths, strict=True)
    )
    if not snapshots:
        raise InvalidValue("no run to plot", "name at least one JSON file")
    return Measured(resolved, unit_of(resolved), snapshots)


def pivoted(measured: Measured, dim: str) -> Measured:
    """See one run as several: the values of a dim become the runs, and benchmarks that differ in nothing else pair.

    Args:
        measured: One run.
        dim: A parameter, also as ``param:NAME``.

    Raises:
        InvalidValue: Several runs, an unknown dim, or fewer than two values of it.
    """
    if len(measured.snapshots) != 1:
        raise InvalidValue(f"a pivot folds a single run, and {len(measured.snapshots)} were given", "give one")
    (snapshot,) = measured.snapshots
    name = require_dim(dim.removeprefix("param:"), snapshot.points, "pivot")
    values: dict[str, list[Point]] = {}
    for point in snapshot.points:
        if name in point.dims:
            value = str(point.dims[name])
            values.setdefault(value, []).append(replace(point, id=without_token(point.id, value)))
    if len(values) < 2:
        raise InvalidValue(f"pivot {name!r} has only the value {next(iter(values))!r}", "two are needed to compare")
    return replace(measured, snapshots=tuple(Snapshot(value, tuple(points)) for value, points in values.items()))


def dims_among(points: Iterable[Point]) -> list[str]:
    """Every dim that a point has, in order of appearance."""
    return list(dict.fromkeys(name for point in points for name in point.dims))


def require_dim(name: str, points: Iterable[Point], role: str) -> str:
    """Make sure that at least one point has the dim.

    Raises:
        UnknownName: None has; the message lists those that there are.
    """
    known = dims_among(points)
    if name not in known:
        raise UnknownName(f"unknown {role} {name!r}", f"these benchmarks have: {', '.join(known) or 'none'}")
    return name


def is_numeric(value: object) -> bool:
    """Whether a dim can be an axis; a bool cannot."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def require_plotly() -> None:
    """Make sure that figures can be made.

    Raises:
        ToolUnavailable: plotly is not installed.
    """
    try:
        import plotly.graph_objects  # noqa: F401 (the import is the check)
    except ImportError as error:
        raise ToolUnavailable(
            "plots need plotly, which is not installed",
            "install it with: pip install 'pytest-memory[plot]' (pytest-benchmem[plot] before)",
        ) from error


def _points(path: Path, metric: Metric, stat: str | None, where: Sequence[tuple[str, str]]) -> tuple[Point, ...]:
    benchmarks = read_benchmarks(path).benchmarks
    points = tuple(point for benchmark in benchmarks if (point := _point(benchmark, metric, stat)) is not None)
    if not points:
        why = _NOT_MEASURED.get(metric, "none of its benchmarks has memory; measure it with --benchmark-memory")
        if stat is not None and any(value_of(benchmark, metric) is not None for benchmark in benchmarks):
            raise UnknownName(f"unknown stat {stat!r}: no benchmark of {str(path)!r} has it", f"try {', '.join(STATS)}")
        raise InvalidValue(f"{str(path)!r} has no {metric}: {why}")
    for name, _ in where:
        require_dim(name, points, "dim in a condition")
    selected = tuple(point for point in points if matches(point.dims, where))
    if not selected:
        conditions = " and ".join(f"{name}={text}" for name, text in where)
        raise InvalidValue(f"no benchmark of {str(path)!r} has {conditions}")
    return selected


def _point(benchmark: Benchmark, metric: Metric, stat: str | None) -> Point | None:
    value = value_of(benchmark, metric, stat)
    if value is None:
        return None
    if metric == "time":
        ends = benchmark.times(("min", "max"))
        return Point(benchmark.id, value, benchmark.dims, ends.get("min"), ends.get("max"))
    passes = benchmark.passes(metric)
    return Point(benchmark.id, value, benchmark.dims, min(passes, default=None), max(passes, default=None))
