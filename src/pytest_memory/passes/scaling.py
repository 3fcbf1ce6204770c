"""How the memory of a call grows with its size: measured, fitted, and held against a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_memory.complexity import Fit, Order, fit_complexity, parse_order
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import MemoryResult
from pytest_memory.model.benchmark import BenchmarkMetric
from pytest_memory.passes.action import Action, PassPlan
from pytest_memory.passes.run import measure_passes

METRICS: tuple[BenchmarkMetric, ...] = ("peak", "allocated", "allocations")


@dataclass(frozen=True, slots=True)
class ScalingResult:
    """What was measured over the sizes.

    Attributes:
        sizes: In the order given.
        results: The passes of each size.
    """

    sizes: tuple[float, ...]
    results: tuple[MemoryResult, ...]

    def values(self, metric: BenchmarkMetric) -> tuple[int, ...]:
        """The headline value of a metric at each size: bytes, or calls.

        Raises:
            WindowRefused: The engine does not give it.
        """
        values = [result.value(metric) for result in self.results]
        if any(value is None for value in values):
            raise WindowRefused(f"this engine does not measure {metric}", "use the native engine, or memray")
        return tuple(value for value in values if value is not None)

    def fit(self, metric: BenchmarkMetric) -> Fit:
        """Which order of growth explains a metric; see :mod:`pytest_memory.complexity` for the method."""
        return fit_complexity(self.sizes, self.values(metric))

    def order(self, metric: BenchmarkMetric = "peak") -> Order | None:
        """The order of growth of a metric, or ``None`` if no order is near the points."""
        return self.fit(metric).order


def measure_scaling(
    meter: Meter,
    function: Callable[[Any], object],
    sizes: Sequence[float],
    *,
    setup: Callable[[Any], Any] | None = None,
    plan: PassPlan,
) -> ScalingResult:
    """Measure ``function(size)`` at each size, or ``function(setup(size))`` with the setup unmeasured.

    Args:
        meter: Opens the windows.
        function: Takes a size, or what the setup makes of one.
        sizes: At least three different ones, the largest at least twice the smallest.
        setup: Makes the input of a size.
        plan: The passes at each size.

    Raises:
        InvalidValue: Sizes that tell no order; raised before anything runs.
        WindowRefused: Memory cannot be measured here and now.
        BaseException: Whatever the function or the setup raises.
    """
    fit_complexity(sizes, [0] * len(sizes))  # refuses sizes that tell nothing
    results = [measure_passes(meter, _action(function, size, setup), plan) for size in sizes]
    return ScalingResult(tuple(sizes), tuple(results))


def parse_bounds(bounds: Mapping[BenchmarkMetric, str | None]) -> dict[BenchmarkMetric, Order]:
    """Read the bounds that were given.

    Raises:
        InvalidValue: An order that is none.
    """
    return {metric: parse_order(text) for metric, text in bounds.items() if text is not None}


def _action(function: Callable[[Any], object], size: float, setup: Callable[[Any], Any] | None) -> Action:
    if setup is None:
        return Action(function, (size,))
    make = setup
    return Action(function, setup=lambda: ((make(size),), {}))
