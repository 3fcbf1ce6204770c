"""The ``memory_scaling`` fixture: asserts how the memory of a call grows with its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytest_memory.api import measuring_meter
from pytest_memory.model.benchmark import BenchmarkMetric
from pytest_memory.passes import PassPlan
from pytest_memory.passes.scaling import METRICS, ScalingResult, measure_scaling, parse_bounds
from pytest_memory.report.scaling import broken_bound, scaling_table


class MemoryScalingExceeded(AssertionError):
    """Memory grows faster with the size than was promised."""

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions


class MemoryScaling:
    """What the fixture gives: call it with a function, sizes and bounds."""

    def __call__(
        self,
        function: Callable[[Any], object],
        sizes: Sequence[float],
        *,
        peak: str | None = None,
        allocated: str | None = None,
        allocations: str | None = None,
        setup: Callable[[Any], Any] | None = None,
        repeats: int | None = 1,
        warmup: int = 1,
    ) -> ScalingResult:
        """Measure ``function(size)`` over sizes, and assert that its memory grows no faster than promised.

        With exact counts one pass per size is enough. A bound is broken only if the measured points rule it out;
        the method is that of :mod:`pytest_memory.complexity`.

        Args:
            function: Takes a size, or what ``setup`` makes of one.
            sizes: At least three, the largest at least twice the smallest; ten times is better.
            peak: Bound on the peak: ``"O(1)"``, ``"O(log n)"``, ``"O(n)"``, ``"O(n log n)"``, ``"O(n²)"``, ``"O(n³)"``.
            allocated: Bound on the bytes allocated in all.
            allocations: Bound on the number of allocations.
            setup: Makes the input of a size, unmeasured: ``function(setup(size))``.
            repeats: Passes per size; the one with the smallest peak counts.
            warmup: Unmeasured runs before them.

        Returns:
            The measured numbers, also without any bound.

        Raises:
            MemoryScalingExceeded: A bound is broken; the message has the measured table.
            InvalidValue: Sizes that tell no order, or a bound that is none (before anything runs).
            WindowRefused: Memory cannot be measured here and now.
        """
        __tracebackhide__ = True
        written: dict[BenchmarkMetric, str | None] = {"peak": peak, "allocated": allocated, "allocations": allocations}
        bounds = parse_bounds(written)
        plan = PassPlan(repeats=repeats, warmup=warmup)
        result = measure_scaling(measuring_meter(), function, sizes, setup=setup, plan=plan)
        fits = {metric: (bound, result.fit(metric)) for metric, bound in bounds.items()}
        broken = [broken_bound(metric, bound, fit) for metric, (bound, fit) in fits.items() if not fit.at_most(bound)]
        if broken:
            measured = [metric for metric in METRICS if all(each.value(metric) is not None for each in result.results)]
            table = scaling_table(result.sizes, {metric: result.values(metric) for metric in measured})
            raise MemoryScalingExceeded("\n".join([*broken, table]))
        return result
