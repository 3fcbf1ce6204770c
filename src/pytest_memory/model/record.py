"""Everything measured about one attempt at one test."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .limit import Verdict
    from .literals import Phase
    from .site import AllocationSite
    from .usage import PhaseUsage


CUT_SHORT = frozenset(("crashed", "unfinished"))
"""Outcomes of attempts that did not come to their end."""


class TestRecord(NamedTuple):
    """One attempt at one test; a rerun makes another record of the same node id.

    Attributes:
        nodeid: pytest's node id.
        outcome: pytest's outcome of the attempt: ``passed``, ``failed``, ``error``, ``skipped``, ``xfailed``,
            ``xpassed``, ``rerun``, ``unfinished`` if the run ended inside it, or ``crashed`` if its worker did.
        worker: pytest-xdist's worker (``gw0``), or ``None`` without it.
        phases: What each phase that ran has used.
        sites: Call stacks live at the peak of the call, largest first.
        verdicts: Each limit that bound this attempt.
        around: Call stacks live at the peaks of its setup and its teardown, of those that needed much.
    """

    nodeid: str
    outcome: str
    worker: str | None = None
    phases: Mapping[Phase, PhaseUsage] = MappingProxyType({})
    sites: tuple[AllocationSite, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    around: Mapping[Phase, tuple[AllocationSite, ...]] = MappingProxyType({})

    @property
    def seconds(self) -> float:
        """Wall time of all phases."""
        return sum([phase.seconds for phase in self.phases.values()])

    @property
    def growth(self) -> int | None:
        """Resident bytes gained from the start of the first phase to the end of the last, in bytes.

        ``None`` too for a test that did not come to its end, whose memory then nobody has read.
        """
        if self.outcome in CUT_SHORT:
            return None
        first = last = None
        for phase in self.phases.values():
            last = phase.resident or last
            first = first or last
        return last.end - first.start if first is not None and last is not None else None

    @property
    def peak(self) -> int | None:
        """Heap peak of the call in bytes, or ``None``."""
        call = self.phases.get("call")
        return call.heap.peak if call is not None and call.heap is not None else None


TestRecord.__test__ = False  # type: ignore[attr-defined]  # pytest collects classes named Test*
