"""Limits, and what became of them when they were held against a measurement."""

from __future__ import annotations

from typing import Literal, get_args

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .literals import Phase
    from .site import AllocationSite

LimitMetric = Literal["peak", "allocated", "allocations", "retained", "rss", "leak"]
"""What a limit binds: the four heap metrics, the resident peak, or the bytes leaked by one call stack."""

LIMIT_METRICS: tuple[LimitMetric, ...] = get_args(LimitMetric)

Outcome = Literal["passed", "exceeded", "not judged"]


class Limit(NamedTuple):
    """A bound on one metric of one phase; a value equal to the bound passes.

    Attributes:
        metric: What is bounded.
        bound: Bytes, or a number of calls for ``allocations``.
        phase: The phase it binds.
        origin: Who set it, in the words in which its author wrote it: a marker, a flag, a line of an ini file.
        current_thread_only: Count only the thread that runs the test.
        collect: Run the garbage collector before the window opens and before it closes.
    """

    metric: LimitMetric
    bound: int
    phase: Phase = "call"
    origin: str = ""
    current_thread_only: bool = False
    collect: bool = False


class Verdict(NamedTuple):
    """A limit applied to one attempt at a test.

    Attributes:
        limit: The limit.
        outcome: ``not judged`` if the engine could not give the metric.
        measured: The value held against the bound; for leaks that of the worst call stack.
        reason: Why it was not judged.
        sites: The call stacks to show with a failure, largest first.
    """

    limit: Limit
    outcome: Outcome
    measured: int | None = None
    reason: str = ""
    sites: tuple[AllocationSite, ...] = ()
