"""Runs memory passes through a meter."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat

from pytest_memory.engines.base import HeapReading, WindowRequest
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import Measurement, MemoryResult
from pytest_memory.passes.action import Action, PassPlan
from pytest_memory.passes.isolated import measure_isolated
from pytest_memory.passes.quiet import quiet_interpreter

Clock = Callable[[], float]


def measure_passes(meter: Meter, action: Action, plan: PassPlan, *, clock: Clock = time.monotonic) -> MemoryResult:
    """Measure an action as often as the plan says.

    Args:
        meter: Opens the windows; with ``plan.isolate`` it only says which engine the fresh processes use.
        action: What to measure. Its setup and teardown run outside the windows.
        plan: How often.
        clock: Seconds, for ``plan.max_time``.

    Returns:
        Every pass in its order.

    Raises:
        WindowRefused: The engine cannot measure here and now.
        IsolationError: A process of its own could not be had, or died.
        BaseException: Whatever the action raises.
    """
    begun = clock()
    samples: list[Measurement] = []
    if not plan.isolate:
        for _ in range(plan.warmup):
            action.run()
    while not plan.enough([sample.peak_bytes for sample in samples], clock() - begun):
        samples.append(
            measure_isolated(meter.engine.name, action, plan) if plan.isolate else one_pass(meter, action, plan)
        )
    return MemoryResult(tuple(samples))


def one_pass(meter: Meter, action: Action, plan: PassPlan) -> Measurement:
    """Measure the action once, here; the resident peak too if the process is its own.

    Raises:
        WindowRefused: The engine cannot measure here and now.
        BaseException: Whatever the action raises.
    """
    call, after = action.prepare()
    request = WindowRequest(granularity=plan.granularity, detail="counters")
    with quiet_interpreter():
        resident = meter.open_resident() if plan.isolate else None
        window = meter.open_heap(request)
        try:
            for _ in repeat(None, plan.calls):
                call()
        finally:
            reading = window.close()
            used = resident.close() if resident is not None else None
    if after is not None:
        after()
    return measurement(reading, rss=used.peak if used is not None else None)


def measurement(reading: HeapReading, rss: int | None = None) -> Measurement:
    """What a window measured, as a pass.

    Raises:
        WindowRefused: It measured no peak.
    """
    usage = reading.usage
    if usage is None or usage.peak is None:
        raise WindowRefused(
            f"the memory could not be measured: {reading.unmeasured or 'this engine gives no peak'}",
            "choose another engine with --memory-engine",
        )
    return Measurement(usage.peak, usage.allocations, usage.allocated, rss)
