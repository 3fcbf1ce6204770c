"""Runs memory passes through a meter."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import repeat

from pytest_memory.engines.base import HeapReading, WindowRequest
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import Measurement, MemoryResult
from pytest_memory.passes.action import Action, Call, PassPlan
from pytest_memory.passes.isolated import measure_isolated
from pytest_memory.passes.quiet import quiet_interpreter

Clock = Callable[[], float]


Observer = Callable[[HeapReading], None]


def measure_passes(
    meter: Meter,
    action: Action,
    plan: PassPlan,
    *,
    clock: Clock = time.monotonic,
    observe: Observer = lambda reading: None,
) -> MemoryResult:
    """Measure an action as often as the plan says.

    Args:
        meter: Opens the windows; with ``plan.isolate`` it only says which engine the fresh processes use.
        action: What to measure. Its setup and teardown run outside the windows.
        plan: How often.
        clock: Seconds, for ``plan.max_time``.
        observe: Is shown the reading of each pass in this process.

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
        if meter.engine.capabilities.cheap:
            # Since Python 3.12 a function is instrumented anew, in memory of its own, when it first runs after somebody
            # switched a profiler on or off. Ours are to do that here.
            _measured(meter, _nothing, plan)
        for _ in range(plan.warmup):
            action.run()
    while not plan.enough([sample.peak_bytes for sample in samples], clock() - begun):
        if plan.isolate:
            samples.append(measure_isolated(meter.engine.name, action, plan))
        else:
            samples.append(one_pass(meter, action, plan, observe))
    return MemoryResult(tuple(samples))


def one_pass(meter: Meter, action: Action, plan: PassPlan, observe: Observer = lambda reading: None) -> Measurement:
    """Measure the action once, here; the resident peak too if the process is its own.

    Raises:
        WindowRefused: The engine cannot measure here and now.
        BaseException: Whatever the action raises.
    """
    call, after = action.prepare()
    with quiet_interpreter():
        reading, rss = _measured(meter, call, plan)
    if after is not None:
        after()
    observe(reading)
    return measurement(reading, rss)


def _nothing() -> None:
    pass


def _measured(meter: Meter, call: Call, plan: PassPlan) -> tuple[HeapReading, int | None]:
    """Call inside a window; the reading, and the resident peak if the process is its own."""
    request = WindowRequest(granularity=plan.granularity, detail=plan.detail)
    resident = meter.open_resident() if plan.isolate else None
    calls = repeat(None, plan.calls)  # made here: inside the window it would count
    window = meter.open_heap(request)
    try:
        for _ in calls:
            call()
    finally:
        reading = window.close()
        used = resident.close() if resident is not None else None
    return reading, used.peak if used is not None else None


if sys.version_info >= (3, 11):
    # The frames of Python functions live in chunks of 16 KiB, each allocated when the one before is full. To who counts
    # mallocs, whether that happens inside the window would depend on how deep the stack of the caller is. A frame that
    # says it needs more than such a chunk has starts a larger one, with room for some two hundred frames behind it,
    # before the window.
    _measured.__code__ = _measured.__code__.replace(co_stacksize=3200)


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
