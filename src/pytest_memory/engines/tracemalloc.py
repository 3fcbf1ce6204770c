"""The portable fallback: CPython's own tracemalloc.

It counts what passes the interpreter's allocators, and nothing of what libraries take from malloc by themselves
(numpy reports its arrays to it; most libraries do not). It knows what is live and what the peak was, exactly. It does
not know how much was allocated in all, in how many calls, or which call stacks were live at the peak.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_memory.engines.base import Capabilities, HeapReading, WindowRequest
from pytest_memory.engines.opener import Opener
from pytest_memory.engines.source import enclosing_function
from pytest_memory.errors import EngineUnavailable, WindowRefused
from pytest_memory.model import AllocationSite, HeapUsage, StackFrame

_LEAK_FRAMES = 100
"""Deep enough to reach from a test to its fixtures; pytest's own frames lie above."""

UNKNOWN = "?"
"""The function of a frame whose source cannot be read: tracemalloc knows files and lines alone."""

_ADVICE = MappingProxyType(
    {
        "busy": "measure with another engine, or without PYTHONTRACEMALLOC, -X tracemalloc and tracemalloc.start()",
        "thread": "drop current_thread_only, or choose another engine with --memory-engine",
    }
)

if TYPE_CHECKING:
    from pytest_memory.engines.base import EngineWindow


class TracemallocEngine:
    """Measures the heap peak and the bytes retained of one window at a time.

    Raises:
        EngineUnavailable: This interpreter has no working tracemalloc.
    """

    name = "tracemalloc"
    capabilities = Capabilities(
        metrics=frozenset(("peak", "retained")),
        granularities=("python",),
        details=("counters",),
        nests=False,  # one counter for all windows: a block freed by another window would lower this one's bytes
        cheap=False,
        threads=False,
        captures=False,
    )

    def __init__(self) -> None:
        if not hasattr(tracemalloc, "reset_peak"):
            raise EngineUnavailable("this interpreter has no working tracemalloc")

    def open(self, request: WindowRequest) -> TracemallocWindow:
        """Start tracing.

        Raises:
            WindowRefused: Somebody else traces already, or one thread alone was asked for.
        """
        if request.current_thread_only:
            raise WindowRefused("tracemalloc cannot count one thread alone", _ADVICE["thread"])
        if tracemalloc.is_tracing():
            raise WindowRefused(
                "tracemalloc is already tracing for somebody else, whose peak a measurement would reset",
                _ADVICE["busy"],
            )
        opener = Opener.here() if request.leaks else None  # before: what it holds would be taken for a leak
        tracemalloc.start(_LEAK_FRAMES if request.leaks else 1)
        return TracemallocWindow(opener)

    def opener(self, request: WindowRequest) -> Callable[[int], EngineWindow]:
        """What opens windows as a request asks."""
        return lambda seed: self.open(request.seeded(seed))

    def stand_aside(self) -> None:
        """Nothing is hooked between windows."""

    def stand_by(self) -> None:
        """Nothing was unhooked."""

    def notes(self) -> tuple[str, ...]:
        """What the figures leave out."""
        return (
            "tracemalloc sees only what passes Python's own allocators, and cannot say what was allocated in all "
            "or which call stacks were live at the peak",
        )

    def held_bytes(self) -> int:
        """Not known: its bookkeeping lies among the allocations that it tracks."""
        return 0


class TracemallocWindow:
    """A tracemalloc session of our own; it began with nothing traced, so every traced byte is the window's."""

    def __init__(self, opener: Opener | None) -> None:
        self._opener = opener

    def close(self) -> HeapReading:
        """Stop tracing and say what was measured."""
        retained, peak = tracemalloc.get_traced_memory()
        if not tracemalloc.is_tracing():
            return HeapReading(None, unmeasured="the code under test called tracemalloc.stop()")
        try:
            snapshot = tracemalloc.take_snapshot() if self._opener is not None else None
        finally:
            tracemalloc.stop()  # first: what follows makes millions of objects, each with a stack to be noted
        leaked = _sites(snapshot, self._opener) if snapshot is not None and self._opener is not None else ()
        return HeapReading(HeapUsage(peak=peak, retained=retained), leaked=leaked)


def _sites(snapshot: tracemalloc.Snapshot, opener: Opener) -> tuple[AllocationSite, ...]:
    """The call stacks that were live, largest first."""
    # Cut first: a name costs the parsing of its source file. Each line is named once, and file by file: the stacks of
    # a test that imports share most of their frames, and what was parsed is not kept of all files.
    stacks = [
        (statistic, opener.cut([("", frame.filename, frame.lineno) for frame in reversed(statistic.traceback)]))
        for statistic in snapshot.statistics("traceback")
    ]
    lines = sorted({(filename, lineno) for _, stack in stacks for _, filename, lineno in stack})
    named = {line: StackFrame(enclosing_function(*line) or UNKNOWN, *line) for line in lines}
    return tuple(
        AllocationSite(statistic.size, statistic.count, tuple(named[frame[1:]] for frame in stack))
        for statistic, stack in stacks
    )
