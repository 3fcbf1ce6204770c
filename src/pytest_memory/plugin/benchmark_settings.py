"""What the ``--benchmark-memory…`` flags and their ini twins say, read once and checked before the first test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pytest

from pytest_memory.errors import InvalidValue
from pytest_memory.model import Granularity
from pytest_memory.model.benchmark import BenchmarkMetric
from pytest_memory.passes import PassPlan
from pytest_memory.plugin.benchmark_switch import FLAG
from pytest_memory.plugin.options import Given, OptionReader
from pytest_memory.policy.thresholds import MEMORY_FIELDS, Threshold, parse_threshold
from pytest_memory.stats import STATS

LATEST = "latest"
"""What ``--benchmark-memory-compare`` means without its value."""

_COLUMNS: dict[str, BenchmarkMetric] = {
    "peak": "peak",
    "allocated": "allocated",
    "allocs": "allocations",
    "allocations": "allocations",
    "rss": "rss",
}
_DEFAULT_STATS = ("min", "mean", "max")
_TABLES = ("combined", "split")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """What this session does with its benchmarks.

    Attributes:
        measure: Every ``benchmark(...)`` gets memory passes, not only those of the ``benchmark_memory`` fixture.
        plan: The passes of a benchmark without a marker.
        columns: Metrics of the table, in order; ``None`` for the peak, and the resident peak where there is one.
        stats: What each metric is spread into where there are several passes.
        split: Leave pytest-benchmark's table alone and print one of our own.
        compare: Reference of the stored run to compare with, ``latest``, or ``None``.
        thresholds: The gate.
        strict: Nothing to compare with fails the gate.
        profile: Where to keep memray captures, or ``None``.
        profile_native: Native frames in them.
    """

    measure: bool
    plan: PassPlan
    columns: tuple[BenchmarkMetric, ...] | None
    stats: tuple[str, ...]
    split: bool
    compare: str | None
    thresholds: tuple[Threshold, ...]
    strict: bool
    profile: Path | None
    profile_native: bool


def read_benchmark_settings(config: pytest.Config, granularity: Granularity) -> BenchmarkSettings:
    """Read and check flags and ini keys.

    Raises:
        PytestMemoryError: Something that cannot be used, with the flag or key it was written for.
    """
    read = OptionReader(config)
    thresholds = _thresholds(read)
    compare = _compare(read)
    profile = read.text("--benchmark-memory-profile")
    native = bool(read.flag("--benchmark-memory-profile-native"))
    if native and not profile:
        raise InvalidValue(
            "--benchmark-memory-profile-native needs --benchmark-memory-profile=DIR", "say where to keep the profiles"
        )
    return BenchmarkSettings(
        measure=bool(read.flag(FLAG)),
        plan=_plan(read, granularity),
        columns=_names(read, "--benchmark-memory-columns", _COLUMNS.get, "metric", tuple(_COLUMNS)) or None,
        stats=_names(read, "--benchmark-memory-stats", _known_stat, "stat", STATS) or _DEFAULT_STATS,
        split=read.choice("--benchmark-memory-table", _TABLES, "combined") == "split",
        compare=compare or (LATEST if thresholds else None),
        thresholds=thresholds,
        strict=bool(read.flag("--benchmark-memory-compare-strict")),
        profile=Path(config.invocation_params.dir, profile) if profile else None,
        profile_native=native,
    )


def _plan(read: OptionReader, granularity: Granularity) -> PassPlan:
    max_time = _seconds(read.given("--benchmark-memory-max-time"))
    repeats = read.given("--benchmark-memory-repeats")
    return PassPlan(
        repeats=_repeats(repeats) if repeats is not None else (1 if max_time is None else None),
        warmup=read.count("--benchmark-memory-warmup", 0),
        max_time=max_time,
        granularity=granularity,
    )


def _repeats(given: Given) -> int | None:
    text = str(given.value).strip()
    if text.lower() == "auto":
        return None
    try:
        return max(1, int(text))
    except ValueError:
        raise InvalidValue(
            f"{given.origin}: {given.value!r} is not a whole number", "write a number of passes, or auto"
        ) from None


def _seconds(given: Given | None) -> float | None:
    if given is None:
        return None
    try:
        seconds = float(str(given.value))
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidValue(f"{given.origin}: {given.value!r} is not a number of seconds", "write it like 0.5")
    return seconds


def _names(
    read: OptionReader, flag: str, find: Callable[[str], T | None], what: str, known: Sequence[str]
) -> tuple[T, ...]:
    """A comma list of names, in its order and each once; empty if none was given."""
    given = read.given(flag)
    if given is None:
        return ()
    found: dict[T, None] = {}
    for name in (part.strip() for part in str(given.value).split(",")):
        value = find(name)
        if value is not None:
            found[value] = None
        elif name:
            raise InvalidValue(f"{given.origin}: unknown memory {what} {name!r}", f"choose from {', '.join(known)}")
    return tuple(found)


def _known_stat(name: str) -> str | None:
    return name if name in STATS else None


def _thresholds(read: OptionReader) -> tuple[Threshold, ...]:
    given = read.given("--benchmark-memory-compare-fail")
    if given is None:
        return ()
    expressions = cast("list[str]", given.value)
    return tuple(parse_threshold(each, flag=given.origin, fields=MEMORY_FIELDS) for each in expressions)


def _compare(read: OptionReader) -> str | None:
    given = read.given("--benchmark-memory-compare")
    if given is None:
        return None
    reference = str(given.value).strip()
    if given.from_ini and reference.lower() in (*_YES, *_NO):
        return LATEST if reference.lower() in _YES else None
    if not given.from_ini and ("::" in reference or (Path(reference).exists() and not reference.endswith(".json"))):
        raise InvalidValue(
            f"{given.origin} took {given.value!r} for the stored run to compare with",
            f"write {given.origin}={LATEST} {reference}",
        )
    return reference or LATEST
