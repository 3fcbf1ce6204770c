"""Records, made of what travelled: loaded when the session is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_memory.model import HeapUsage, PhaseUsage, ResidentUsage, TestRecord
from pytest_memory.plugin.transport import named

if TYPE_CHECKING:
    from pytest_memory.model import AllocationSite, Phase, StackFrame, Verdict
    from pytest_memory.plugin.transport import Packed

    FrameCache = dict[tuple[str, str, int], StackFrame]
    """Frames already made, so that a frame of many stacks is one object."""


def unpack_record(
    worker: str | None, nodeid: str, outcome: str, phases: Iterable[Packed], frames: FrameCache
) -> TestRecord:
    """The record of an attempt, of what :func:`pack_phase` made of its phases in this process or in another.

    Args:
        worker: pytest-xdist's worker, or ``None``.
        nodeid: The test.
        outcome: The outcome of the attempt.
        phases: Those that ran.
        frames: Is added to.
    """
    usages: dict[Phase, PhaseUsage] = {}
    sites_at_peak: tuple[AllocationSite, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    around: dict[Phase, tuple[AllocationSite, ...]] = {}
    for phase, seconds, unmeasured, heap, resident, sites, judged in phases:
        usages[phase] = named(
            PhaseUsage,
            (
                seconds,
                None if heap is None else named(HeapUsage, heap),
                None if resident is None else named(ResidentUsage, resident),
                unmeasured,
            ),
        )
        if sites and phase == "call":
            sites_at_peak = _unpack_sites(sites, frames)
        elif sites:
            around[phase] = _unpack_sites(sites, frames)
        if judged:
            verdicts += _unpack_verdicts(judged)
    return TestRecord(nodeid, outcome, worker, usages, sites_at_peak, verdicts, around)


def _unpack_sites(sites: Iterable[Packed], frames: FrameCache) -> tuple[AllocationSite, ...]:
    from pytest_memory.model import AllocationSite, StackFrame

    unpacked = []
    for size, count, stack in sites:
        found = []
        for function, filename, lineno in stack:
            key = (function, filename, lineno)
            frame = frames.get(key)
            if frame is None:
                frame = frames[key] = StackFrame(*key)
            found.append(frame)
        unpacked.append(AllocationSite(size, count, tuple(found)))
    return tuple(unpacked)


def _unpack_verdicts(judged: Iterable[Any]) -> tuple[Verdict, ...]:
    from pytest_memory.store.runs import verdict_from_json

    return tuple([verdict_from_json(verdict) for verdict in judged])


def decode_showcase(carried: Mapping[str, Any]) -> dict[str, tuple[AllocationSite, ...]]:
    """Undo :func:`encode_showcase`."""
    from pytest_memory.store.runs import sites_from_json

    return {nodeid: sites_from_json(kept) for nodeid, kept in carried.items()}
