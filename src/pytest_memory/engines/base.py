"""The Protocol behind which every heap engine stands, and the values that pass through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal, Protocol

    from ..model import AllocationSite, Detail, Granularity, HeapUsage

    HeapMetric = Literal["peak", "allocated", "allocations", "retained"]


class WindowRequest(NamedTuple):
    """What somebody wants to know of one window.

    A named tuple, because where call stacks are sampled each test needs one with a seed of its own.

    Attributes:
        granularity: What counts as an allocation. An engine that has only one ignores it.
        detail: How much attribution is wanted; an engine gives what it can.
        current_thread_only: Count only the thread that opens the window.
        totals: ``allocated`` is asked for (an engine may need a costlier mode to give it).
        leaks: The call stacks still live when the window closes are asked for; implies ``stacks`` detail.
        native_frames: Show native frames in call stacks, where the engine can.
        capture: Where to leave the engine's raw capture, if it makes one.
        outside: Which caller of the function that opens the window call stacks need not show, nor what called it: 1 for
            the caller itself; 0 if they are wanted whole. An engine leaves out what it can, of the outermost window.
        coarse: A sample may be so small that it shows only what is large, where the engine can.
        seed: Seeds the sampling, so that the same test shows the same sites in every run.
    """

    granularity: Granularity = "python"
    detail: Detail = "sampled"
    current_thread_only: bool = False
    totals: bool = True
    leaks: bool = False
    native_frames: bool = False
    capture: Path | None = None
    outside: int = 0
    coarse: bool = False
    seed: int = 0

    def seeded(self, seed: int) -> WindowRequest:
        """The same with another seed."""
        return tuple.__new__(WindowRequest, (*self[:-1], seed))


class HeapReading(NamedTuple):
    """What an engine says of one window when it closes; a named tuple, because each test has three.

    Attributes:
        usage: The counters; ``None`` if nothing valid could be measured, and then ``unmeasured`` says why.
        sites: Call stacks live at the peak, largest first; empty in ``counters`` detail.
        leaked: Call stacks with bytes still live at the end, largest first; only if ``leaks`` were asked for.
        unmeasured: Why ``usage`` is ``None``, as a clause: ``another tool replaced the hooks``.
    """

    usage: HeapUsage | None
    sites: tuple[AllocationSite, ...] = ()
    leaked: tuple[AllocationSite, ...] = ()
    unmeasured: str = ""


class Capabilities(NamedTuple):
    """What an engine can do, so that nobody has to know it by name.

    Attributes:
        metrics: The heap metrics it gives.
        granularities: Those it can count; the first is what it counts if asked for another.
        details: The attributions it can make.
        nests: Windows may be opened inside windows.
        cheap: Opening a window costs so little that setup and teardown get one without being asked.
        threads: It can count one thread alone.
        captures: It can leave a raw capture file.
    """

    metrics: frozenset[HeapMetric]
    granularities: tuple[Granularity, ...]
    details: tuple[Detail, ...]
    nests: bool
    cheap: bool
    threads: bool
    captures: bool


if TYPE_CHECKING:  # to make a class of a Protocol takes an interpreter longer than all else in this module

    class EngineWindow(Protocol):
        """An open window of an engine; windows close in the reverse order of their opening."""

        def close(self) -> HeapReading:
            """Stop measuring and say what was measured. Called once."""
            ...

    class HeapEngine(Protocol):
        """Measures heap allocations over windows. At most one engine is active in a process; the meter owns it."""

        @property
        def name(self) -> str:
            """The name in ``--memory-engine``."""
            ...

        @property
        def capabilities(self) -> Capabilities:
            """What it can do here."""
            ...

        def open(self, request: WindowRequest) -> EngineWindow:
            """Open a window.

            Raises:
                WindowRefused: It cannot measure now; the message names the reason (who holds the tracker, …).
            """
            ...

        def opener(self, request: WindowRequest) -> Callable[[int], EngineWindow]:
            """What opens windows as a request asks, one after the other, each with a seed of its own for the sampling.

            It raises what :meth:`open` does.
            """
            ...

        def stand_aside(self) -> None:
            """Take every hook off the hot paths, so that somebody can take timings. No window is open."""
            ...

        def stand_by(self) -> None:
            """Undo :meth:`stand_aside`."""
            ...

        def notes(self) -> tuple[str, ...]:
            """Sentences for the report: what this engine did not see here."""
            ...

        def held_bytes(self) -> int:
            """Resident memory of the engine's own tables, which rss figures contain and heap figures do not."""
            ...
