"""``limit_leaks``: no call stack may keep more memory than a bound allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pytest_memory.model import AllocationSite, Limit, Stack, StackFrame, Verdict

LeaksFilter = Callable[[Stack], object]
"""Says of a call stack that leaked too much whether to report it."""


class LeakLimit(NamedTuple):
    """A bound on what each distinct call stack may leave behind.

    Attributes:
        limit: The bound; its metric is ``leak``.
        filter_fn: Asked once for each distinct stack over the bound; a false answer leaves the stack out.
    """

    limit: Limit
    filter_fn: LeaksFilter | None = None


def judge_leaks(leaks: LeakLimit, leaked: Iterable[AllocationSite]) -> Verdict:
    """Hold the bound against what was still live at the end of a window.

    A stack that left exactly the bound behind passes. A filter that raises breaks the limit: whoever wrote it wants
    to know, and a leak must not pass because of it.

    Args:
        leaks: The bound and the filter.
        leaked: Call stacks with bytes still live; the same stack may come more than once.

    Returns:
        ``exceeded`` with the stacks over the bound, largest first, or ``passed``. ``measured`` is the worst stack's.
    """
    stacks = sorted(distinct(leaked), key=lambda site: site.bytes, reverse=True)
    over = [site for site in stacks if site.bytes > leaks.limit.bound]
    worst = stacks[0].bytes if stacks else 0
    try:
        reported = tuple(site for site in over if leaks.filter_fn is None or leaks.filter_fn(site.stack))
    except Exception as error:
        reason = f"filter_fn of {leaks.limit.origin} raised {error!r}"
        return Verdict(leaks.limit, "exceeded", worst, reason=reason, sites=tuple(over))
    if not reported:
        return Verdict(leaks.limit, "passed", worst)
    return Verdict(leaks.limit, "exceeded", reported[0].bytes, sites=reported)


def distinct(sites: Iterable[AllocationSite]) -> Iterator[AllocationSite]:
    """Sites with the same frames become one."""
    merged: dict[tuple[StackFrame, ...], AllocationSite] = {}
    for site in sites:
        before = merged.get(site.frames)
        merged[site.frames] = (
            site
            if before is None
            else before._replace(bytes=before.bytes + site.bytes, count=before.count + site.count)
        )
    yield from merged.values()
