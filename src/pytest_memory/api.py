"""What scripts and tests measure with, outside the plugin: all of it is re-exported by :mod:`pytest_memory`.

Inside a test session that is measuring, windows opened here belong to that session's engine; elsewhere the best
engine of this machine is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.choose import choose_engine
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import HeapWindow, Meter, active_meter
from pytest_memory.model import Granularity, Measurement, MemoryResult, Stack, StackFrame
from pytest_memory.passes import Action, PassPlan, keep_capture, measure_passes
from pytest_memory.store.benchmark_json import (
    Sample,
    discover_runs,
    from_pytest_benchmark,
    load_long_df,
    load_samples,
    memory_from_pytest_benchmark,
)
from pytest_memory.units import human_bytes

__all__ = [
    "Measurement",
    "MemoryResult",
    "Sample",
    "Stack",
    "StackFrame",
    "discover_runs",
    "from_pytest_benchmark",
    "human_bytes",
    "load_long_df",
    "load_samples",
    "measure_memory",
    "measure_peak",
    "memory_from_pytest_benchmark",
    "track",
]


def measure_memory(
    action: Callable[[], object],
    repeats: int | None = 1,
    *,
    warmup: int = 0,
    isolate: bool = False,
    calls: int = 1,
    max_time: float | None = None,
    min_passes: int = 2,
    max_passes: int = 10,
    patience: int = 2,
    keep_bin: str | os.PathLike[str] | None = None,
    native: bool = False,
    setup: Callable[[], object] | None = None,
    granularity: Granularity = "python",
) -> MemoryResult:
    """Measure the memory of a call.

    A first call in a process also pays for imports, caches and other first-time work: this function measures it
    cold unless ``warmup`` says otherwise.

    Args:
        action: What to call, without arguments.
        repeats: Number of passes, at least 1; ``None`` goes on until the peak has settled (see ``min_passes``,
            ``max_passes``, ``patience``, ``max_time``).
        warmup: Unmeasured calls before the first pass.
        isolate: Make every pass in a fresh process, which adds ``rss_bytes``; action and setup must be picklable.
        calls: Calls measured together in each pass.
        max_time: Seconds after which no further pass is begun, for ``repeats=None``.
        min_passes: Fewest passes, for ``repeats=None``.
        max_passes: Most passes, for ``repeats=None``.
        patience: Passes in a row that do not lower the smallest peak, after which it has settled.
        keep_bin: Leave a memray capture of one more call here (needs memray; the numbers stay those of the passes).
        native: Native frames in that capture.
        setup: Called before every pass and every warm-up call, unmeasured; what it returns is ignored.
        granularity: ``python`` counts every object and repeats exactly; ``malloc`` counts what reaches the system's
            allocator, as memray does by default.

    Returns:
        Bytes and counts of every pass; the headline is the pass with the smallest peak.

    Raises:
        InvalidValue: A number that makes no sense, or an unknown granularity.
        WindowRefused: Memory cannot be measured here and now (a RuntimeError, as are the next two).
        EngineUnavailable: ``keep_bin`` without memray.
        IsolationError: With ``isolate``, what cannot be pickled, or a process that died.
        BaseException: Whatever ``action`` or ``setup`` raises.
    """
    plan = PassPlan(
        repeats=repeats,
        warmup=warmup,
        calls=calls,
        max_time=max_time,
        min_passes=min_passes,
        max_passes=max_passes,
        patience=patience,
        isolate=isolate,
        granularity=granularity,
    )
    measured = Action(action, setup=None if setup is None else _Ignoring(setup))
    meter = measuring_meter()
    result = measure_passes(meter, measured, plan)
    if keep_bin is not None:
        keep_capture(meter, measured, Path(keep_bin), native_frames=native)
    return result


def measure_peak(action: Callable[[], object], repeats: int | None = 1) -> int:
    """The peak of a call in bytes: :func:`measure_memory` and nothing but its headline."""
    return measure_memory(action, repeats).peak_bytes


class track:  # noqa: N801 - used like a function: with track() as used
    """Measure a block of code.

    ::

        with track() as used:
            rows = load()
        assert used.peak_bytes < 10_000_000

    A metric is ``None`` until the block ends, and afterwards where the engine cannot give it.

    Args:
        granularity: What counts as an allocation; see :func:`measure_memory`.
        collect: Collect garbage before the block and at its end, so that ``retained_bytes`` is what is really held.

    Attributes:
        peak_bytes: High-water mark of the bytes allocated in the block and still live.
        total_bytes: Sum of all bytes allocated in the block.
        allocations: Number of allocation calls in the block.
        retained_bytes: Bytes allocated in the block and still live at its end.

    Raises:
        WindowRefused: Memory cannot be measured here and now; raised at the end of the block, unless the block
            itself raises.
    """

    __slots__ = ("_collect", "_request", "_window", "allocations", "peak_bytes", "retained_bytes", "total_bytes")

    def __init__(self, *, granularity: Granularity = "python", collect: bool = False) -> None:
        self.peak_bytes: int | None = None
        self.total_bytes: int | None = None
        self.allocations: int | None = None
        self.retained_bytes: int | None = None
        self._request = WindowRequest(granularity=granularity, detail="counters")
        self._collect = collect
        self._window: HeapWindow | None = None

    def __enter__(self) -> track:
        if self._window is not None:
            raise WindowRefused("this track() is measuring already", "make another one for the inner block")
        self._window = measuring_meter().open_heap(self._request, collect=self._collect)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        window, self._window = self._window, None
        assert window is not None
        reading = window.close()
        usage = reading.usage
        if usage is not None:
            self.peak_bytes, self.total_bytes = usage.peak, usage.allocated
            self.allocations, self.retained_bytes = usage.allocations, usage.retained
        elif error is None:
            raise WindowRefused(f"the block could not be measured: {reading.unmeasured}")

    def __repr__(self) -> str:
        return (
            f"<track: peak_bytes={self.peak_bytes}, total_bytes={self.total_bytes}, "
            f"allocations={self.allocations}, retained_bytes={self.retained_bytes}>"
        )


class _Ignoring:
    """A setup whose result means nothing; picklable where the setup is."""

    def __init__(self, setup: Callable[[], object]) -> None:
        self._setup = setup

    def __call__(self) -> None:
        self._setup()


def measuring_meter() -> Meter:
    """The session's meter if it can measure heap, or else one of our own."""
    active = active_meter()
    if active is None or not active.engine.capabilities.metrics:
        return _own_meter()
    if not active.engine.capabilities.nests:
        active.end_windows("pytest_memory measured on its own account inside it, and this engine cannot do both")
    return active


@cache
def _own_meter() -> Meter:
    return Meter(choose_engine()[0])
