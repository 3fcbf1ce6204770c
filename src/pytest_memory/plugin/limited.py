"""What to measure of a test that limits bind; loaded for the first that may be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_memory.errors import PytestMemoryError
from pytest_memory.model import PHASES
from pytest_memory.plugin.limit_markers import leak_limit, limit_memory_limits
from pytest_memory.plugin.plan import Plan
from pytest_memory.policy.limits import binding_limits

if TYPE_CHECKING:
    import pytest

    from pytest_memory.model import Limit
    from pytest_memory.plugin.plan import Planner
    from pytest_memory.policy.leaks import LeakLimit


def limited_plan(planner: Planner, item: pytest.Item, marks: list[pytest.Mark]) -> Plan | None:
    """The plan of a test, or ``None`` if no limit binds it.

    Args:
        planner: That of the session.
        item: The test.
        marks: Its markers, the closest first; one that cannot be understood makes a plan with a problem.
    """
    settings = planner.settings
    try:
        limits = binding_limits(limit_memory_limits(marks, settings.positional), settings.limits, item.nodeid)
        leaks = leak_limit(marks)
    except PytestMemoryError as error:
        return Plan(problem=str(error), judged=True)
    return _with_limits(planner, item, limits, leaks) if limits or leaks is not None else None


def _with_limits(planner: Planner, item: pytest.Item, limits: tuple[Limit, ...], leaks: LeakLimit | None) -> Plan:
    heap_limits = [limit for limit in limits if limit.metric != "rss"]
    limited = {limit.phase for limit in heap_limits} | ({"call"} if leaks is not None else set())
    reads_resident = planner.settings.resident != "off" and len(heap_limits) < len(limits)
    return Plan(
        limits=limits,
        leaks=leaks,
        heap={
            phase: planner.request(
                item,
                phase,
                [limit for limit in heap_limits if limit.phase == phase],
                leaks if phase == "call" else None,
            )
            for phase in PHASES
            if planner.metrics and (phase in limited or phase in planner.measured)
        },
        collect=frozenset(limit.phase for limit in limits if limit.collect),
        resident=planner.resident or reads_resident,
        judged=True,
    )
