"""Limits held against what was measured; which of several limits binds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, cast

from pytest_memory.errors import InvalidLimit
from pytest_memory.model import AllocationSite, HeapUsage, Limit, LimitMetric, PhaseUsage, Verdict
from pytest_memory.units import format_count, format_size, parse_limit_size

_HEAP_METRICS = ("peak", "allocated", "allocations", "retained")


class DefaultLimit(NamedTuple):
    """A suite-wide limit: a size for the calls of the tests whose node id matches a glob.

    Attributes:
        pattern: Matches a whole node id, or the file, class or function in front of ``::``.
        limit: The limit.
    """

    pattern: str
    limit: Limit

    @classmethod
    def parse(cls, line: str, *, origin: str, metric: str) -> DefaultLimit:
        """Read ``PATH-GLOB = SIZE``, or a bare ``SIZE`` for every test.

        Raises:
            InvalidLimit: The pattern is empty.
            InvalidSize: The size cannot be parsed.
        """
        pattern, equals, size = line.rpartition("=")
        pattern = pattern.strip()
        if equals and not pattern:
            raise InvalidLimit(f"{origin}: no pattern in front of '=' in {line!r}", "write PATH-GLOB = SIZE")
        bound = parse_limit_size(size.strip(), subject=f"{origin}: size")
        return cls(
            pattern=pattern or "*",
            limit=Limit(cast("LimitMetric", metric), bound, origin=f"{origin}: {line.strip()}"),
        )

    def matches(self, nodeid: str) -> bool:
        """Whether the limit binds the test of this node id."""
        return fnmatchcase(nodeid, self.pattern) or fnmatchcase(nodeid, f"{self.pattern.rstrip('/')}[:/]*")


def binding_limits(closest_first: Iterable[Limit], defaults: Sequence[DefaultLimit], nodeid: str) -> tuple[Limit, ...]:
    """The limits that bind a test: for each metric and phase the closest.

    Args:
        closest_first: Those of the markers, the test's own before its class's before its module's.
        defaults: The suite-wide ones; the last that matches wins.
        nodeid: The test's node id.
    """
    bound: dict[tuple[str, str], Limit] = {}
    weakest = (default.limit for default in reversed(defaults) if default.matches(nodeid))
    for limit in (*closest_first, *weakest):
        bound.setdefault((limit.metric, limit.phase), limit)
    return tuple(bound.values())


ONE_THREAD = "another limit of this test counts its own thread alone"
"""Why a limit on the whole process is not judged where one window can count only one of the two."""


def judge(
    limit: Limit, usage: PhaseUsage, sites: tuple[AllocationSite, ...] = (), *, one_thread: bool = False
) -> Verdict:
    """Hold a limit on heap or resident memory against a phase; a value equal to the bound passes.

    Args:
        limit: The limit.
        usage: What the phase used.
        sites: The call stacks at its peak.
        one_thread: The heap figures are those of one thread; a limit on all threads is not judged by them.
    """
    if one_thread and limit.metric in _HEAP_METRICS and not limit.current_thread_only:
        return Verdict(limit, "not judged", reason=ONE_THREAD)
    measured, reason = _measured(limit.metric, usage)
    if measured is None:
        return Verdict(limit, "not judged", reason=reason)
    if measured <= limit.bound:
        return Verdict(limit, "passed", measured)
    return Verdict(limit, "exceeded", measured, sites=sites if limit.metric in _HEAP_METRICS else ())


def _measured(metric: LimitMetric, usage: PhaseUsage) -> tuple[int | None, str]:
    if metric == "rss":
        peak = usage.resident.peak if usage.resident is not None else None
        return peak, "" if peak is not None else "resident memory was not read"
    heap = usage.heap if usage.heap is not None else HeapUsage()
    value = getattr(heap, metric)
    return value, "" if value is not None else usage.unmeasured or f"this engine does not measure {metric!r}"


_FAILURES = {
    "peak": "Test was limited to {bound} but allocated {measured}",
    "allocated": "Test was limited to {bound} allocated in total but allocated {measured}",
    "allocations": "Test was limited to {bound} allocations but made {measured}",
    "retained": "Test was limited to {bound} retained but retained {measured}",
    "rss": "Test was limited to {bound} of resident memory but reached {measured}",
    "leak": "Test was allowed to leak {bound} per location but at least one location leaked more ({measured})",
}


def explain(verdict: Verdict, granularity: str) -> str:
    """The sentence that tells a broken limit.

    Args:
        verdict: An exceeded one.
        granularity: What counted as an allocation; named, because the same code gives another number in the other.
    """
    limit = verdict.limit
    if verdict.reason:
        return verdict.reason
    show = format_count if limit.metric == "allocations" else format_size
    measured, bound = show(verdict.measured or 0), show(limit.bound)
    if measured == bound:  # the difference is below what the unit shows
        measured, bound = f"{measured} ({verdict.measured} bytes)", f"{bound} ({limit.bound} bytes)"
    text = _FAILURES[limit.metric].format(bound=bound, measured=measured)
    where = "" if limit.phase == "call" else f" during {limit.phase}"
    basis = "" if limit.metric == "rss" else f" (granularity: {granularity})"
    return f"{text}{where}{basis}"
