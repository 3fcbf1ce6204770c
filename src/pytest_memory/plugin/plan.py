"""What is to be measured of one test, and which limits bind it."""

from __future__ import annotations

import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_memory.engines.base import WindowRequest
from pytest_memory.model import PHASES
from pytest_memory.plugin import phase_ends
from pytest_memory.plugin.markers import TestMarks
from pytest_memory.stacked import OWN_FRAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_memory.engines.base import Capabilities
    from pytest_memory.model import Limit, Phase
    from pytest_memory.plugin.settings import Settings
    from pytest_memory.policy.leaks import LeakLimit


_PLUGGY = 1 + OWN_FRAMES + phase_ends.OWN_FRAMES
"""Which caller of what opens a window runs the hooks: a hook of ours opens it, and is called by pluggy. What is around
that are pytest's frames, the same in every stack."""


class Plan:
    """The measurements of one test.

    Attributes:
        limits: Those that bind it.
        leaks: The bound on what its call stacks may leave behind.
        heap: The phases with a heap window, and what is asked of each.
        collect: Phases in which garbage is collected before the window opens and before it closes.
        resident: Resident memory is read in every phase.
        late: Limits on the call that came while it ran, and that what was measured of it cannot answer.
        problem: A marker that cannot be understood; the test fails with it.
        judged: Something of it can fail a phase.
    """

    # No named tuple: each phase of each test looks at some of them, and a slot is found sooner.
    __slots__ = ("collect", "heap", "judged", "late", "leaks", "limits", "problem", "resident")

    def __init__(
        self,
        *,
        limits: tuple[Limit, ...] = (),
        leaks: LeakLimit | None = None,
        heap: Mapping[Phase, WindowRequest] = MappingProxyType({}),
        collect: frozenset[Phase] = frozenset(),
        resident: bool = False,
        late: tuple[Limit, ...] = (),
        problem: str = "",
        judged: bool = False,
    ) -> None:
        self.limits = limits
        self.leaks = leaks
        self.heap = heap
        self.collect = collect
        self.resident = resident
        self.late = late
        self.problem = problem
        self.judged = judged


NOTHING = Plan()
"""Nothing to measure, to judge or to say."""


class Planner:
    """Decides what to measure of each test.

    Args:
        settings: The session's.
        capabilities: Those of its heap engine.

    Attributes:
        settings: The same.
        metrics: What the engine can measure.
        measured: The phases whose heap is measured of every test.
        resident: Resident memory is read in every phase of every test.
        marks: Finds the markers that limit a test.
        usual: The plan of all tests without limits; nothing where each of them leaves a capture of its own.
        expected: The same, where no test without such a marker has another.
    """

    def __init__(self, settings: Settings, capabilities: Capabilities) -> None:
        self.settings = settings
        self.metrics = capabilities.metrics
        self.measured: tuple[Phase, ...] = ()
        if settings.measure and capabilities.metrics:
            self.measured = PHASES if capabilities.cheap else ("call",)
        self.resident = settings.resident != "off" and (settings.measure or settings.flight.growth is not None)
        self.marks = TestMarks()
        self._limits = settings.limits
        self._captures = settings.memray.dumps is not None
        self.usual = NOTHING if self._captures else self._without_limits(None)
        self.expected = None if self._captures or self._limits else self.usual

    def plan(self, item: pytest.Item) -> Plan:
        """What to measure of a test; a marker that cannot be understood makes a plan with a problem."""
        marks = self.marks.of(item)
        if marks or self._limits:
            from pytest_memory.plugin.limited import limited_plan

            plan = limited_plan(self, item, marks)
            if plan is not None:
                return plan
        return self._without_limits(item) if self._captures else self.usual

    def _without_limits(self, item: pytest.Item | None) -> Plan:
        if self.measured:
            heap = {phase: self.request(item, phase) for phase in self.measured}
            return Plan(heap=heap, resident=self.resident)
        return Plan(resident=True) if self.resident else NOTHING

    def request(
        self, item: pytest.Item | None, phase: Phase, limits: Sequence[Limit] = (), leaks: LeakLimit | None = None
    ) -> WindowRequest:
        """What is asked of the heap engine for a phase.

        Args:
            item: The test, if it may leave a capture of its own.
            phase: The phase.
            limits: Those on the heap that bind this phase.
            leaks: The bound on what its call stacks may leave behind.
        """
        settings = self.settings
        if phase != "call" and not limits:  # its call stacks are shown if it needs more than the call does
            return WindowRequest(
                settings.granularity,
                detail="counters" if settings.detail == "counters" else "sampled",
                totals=False,
                native_frames=settings.memray.native,
                outside=_PLUGGY,
                coarse=True,
            )
        dumps = settings.memray.dumps
        return WindowRequest(
            granularity=settings.granularity if leaks is None else "python",  # most of what leaks are small objects
            detail=settings.detail if leaks is None else "stacks",
            current_thread_only=any(one.current_thread_only for one in (*limits, *([leaks.limit] if leaks else ()))),
            totals=any(limit.metric in ("allocated", "allocations") for limit in limits),
            leaks=leaks is not None,
            native_frames=settings.memray.native,
            outside=_PLUGGY if phase == "call" else 0,
            capture=dumps.path(item.nodeid) if dumps is not None and item is not None and phase == "call" else None,
        )


def sampling_seed(nodeid: str, phase: Phase) -> int:
    """A seed that is the same in every run and another in every phase of every test."""
    return zlib.crc32(f"{nodeid} {phase}".encode(errors="surrogatepass"))
