"""Two runs of the same benchmarks held against thresholds: what has grown too much, and what could not be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_memory.model.benchmark import short_id
from pytest_memory.policy.thresholds import Threshold, ThresholdField, growth_percent
from pytest_memory.units import human_bytes

Headlines = Mapping[str, Mapping[str, float]]
"""Benchmark id to its headline value per field: bytes, calls, or seconds; a field that was not measured is absent."""


@dataclass(frozen=True, slots=True)
class Regression:
    """One benchmark whose growth is over a threshold.

    Attributes:
        benchmark: Its full id.
        name: Its short id, or the full one where another benchmark has the same.
        threshold: What it broke.
        base: Value in the baseline run.
        head: Value in the run under judgement.
    """

    benchmark: str
    name: str
    threshold: Threshold
    base: float
    head: float

    def line(self) -> str:
        """The line of the report: ``  peak         test_build: 10 MiB → 12 MiB (+20.0%)``."""
        field = self.threshold.field
        values = f"{format_value(field, self.base)} → {format_value(field, self.head)}"
        return f"  {field:<12} {self.name}: {values} ({growth_percent(self.base, self.head):+.1f}%)"


@dataclass(frozen=True, slots=True)
class GateResult:
    """The answer of a gate.

    Attributes:
        regressions: Offenders, threshold by threshold in the order given, and by id within each.
        unjudged: For each threshold that no benchmark could be held against, the reason as a sentence. A gate that
            compared nothing has not passed.
    """

    regressions: tuple[Regression, ...]
    unjudged: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Every threshold was held against at least one benchmark, and none was broken."""
        return not self.regressions and not self.unjudged


def judge_regressions(baseline: Headlines, head: Headlines, thresholds: Iterable[Threshold]) -> GateResult:
    """Hold the benchmarks that two runs share against thresholds.

    Args:
        baseline: Headline values of the older run.
        head: Headline values of the newer run.
        thresholds: Each is judged on its own; a benchmark may break several.
    """
    regressions: list[Regression] = []
    unjudged: dict[str, None] = {}  # a set that keeps its order
    shared = sorted(baseline.keys() & head.keys())
    taken = Counter(map(short_id, baseline.keys() | head.keys()))
    for threshold in thresholds:
        field = threshold.field
        pairs = [
            (key, baseline[key][field], head[key][field])
            for key in shared
            if field in baseline[key].keys() & head[key].keys()
        ]
        if not pairs:
            unjudged[_reason(field, bool(shared))] = None
        regressions += [
            Regression(key, short if taken[short := short_id(key)] == 1 else key, threshold, base, now)
            for key, base, now in pairs
            if threshold.broken(base, now)
        ]
    return GateResult(tuple(regressions), tuple(unjudged))


def format_value(field: ThresholdField, value: float) -> str:
    """One value as the report shows it: ``4.1 MiB``, ``1.5s``, ``12``."""
    if field == "time":
        return f"{value:.4g}s"
    return f"{value:.0f}" if field == "allocations" else human_bytes(value)


def _reason(field: ThresholdField, any_shared: bool) -> str:
    if any_shared:
        return f"{field} was measured in no benchmark on both sides, so nothing could be compared."
    return f"The two runs share no benchmark, so {field} could not be compared."
