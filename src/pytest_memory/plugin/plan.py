"""What is to be measured of one test, and which limits bind it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pytest_memory.engines.base import Capabilities, WindowRequest
from pytest_memory.errors import PytestMemoryError
from pytest_memory.model import PHASES, Phase
from pytest_memory.plugin.markers import memory_marks
from pytest_memory.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_memory.model import Limit
    from pytest_memory.policy.leaks import LeakLimit


_PLUGGY = 4
"""Which caller of :meth:`HeapWindow.begin` runs the hooks of a call: it is called by :meth:`HeapWindow.open`, that by
what a hook of ours calls, and the hook by pluggy. What is around that are pytest's frames, the same in every stack."""


class Plan:
    """The measurements of one test.

    Attributes:
        limits: Those that bind it.
        leaks: The bound on what its call stacks may leave behind.
        heap: The phases with a heap window, and what is asked of each.
        collect: Phases in which garbage is collected before the window opens and before it closes.
        resident: Resident memory is read in every phase.
        problem: A marker that cannot be understood; the test fails with it.
        judged: Something of it can fail a phase.
    """

    # No named tuple: each phase of each test looks at some of them, and a slot is found sooner.
    __slots__ = ("collect", "heap", "judged", "leaks", "limits", "problem", "resident")

    def __init__(
        self,
        *,
        limits: tuple[Limit, ...] = (),
        leaks: LeakLimit | None = None,
        heap: Mapping[Phase, WindowRequest] = MappingProxyType({}),
        collect: frozenset[Phase] = frozenset(),
        resident: bool = False,
        problem: str = "",
        judged: bool = False,
    ) -> None:
        self.limits = limits
        self.leaks = leaks
        self.heap = heap
        self.collect = collect
        self.resident = resident
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
        usual: The plan of all tests without limits; nothing where each of them leaves a capture of its own.
    """

    def __init__(self, settings: Settings, capabilities: Capabilities) -> None:
        self._settings = settings
        self._can = capabilities
        self._resident = settings.resident != "off" and (settings.measure or settings.flight.growth is not None)
        self._measured: tuple[Phase, ...] = ()
        if settings.measure and capabilities.metrics:
            self._measured = PHASES if capabilities.cheap else ("call",)
        self._captures = settings.memray.dumps is not None
        self.usual = NOTHING if self._captures else self._without_limits(None)

    def plan(self, item: pytest.Item) -> Plan:
        """What to measure of a test; a marker that cannot be understood makes a plan with a problem."""
        try:
            limits, leaks = self._bounds(item)
        except PytestMemoryError as error:
            return Plan(problem=str(error), judged=True)
        if limits or leaks is not None:
            return self._with_limits(item, limits, leaks)
        return self._without_limits(item) if self._captures else self.usual

    def _bounds(self, item: pytest.Item) -> tuple[tuple[Limit, ...], LeakLimit | None]:
        marks, defaults = memory_marks(item), self._settings.limits
        if not marks and not defaults:
            return (), None
        from pytest_memory.plugin.limit_markers import leak_limit, limit_memory_limits
        from pytest_memory.policy.limits import binding_limits

        closest = limit_memory_limits(marks, self._settings.positional)
        return binding_limits(closest, defaults, item.nodeid), leak_limit(marks)

    def _without_limits(self, item: pytest.Item | None) -> Plan:
        if self._measured:
            heap = {phase: self._request(item, phase, [], None) for phase in self._measured}
            return Plan(heap=heap, resident=self._resident)
        return Plan(resident=True) if self._resident else NOTHING

    def _with_limits(self, item: pytest.Item, limits: tuple[Limit, ...], leaks: LeakLimit | None) -> Plan:
        heap_limits = [limit for limit in limits if limit.metric != "rss"]
        limited = {limit.phase for limit in heap_limits} | ({"call"} if leaks is not None else set())
        return Plan(
            limits=limits,
            leaks=leaks,
            heap={
                phase: self._request(item, phase, heap_limits, leaks if phase == "call" else None)
                for phase in PHASES
                if self._can.metrics and (phase in limited or phase in self._measured)
            },
            collect=frozenset(limit.phase for limit in limits if limit.collect),
            resident=self._resident or (self._settings.resident != "off" and len(heap_limits) < len(limits)),
            judged=True,
        )

    def _request(
        self, item: pytest.Item | None, phase: Phase, limits: list[Limit], leaks: LeakLimit | None
    ) -> WindowRequest:
        """What is asked of a phase; of an item only for a capture of its own."""
        settings = self._settings
        binding = [limit for limit in limits if limit.phase == phase]
        if phase != "call" and not binding:  # call stacks are shown of the call, and of a phase that breaks a limit
            return WindowRequest(
                settings.granularity, detail="counters", totals=False, native_frames=settings.memray.native
            )
        dumps = settings.memray.dumps
        return WindowRequest(
            granularity=settings.granularity if leaks is None else "python",  # most of what leaks are small objects
            detail=settings.detail if leaks is None else "stacks",
            current_thread_only=any(one.current_thread_only for one in (*binding, *([leaks.limit] if leaks else ()))),
            totals=any(limit.metric in ("allocated", "allocations") for limit in binding),
            leaks=leaks is not None,
            native_frames=settings.memray.native,
            outside=_PLUGGY if phase == "call" else 0,
            capture=dumps.path(item.nodeid) if dumps is not None and item is not None and phase == "call" else None,
        )


def sampling_seed(nodeid: str, phase: Phase) -> int:
    """A seed that is the same in every run and another in every phase of every test."""
    return zlib.crc32(f"{nodeid} {phase}".encode(errors="surrogatepass"))
