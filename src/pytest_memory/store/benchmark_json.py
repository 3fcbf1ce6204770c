"""The public readers of benchmark runs: a list of samples, or a long frame of pandas.

A metric is ``time`` (seconds), ``peak`` or its alias ``memory``, ``allocated``, ``rss`` (bytes), or ``allocations``
(a count). Without a ``stat`` a memory metric is the *headline*: the value of the pass with the smallest peak.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pytest_memory.errors import InvalidValue
from pytest_memory.model.benchmark import BYTE_METRICS, SERIES_KEYS, BenchmarkMetric
from pytest_memory.stats import STATS, summarise
from pytest_memory.store.benchmarks import Benchmark, read_benchmarks
from pytest_memory.store.dims import Dim

if TYPE_CHECKING:
    import pandas

Metric = Literal["time", "peak", "allocated", "allocations", "rss"]

METRICS: tuple[Metric, ...] = get_args(Metric)

_ALIASES: Mapping[str, Metric] = {"memory": "peak", "allocs": "allocations"}
_MEMORY: Mapping[str, BenchmarkMetric] = {metric: metric for metric in SERIES_KEYS}


class Sample(NamedTuple):
    """One benchmark of one run.

    Attributes:
        id: pytest's node id.
        value: Seconds, bytes or calls.
        dims: Name to text or number.
    """

    id: str
    value: float
    dims: dict[str, Dim]


def resolve_metric(name: str) -> Metric:
    """Find a metric by its name or its alias.

    Raises:
        InvalidValue: There is none.
    """
    metric = next((metric for metric in METRICS if metric == _ALIASES.get(name, name)), None)
    if metric is None:
        raise InvalidValue(f"metric must be one of {', '.join(METRICS)} (or memory), not {name!r}")
    return metric


def unit_of(metric: Metric) -> str:
    """``s``, ``B``, or nothing for a count."""
    return "s" if metric == "time" else ("B" if _MEMORY[metric] in BYTE_METRICS else "")


def from_pytest_benchmark(path: str | Path, *, metric: str = "min") -> tuple[str, list[Sample], str]:
    """Read the times of a run.

    Args:
        path: A JSON file of pytest-benchmark, or a saved run of ours.
        metric: Which of pytest-benchmark's statistics: ``min``, ``median``, ...

    Returns:
        The file's stem, one sample for each benchmark that has the statistic, and ``"s"``.

    Raises:
        UnreadableFile: The file is not one of these (a ``ValueError``).
    """
    return load_samples(path, metric="time", stat=metric)


def memory_from_pytest_benchmark(
    path: str | Path, *, field: str = "peak_bytes", reduce: Callable[[Sequence[int]], float] | None = None
) -> tuple[str, list[Sample], str]:
    """Read one memory metric of a run.

    Args:
        path: A JSON file of pytest-benchmark, or a saved run of ours.
        field: A key of the blob (``peak_bytes``, ``allocations``, ``total_bytes``, ``rss_bytes``), or a metric's name.
        reduce: Makes one number of the passes; the headline if omitted.

    Returns:
        The file's stem, one sample for each benchmark with memory, and ``"B"`` or ``""``.

    Raises:
        UnreadableFile: The file is not one of these (a ``ValueError``).
        InvalidValue: There is no such field (a ``ValueError``).
    """
    metric = {key: metric for metric, key in SERIES_KEYS.items()}.get(field) or _MEMORY.get(resolve_metric(field))
    if metric is None:
        raise InvalidValue(f"memory metric must be one of {', '.join(SERIES_KEYS.values())}, not {field!r}")
    samples = []
    for benchmark in read_benchmarks(path).benchmarks:
        passes = benchmark.passes(metric)
        value = reduce(passes) if reduce is not None and passes else benchmark.headline(metric)
        if value is not None:
            samples.append(Sample(benchmark.id, value, benchmark.dims))
    return Path(path).stem, samples, unit_of(metric)


def load_samples(path: str | Path, *, metric: str = "time", stat: str | None = None) -> tuple[str, list[Sample], str]:
    """Read any metric of a run.

    Args:
        path: A JSON file of pytest-benchmark, or a saved run of ours.
        metric: ``time``, ``peak`` (or ``memory``), ``allocated``, ``allocations``, ``rss``.
        stat: ``min``, ``max``, ``mean``, ``median`` or ``stddev`` over the passes; for times any statistic that
            pytest-benchmark stored. If omitted: the headline, and ``min`` for times.

    Returns:
        The file's stem, one sample for each benchmark that has the metric, and the unit: ``"s"``, ``"B"`` or ``""``.

    Raises:
        UnreadableFile: The file is not one of these (a ``ValueError``).
        InvalidValue: There is no such metric or statistic (a ``ValueError``).
    """
    resolved = resolve_metric(metric)
    check_stat(resolved, stat)
    benchmarks = read_benchmarks(path).benchmarks
    samples = [
        Sample(benchmark.id, value, benchmark.dims)
        for benchmark in benchmarks
        if (value := value_of(benchmark, resolved, stat)) is not None
    ]
    if resolved == "time" and stat is not None and benchmarks and not samples:
        raise InvalidValue(f"unknown stat {stat!r}: no benchmark of {path} has it", f"try {', '.join(STATS)}")
    return Path(path).stem, samples, unit_of(resolved)


def value_of(benchmark: Benchmark, metric: Metric, stat: str | None = None) -> float | None:
    """One number of one benchmark, or ``None`` if it was not measured; arguments as in :func:`load_samples`."""
    if metric == "time":
        return benchmark.time(stat or "min")
    if stat is None:
        return benchmark.headline(_MEMORY[metric])
    passes = benchmark.passes(_MEMORY[metric])
    return summarise(passes, stat) if passes else None


def check_stat(metric: Metric, stat: str | None) -> None:
    """Refuse a statistic that memory passes have not.

    Raises:
        InvalidValue: It is none of ``STATS``.
    """
    if metric != "time" and stat is not None and stat not in STATS:
        raise InvalidValue(f"unknown stat {stat!r}", f"choose from {', '.join(STATS)}")


def load_long_df(
    runs: str | Path | Sequence[str | Path],
    *,
    metric: str = "time",
    stat: str | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[pandas.DataFrame, str]:
    """Stack runs into one long frame.

    Args:
        runs: One path or several, oldest first.
        metric: See :func:`load_samples`.
        stat: See :func:`load_samples`.
        labels: Names of the runs instead of those made from their paths.

    Returns:
        A frame with the columns ``snapshot`` (the run's label), ``id``, ``value``, and one for each dim (NaN where a
        benchmark lacks it), one row per run and benchmark, and the unit.

    Raises:
        UnreadableFile: A file is not a run (a ``ValueError``).
        InvalidValue: An unknown metric or statistic, or as many labels as there are not runs (a ``ValueError``).
        ModuleNotFoundError: pandas is not installed.
    """
    import pandas

    paths = [runs] if isinstance(runs, (str, os.PathLike)) else list(runs)
    if labels is not None and len(labels) != len(paths):
        raise InvalidValue(f"labels has {len(labels)} entries but there are {len(paths)} snapshot(s)")
    names = list(labels) if labels is not None else unique_labels(paths)
    rows: list[dict[str, Any]] = []
    for name, path in zip(names, paths, strict=True):
        for sample in load_samples(path, metric=metric, stat=stat)[1]:
            rows.append({"snapshot": name, "id": sample.id, "value": sample.value, **sample.dims})
    frame = pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=["snapshot", "id", "value"])
    return frame, unit_of(resolve_metric(metric))


def discover_runs(root: str | Path = ".benchmarks") -> list[Path]:
    """All JSON files below a folder, sorted; none if the folder does not exist."""
    return sorted(path for path in Path(root).rglob("*.json") if path.is_file())


def unique_labels(paths: Sequence[str | Path]) -> list[str]:
    """A different label for each run: its stem, with as many folders before it as tell it from the others.

    A file given twice gets ``#2`` behind its label the second time.
    """
    resolved = [Path(path).absolute() for path in paths]
    labels = [path.stem for path in resolved]
    depth = 1
    while _repeated(labels) and depth < max(len(path.parts) for path in resolved):
        repeated = _repeated(labels)
        labels = [
            "/".join([*path.parts[-1 - depth : -1], path.stem]) if label in repeated else label
            for label, path in zip(labels, resolved, strict=True)
        ]
        depth += 1
    seen: Counter[str] = Counter()
    for position, label in enumerate(labels):
        seen[label] += 1
        if seen[label] > 1:
            labels[position] = f"{label}#{seen[label]}"
    return labels


def _repeated(labels: Sequence[str]) -> set[str]:
    return {label for label, count in Counter(labels).items() if count > 1}
