"""The stored run that this one is compared with, read from pytest-benchmark's own storage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_memory.errors import InvalidValue, PytestMemoryError
from pytest_memory.model import MemoryResult
from pytest_memory.model.benchmark import BLOB, SERIES_KEYS
from pytest_memory.plugin.benchmark_settings import LATEST

_ANY_RUN = "[0-9][0-9][0-9][0-9]_"
"""pytest-benchmark's own pattern for what it has saved."""

MEMORY_INFO = "memory_info"
"""Key of the stored run, beside ``machine_info``, that says how the memory was measured."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A stored run.

    Attributes:
        label: Its path relative to the storage; empty if there is none with memory.
        values: Headline values by benchmark and metric.
        info: How its memory was measured; empty if it does not say.
        timed: Whether timings were taken before.
    """

    label: str = ""
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = False


def headlines(result: MemoryResult) -> dict[str, float]:
    """The headline value of each metric that was measured."""
    values = {metric: result.value(metric) for metric in SERIES_KEYS}
    return {metric: float(value) for metric, value in values.items() if value is not None}


def load_baseline(config: pytest.Config, reference: str) -> Baseline:
    """Find the run to compare with: the latest *with memory* among those that a reference matches.

    Args:
        config: Holds pytest-benchmark's storage.
        reference: As behind ``--benchmark-compare``, or ``latest``.

    Returns:
        An empty baseline if there is no such run.

    Raises:
        InvalidValue: A reference that the storage cannot understand.
    """
    storage: Any = config._benchmarksession.storage  # type: ignore[attr-defined]  # pytest-benchmark's only door
    try:
        for label, run in _newest_first(storage, _ANY_RUN if reference == LATEST else reference):
            values = _memory_of(run)
            if values:
                timed = any(_mapping(entry).get("stats") for entry in run["benchmarks"])
                return Baseline(label, values, _mapping(run.get(MEMORY_INFO)), timed)
    except ValueError as error:  # from the storage: a pattern with too many parts
        raise InvalidValue(f"--benchmark-memory-compare: {error}") from error
    return Baseline()


def different_ways(base: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Say that two runs were not measured the same way, or nothing if they were."""
    words = [_way(base), _way(head)]
    if words[0] == words[1]:
        return ""
    return f"the stored run was measured by {words[0]} and this one by {words[1]}: their numbers do not compare."


def different_histories(base_timed: bool, head_timed: bool) -> str:
    """Say that only one of two runs had called its benchmarks for timings before it measured them."""
    if base_timed == head_timed:
        return ""
    words = ["with timings" if timed else "without timings" for timed in (base_timed, head_timed)]
    return (
        f"the stored run was made {words[0]} and this one {words[1]}: code that has hardly run yet may allocate more. "
        "Make both the same way, or both with --benchmark-memory-warmup=20."
    )


def _newest_first(storage: Any, reference: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not hasattr(storage, "query"):  # not files: pytest-benchmark's Elasticsearch
        yield from ((str(label), run) for label, run in reversed(list(storage.load(reference))))
        return
    # pytest-benchmark's own loading refuses a file with memory alone, for want of timings
    for path in reversed(storage.query(reference)):
        run = _read(Path(path))
        if run is not None:
            yield _label(Path(path), Path(storage.path)), run


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        parsed = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _label(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _memory_of(run: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    entries: Iterable[Any] = run.get("benchmarks") or ()
    found: dict[str, Mapping[str, float]] = {}
    for entry in entries if isinstance(entries, list) else ():
        blob = _mapping(_mapping(entry).get("extra_info")).get(BLOB)
        fullname = _mapping(entry).get("fullname")
        if blob is None or not isinstance(fullname, str):
            continue
        try:
            found[fullname] = headlines(MemoryResult.from_blob(blob))
        except PytestMemoryError:
            continue
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _way(info: Mapping[str, Any]) -> str:
    if "engine" not in info:
        return "another tool"
    return f"the {info['engine']} engine (granularity {info.get('granularity', 'unknown')})"
