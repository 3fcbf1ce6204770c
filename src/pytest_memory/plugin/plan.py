"""What is to be measured of one test, and which limits bind it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pytest_memory.engines.base import Capabilities, WindowRequest
from pytest_memory.errors import PytestMemoryError
from pytest_memory.model import PHASES, Limit, Phase
from pytest_memory.plugin.markers import limit_memory_limits
from pytest_memory.plugin.settings import Settings
from pytest_memory.policy.limits import binding_limits


@dataclass(frozen=True, slots=True)
class Plan:
    """The measurements of one test.

    Attributes:
        limits: Those that bind it.
        heap: The phases with a heap window, and what is asked of each.
        collect: Phases in which garbage is collected before the window opens and before it closes.
        resident: Resident memory is read in every phase.
        problem: A marker that cannot be understood; the test fails with it.
    """

    limits: tuple[Limit, ...] = ()
    heap: Mapping[Phase, WindowRequest] = field(default_factory=dict)
    collect: frozenset[Phase] = frozenset()
    resident: bool = False
    problem: str = ""

    @property
    def measures(self) -> bool:
        """Whether anything is measured at all."""
        return self.resident or bool(self.heap)


def make_plan(item: pytest.Item, settings: Settings, capabilities: Capabilities) -> Plan:
    """Decide what to measure of a test; a marker that cannot be understood makes a plan with a problem."""
    try:
        limits = binding_limits(limit_memory_limits(item, settings.positional), settings.limits, item.nodeid)
    except PytestMemoryError as error:
        return Plan(problem=str(error))
    if not limits and not settings.measure:
        return Plan()
    heap_limits = [limit for limit in limits if limit.metric != "rss"]
    limited = {limit.phase for limit in heap_limits}
    always = PHASES if capabilities.cheap else ("call",)
    wanted = [phase for phase in PHASES if phase in limited or (settings.measure and phase in always)]
    return Plan(
        limits=limits,
        heap={phase: _request(item, phase, heap_limits, settings) for phase in wanted if capabilities.metrics},
        collect=frozenset(limit.phase for limit in limits if limit.collect),
        resident=settings.resident != "off" and (settings.measure or len(heap_limits) < len(limits)),
    )


def _request(item: pytest.Item, phase: Phase, limits: list[Limit], settings: Settings) -> WindowRequest:
    binding = [limit for limit in limits if limit.phase == phase]
    return WindowRequest(
        granularity=settings.granularity,
        detail=settings.detail,
        current_thread_only=any(limit.current_thread_only for limit in binding),
        totals=any(limit.metric == "allocated" for limit in binding),
        seed=zlib.crc32(f"{item.nodeid} {phase}".encode(errors="surrogatepass")),
    )
