"""How measurements travel: on each phase's own report, as plain JSON types, from any process to the one that tells.

Counters and at most :data:`TRAVELLING_SITES` call stacks a phase travel on the report, cut to their innermost
:data:`TRAVELLING_FRAMES` frames. Whole stacks are kept where they were measured, for failed tests and for the tests
with the highest peaks, and are handed over once, when the session ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pytest_memory.model import AllocationSite, Phase, PhaseUsage, Verdict
from pytest_memory.store.runs import (
    phase_from_json,
    phase_to_json,
    sites_from_json,
    sites_to_json,
    verdict_from_json,
    verdict_to_json,
)

TRAVELLING_SITES = 5
TRAVELLING_FRAMES = 16


@dataclass(frozen=True, slots=True)
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

    nodeid: str
    phase: Phase
    usage: PhaseUsage
    sites: tuple[AllocationSite, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    sections: tuple[tuple[str, str], ...] = ()


class LocalPhase(dict[str, Any]):
    """What travels of a phase that nobody sends anywhere: the JSON, and the phase it was made of.

    Whoever serialises reports finds plain JSON; the collector in the same process need not decode it.
    """

    def __init__(self, finished: FinishedPhase) -> None:
        super().__init__(encode_phase(finished))
        self.finished = finished


def encode_phase(finished: FinishedPhase) -> dict[str, Any]:
    """What travels of a phase, as plain JSON types."""
    carried: dict[str, Any] = {"usage": phase_to_json(finished.usage)}
    if finished.sites:
        sites = tuple(
            replace(site, frames=site.frames[:TRAVELLING_FRAMES]) for site in finished.sites[:TRAVELLING_SITES]
        )
        carried["sites"] = sites_to_json(sites)
    if finished.verdicts:
        # The call stacks behind a broken limit are in the failure's own section; they need not travel twice.
        carried["verdicts"] = [verdict_to_json(replace(verdict, sites=())) for verdict in finished.verdicts]
    return carried


def decode_phase(carried: Mapping[str, Any], nodeid: str, phase: str) -> FinishedPhase:
    """Undo :func:`encode_phase`."""
    if isinstance(carried, LocalPhase):
        return carried.finished
    return FinishedPhase(
        nodeid=nodeid,
        phase=cast("Phase", phase),
        usage=phase_from_json(carried["usage"]),
        sites=sites_from_json(carried["sites"]) if "sites" in carried else (),
        verdicts=tuple(verdict_from_json(verdict) for verdict in carried.get("verdicts", ())),
    )


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
        if finished.phase != "call" or not finished.sites or heap is None:
            return
        nodeid = finished.nodeid
        if any(verdict.outcome == "exceeded" for verdict in finished.verdicts):
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
    return {nodeid: sites_to_json(kept) for nodeid, kept in sites.items()}


def decode_showcase(carried: Mapping[str, Any]) -> dict[str, tuple[AllocationSite, ...]]:
    """Undo :func:`encode_showcase`."""
    return {nodeid: sites_from_json(kept) for nodeid, kept in carried.items()}
