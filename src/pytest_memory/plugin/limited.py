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


def for_a_measured_call(plan: Plan, measured_by: Plan) -> Plan:
    """The plan of a test that got a marker while its call ran, for judging that call.

    Args:
        plan: What it would have been, had the marker been there before.
        measured_by: What it was: a limit that needs another window, or one where none was open, is not judged.
    """
    heap = dict(plan.heap)
    heap.pop("call", None)
    if "call" in measured_by.heap:
        heap["call"] = measured_by.heap["call"]
    leaks = plan.leaks if plan.leaks is not None and measured_by.leaks is not None else None
    late = [limit for limit in plan.limits if limit.phase == "call" and not _answers(measured_by, limit)]
    if plan.leaks is not None and (leaks is None or not _answers(measured_by, plan.leaks.limit)):
        late, leaks = [*late, plan.leaks.limit], None
    return Plan(
        limits=tuple(limit for limit in plan.limits if limit not in late),
        leaks=leaks,
        heap=heap,
        collect=plan.collect,
        resident=plan.resident,
        late=tuple(late),
        problem=plan.problem,
        judged=True,
    )


def _answers(measured_by: Plan, limit: Limit) -> bool:
    """Whether what was measured of a call says something of a limit on it."""
    if limit.metric == "rss":
        return measured_by.resident
    request = measured_by.heap.get("call")
    if request is None or (limit.collect and "call" not in measured_by.collect):
        return False
    return request.current_thread_only or not limit.current_thread_only


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
