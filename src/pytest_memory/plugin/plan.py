"""What is to be measured of one test, and which limits bind it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import pytest

from pytest_memory.engines.base import Capabilities, WindowRequest
from pytest_memory.errors import PytestMemoryError
from pytest_memory.model import PHASES, Granularity, Limit, Phase
from pytest_memory.plugin.markers import leak_limit, limit_memory_limits, memory_marks
from pytest_memory.plugin.settings import Settings
from pytest_memory.policy.leaks import LeakLimit
from pytest_memory.policy.limits import binding_limits


class Plan(NamedTuple):
    """The measurements of one test.

    Attributes:
        limits: Those that bind it.
        leaks: The bound on what its call stacks may leave behind.
        heap: The phases with a heap window, and what is asked of each.
        collect: Phases in which garbage is collected before the window opens and before it closes.
        resident: Resident memory is read in every phase.
        problem: A marker that cannot be understood; the test fails with it.
    """

    limits: tuple[Limit, ...] = ()
    leaks: LeakLimit | None = None
    heap: Mapping[Phase, WindowRequest] = MappingProxyType({})
    collect: frozenset[Phase] = frozenset()
    resident: bool = False
    problem: str = ""


NOTHING = Plan()
"""Nothing to measure, to judge or to say."""

RESIDENT_ALONE = Plan(resident=True)


def make_plan(item: pytest.Item, settings: Settings, capabilities: Capabilities) -> Plan:
    """Decide what to measure of a test; a marker that cannot be understood makes a plan with a problem."""
    try:
        limits, leaks = _bounds(item, settings)
    except PytestMemoryError as error:
        return Plan(problem=str(error))
    resident = settings.resident != "off" and (settings.measure or settings.flight.growth is not None)
    if not limits and leaks is None:
        if settings.measure and capabilities.metrics:
            return Plan(heap=_without_limits(item, settings, capabilities), resident=resident)
        return RESIDENT_ALONE if resident else NOTHING
    heap_limits = [limit for limit in limits if limit.metric != "rss"]
    limited = {limit.phase for limit in heap_limits} | ({"call"} if leaks is not None else set())
    always = PHASES if capabilities.cheap else ("call",)
    wanted = [phase for phase in PHASES if phase in limited or (settings.measure and phase in always)]
    return Plan(
        limits=limits,
        leaks=leaks,
        heap={
            phase: _request(item, phase, heap_limits, leaks if phase == "call" else None, settings)
            for phase in wanted
            if capabilities.metrics
        },
        collect=frozenset(limit.phase for limit in limits if limit.collect),
        resident=resident or (settings.resident != "off" and len(heap_limits) < len(limits)),
    )


def _without_limits(item: pytest.Item, settings: Settings, capabilities: Capabilities) -> dict[Phase, WindowRequest]:
    """What is asked of a test that nothing binds, as nearly all are: only the call's request is its own."""
    if settings.memray.dumps is not None:
        call = _request(item, "call", [], None, settings)
    else:
        call = WindowRequest(
            settings.granularity,
            settings.detail,
            totals=False,
            native_frames=settings.memray.native,
            seed=_seed(item, "call"),
        )
    if not capabilities.cheap:
        return {"call": call}
    counting = _counting(settings.granularity, settings.memray.native)
    return {"setup": counting, "call": call, "teardown": counting}


def _seed(item: pytest.Item, phase: Phase) -> int:
    return zlib.crc32(f"{item.nodeid} {phase}".encode(errors="surrogatepass"))


def _bounds(item: pytest.Item, settings: Settings) -> tuple[tuple[Limit, ...], LeakLimit | None]:
    marks = memory_marks(item)
    if not marks and not settings.limits:
        return (), None
    closest = limit_memory_limits(marks, settings.positional)
    return binding_limits(closest, settings.limits, item.nodeid), leak_limit(marks)


@lru_cache(maxsize=8)
def _counting(granularity: Granularity, native_frames: bool) -> WindowRequest:
    return WindowRequest(granularity=granularity, detail="counters", totals=False, native_frames=native_frames)


def _request(
    item: pytest.Item, phase: Phase, limits: list[Limit], leaks: LeakLimit | None, settings: Settings
) -> WindowRequest:
    binding = [limit for limit in limits if limit.phase == phase]
    if phase != "call" and not binding:  # call stacks are shown of the call, and of a phase that breaks a limit
        return _counting(settings.granularity, settings.memray.native)
    dumps = settings.memray.dumps
    return WindowRequest(
        granularity=settings.granularity if leaks is None else "python",  # most of what leaks are small objects
        detail=settings.detail if leaks is None else "stacks",
        current_thread_only=any(limit.current_thread_only for limit in (*binding, *([leaks.limit] if leaks else ()))),
        totals=any(limit.metric in ("allocated", "allocations") for limit in binding),
        leaks=leaks is not None,
        native_frames=settings.memray.native,
        capture=dumps.path(item.nodeid) if dumps is not None and phase == "call" else None,
        seed=_seed(item, phase),
    )
