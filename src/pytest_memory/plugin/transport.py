"""How measurements travel: on each phase's own report, as plain JSON types, from any process to the one that tells.

A report carries a list of phases, each packed by :func:`pack_phase`: counters, and at most :data:`TRAVELLING_SITES`
call stacks, cut to their innermost :data:`TRAVELLING_FRAMES` frames. Whole stacks are kept where they were measured,
for failed tests and for the tests with the highest peaks, and are handed over once, when the session ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_memory.model import AllocationSite, Phase, PhaseUsage, StackFrame, Verdict

TRAVELLING_SITES = 5
TRAVELLING_FRAMES = 16


class FinishedPhase:
    """One phase of one attempt at a test, measured and judged.

    Attributes:
        nodeid: The test.
        phase: The phase.
        usage: What it used.
        sites: Call stacks at its peak, largest first.
        verdicts: The limits that bind it, judged.
        sections: Titles and texts to add to the report of a failure.
    """

    __slots__ = ("nodeid", "phase", "sections", "sites", "usage", "verdicts")

    def __init__(
        self,
        nodeid: str,
        phase: Phase,
        usage: PhaseUsage,
        sites: tuple[AllocationSite, ...] = (),
        verdicts: tuple[Verdict, ...] = (),
        sections: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.nodeid = nodeid
        self.phase = phase
        self.usage = usage
        self.sites = sites
        self.verdicts = verdicts
        self.sections = sections


Packed = Sequence[Any]
"""A phase as plain JSON types, positional, because thousands of them are kept until the session ends: its name,
seconds, why the heap was not measured, heap counters, resident sizes, call stacks, verdicts."""

Kept = tuple[Any, ...]
"""The same in the process that measured: counters, sizes and call stacks may be as they were read, no plain tuples."""

named = tuple.__new__
"""Makes a named tuple of values in its order: what its own constructor comes down to, for a third of the time."""


def keep_phase(finished: FinishedPhase) -> Kept:
    """What is kept of a phase; its sections are in the failure's report already."""
    seconds, heap, resident, unmeasured = finished.usage
    # The call stacks behind a broken limit are in the failure's own section; they need not travel twice.
    verdicts = _pack_verdicts(finished.verdicts) if finished.verdicts else ()
    return finished.phase, seconds, unmeasured, heap, resident, finished.sites[:TRAVELLING_SITES], verdicts


def pack_kept(kept: Kept) -> Packed:
    """What travels of what is kept; what has travelled already stays as it is."""
    phase, seconds, unmeasured, heap, resident, sites, verdicts = kept
    if sites and hasattr(sites[0], "frames"):
        sites = tuple([_pack_site(site) for site in sites])
    return phase, seconds, unmeasured, heap and heap[:], resident and resident[:], sites, verdicts  # exactly tuples


def pack_phase(finished: FinishedPhase) -> Packed:
    """What travels of a phase."""
    return pack_kept(keep_phase(finished))


def _pack_verdicts(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    from pytest_memory.store.runs import verdict_to_json

    return [verdict_to_json(verdict._replace(sites=())) for verdict in verdicts]


def _pack_site(site: AllocationSite) -> Packed:
    return site.bytes, site.count, tuple([pack_frame(frame) for frame in site.frames[:TRAVELLING_FRAMES]])


def pack_frame(frame: StackFrame) -> tuple[str, str, int]:
    """A frame as plain JSON types."""
    return frame.function, frame.filename, frame.lineno


def junit_properties(finished: FinishedPhase) -> list[tuple[str, object]]:
    """Names and values of a phase's measurements, for JUnit: bytes and counts, ``memory.call.heap.peak``."""
    prefix = f"memory.{finished.phase}"
    heap, resident = finished.usage.heap, finished.usage.resident
    values: dict[str, int | None] = {}
    if heap is not None:
        values |= {f"heap.{name}": getattr(heap, name) for name in ("peak", "allocated", "allocations", "retained")}
    if resident is not None:
        values |= {f"resident.{name}": getattr(resident, name) for name in ("start", "end", "peak")}
    return [(f"{prefix}.{name}", value) for name, value in values.items() if value is not None]


class Showcase:
    """Keeps the whole call stacks of the few tests for which the report shows them.

    Args:
        size: How many tests, besides those that broke a limit; 0 keeps all.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._highest: list[tuple[int, str]] = []
        self._sites: dict[str, tuple[AllocationSite, ...]] = {}
        self._failed: set[str] = set()

    def consider(self, finished: FinishedPhase) -> None:
        """Keep the stacks of a call if it is among those to be shown so far."""
        heap = finished.usage.heap
        if not finished.sites or finished.phase != "call" or heap is None:
            return
        nodeid = finished.nodeid
        if finished.verdicts and any(verdict.outcome == "exceeded" for verdict in finished.verdicts):
            self._failed.add(nodeid)
        if nodeid in self._sites:  # an earlier attempt at the same test
            self._sites[nodeid] = finished.sites
            return
        entry = (heap.peak or 0, nodeid)
        if self._size and len(self._highest) >= self._size:
            _, dropped = heapq.heappushpop(self._highest, entry)
            if dropped not in self._failed:
                self._sites.pop(dropped, None)
            if dropped == nodeid and nodeid not in self._failed:
                return
        else:
            heapq.heappush(self._highest, entry)
        self._sites[nodeid] = finished.sites

    def sites(self) -> dict[str, tuple[AllocationSite, ...]]:
        """The stacks kept, by node id."""
        return dict(self._sites)


def encode_showcase(sites: Mapping[str, tuple[AllocationSite, ...]]) -> dict[str, Any]:
    """Kept stacks as plain JSON types."""
    from pytest_memory.store.runs import sites_to_json

    return {nodeid: sites_to_json(kept) for nodeid, kept in sites.items()}
