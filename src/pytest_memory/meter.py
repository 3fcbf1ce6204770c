"""Opens and closes windows over one heap engine: the only way to measure.

The meter owns the engine, so that at most one is active in a process and nested windows belong to it. It never
raises for a window that could not be measured: the reading says why instead, because a measuring tool must not
cost anybody a test run.
"""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .engines.base import HeapReading
from .stacked import StackedWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .engines.base import HeapEngine, WindowRequest
    from .instruments.resident import ResidentReader, ResidentWindow

    Clock = Callable[[], float]


class HeapWindow(StackedWindow):
    """A heap window, made by :meth:`Meter.heap_window`; closed, it may be opened again.

    One that the engine refuses closes with the reason.

    Attributes:
        request: What is measured.
        collect: Garbage is collected before the window opens and before it closes.
        sampled: It samples call stacks, so that it matters with which seed it opens. A coarse sample is taken with the
            same seed always: what is large is in it, and the seed costs every test more than that is worth.
    """

    __slots__ = ("_meter", "collect", "request", "sampled")

    def __init__(self, meter: Meter, request: WindowRequest, collect: bool) -> None:
        super().__init__(
            meter._open, meter.engine.opener(request), meter._refused, gc.collect if collect else None, meter._nests
        )
        self._meter = meter
        self.request = request
        self.collect = collect
        self.sampled = request.detail == "sampled" and not request.coarse

    def open(self, seed: int = 0) -> None:
        """Begin to measure, and add to the meter's ``measuring_seconds`` what that takes.

        Args:
            seed: In place of the request's.
        """
        meter = self._meter
        clock = meter.clock
        begun = clock()
        if self.collect:
            gc.collect()
        # Inside the window, what adds up the time would count. What this leaves to the interpreter's free list of
        # numbers is there when close() looks at the clock: those are not allocated anew.
        if meter._cheap:
            meter.measuring_seconds += clock() - begun
        self.begin(seed)
        if not meter._cheap:
            meter.measuring_seconds += clock() - begun

    def substitute(self, reading: HeapReading) -> None:
        """Let the window answer with another reading, taken while it was interrupted."""
        self.reading = reading

    def close(self) -> HeapReading:
        """End the window and say what was measured inside it, and add what that takes as :meth:`open` does."""
        meter = self._meter
        clock = meter.clock
        begun = clock()
        reading = self.finish()
        meter.measuring_seconds += clock() - begun
        return reading


class Meter:
    """Measures windows of heap and resident memory in this process.

    Args:
        engine: The heap engine; the meter is its only user.
        resident: Reads resident memory, or ``None`` to leave it out.
        clock: Seconds, by which what measuring costs is told.

    Attributes:
        clock: The same.
        measuring_seconds: Time spent opening and closing heap windows so far, by their own :meth:`HeapWindow.open` and
            :meth:`HeapWindow.close`; the hooks around phases count their own.
        open_resident: Opens a window over resident memory, or gives ``None`` where it is not read.
    """

    def __init__(
        self, engine: HeapEngine, resident: ResidentReader | None = None, clock: Clock = time.perf_counter
    ) -> None:
        self.engine = engine
        self.resident = resident
        self.measuring_seconds = 0.0
        self.clock = clock
        self.open_resident: Callable[[], ResidentWindow | None] = resident.open if resident is not None else _nothing
        self._cheap, self._nests = engine.capabilities.cheap, engine.capabilities.nests
        self._open: list[StackedWindow] = []

    def heap_window(self, request: WindowRequest, *, collect: bool = False) -> HeapWindow:
        """A window to be opened, more than once if need be.

        Args:
            request: What to measure.
            collect: Collect garbage before the window opens and before it closes.
        """
        return HeapWindow(self, request, collect)

    def open_heap(self, request: WindowRequest, *, collect: bool = False) -> HeapWindow:
        """A window that is open already."""
        window = self.heap_window(request, collect=collect)
        window.open(request.seed)
        return window

    def _refused(self, refusal: RuntimeError | None) -> HeapReading:
        """What a window says that the engine has refused to open, or would have, inside another of its own."""
        if refusal is None:
            problem = f"the {self.engine.name} engine cannot open a window inside another of its own"
            return HeapReading(None, unmeasured=problem)
        # WindowRefused, which is loaded when there is one, or what stands for it
        if type(refusal) is not RuntimeError and not hasattr(refusal, "problem"):
            raise refusal
        return HeapReading(None, unmeasured=getattr(refusal, "problem", str(refusal)))

    def end_windows(self, reason: str) -> None:
        """End every open heap window for good; each answers with ``reason`` when it is closed."""
        for window in reversed(self._open):
            if window.running is not None:
                window.running.close()
                window.running = None
                window.reading = HeapReading(None, unmeasured=reason)

    @contextmanager
    def interrupted(self, reason: str) -> Iterator[None]:
        """End every open heap window for good and unhook the engine while the block runs.

        Somebody is taking timings: an open window would cost up to 45 % of them. The windows ended here answer
        with ``reason`` when they are closed, unless :meth:`HeapWindow.substitute` gave them a better reading.
        """
        self.end_windows(reason)
        self.engine.stand_aside()
        try:
            yield
        finally:
            self.engine.stand_by()


def _nothing() -> None:
    """There is no window."""


_owners: list[Meter] = []


@contextmanager
def measuring_here(meter: Meter) -> Iterator[None]:
    """Say that this meter's engine is the active one of the process while the block runs.

    Engines count for the whole process, so this is the one thing that is known process-wide: code that measures on
    its own account inside a measured session opens its windows through that session's meter.
    """
    _owners.append(meter)
    try:
        yield
    finally:
        _owners.remove(meter)


def active_meter() -> Meter | None:
    """The meter of whoever measures in this process at the moment, the innermost one, or ``None``."""
    return _owners[-1] if _owners else None
