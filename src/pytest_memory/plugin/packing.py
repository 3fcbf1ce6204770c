"""Finished phases as bytes, for as long as the session runs.

A record is a few dozen objects, and a session has thousands of records. Kept as objects they would make every full
garbage collection of the tests longer (on a suite that collects a lot, by a fifth of its time); bytes are nothing to
the collector. They never leave this process.
"""

from __future__ import annotations

import marshal

from pytest_memory.model import AllocationSite, HeapUsage, PhaseUsage, ResidentUsage, StackFrame
from pytest_memory.plugin.transport import FinishedPhase
from pytest_memory.store.runs import verdict_from_json, verdict_to_json

FrameCache = dict[tuple[str, str, int], StackFrame]
"""Frames already made, so that a frame of many stacks is one object."""


def pack_phase(finished: FinishedPhase) -> bytes:
    """A phase as bytes; its sections, which are in the report already, are left out."""
    usage = finished.usage
    heap, resident = usage.heap, usage.resident
    return marshal.dumps(
        (
            finished.nodeid,
            finished.phase,
            usage.seconds,
            usage.unmeasured,
            None if heap is None else (heap.peak, heap.allocated, heap.allocations, heap.retained),
            None if resident is None else (resident.start, resident.end, resident.peak),
            tuple(
                (site.bytes, site.count, tuple((frame.function, frame.filename, frame.lineno) for frame in site.frames))
                for site in finished.sites
            ),
            [verdict_to_json(verdict) for verdict in finished.verdicts],
        )
    )


def unpack_phase(packed: bytes, frames: FrameCache) -> FinishedPhase:
    """Undo :func:`pack_phase`."""
    nodeid, phase, seconds, unmeasured, heap, resident, sites, verdicts = marshal.loads(packed)
    return FinishedPhase(
        nodeid=nodeid,
        phase=phase,
        usage=PhaseUsage(
            seconds=seconds,
            heap=None if heap is None else HeapUsage(*heap),
            resident=None if resident is None else ResidentUsage(*resident),
            unmeasured=unmeasured,
        ),
        sites=tuple(
            AllocationSite(size, count, tuple(_frame(key, frames) for key in stack)) for size, count, stack in sites
        ),
        verdicts=tuple(verdict_from_json(verdict) for verdict in verdicts),
    )


def _frame(key: tuple[str, str, int], frames: FrameCache) -> StackFrame:
    frame = frames.get(key)
    if frame is None:
        frame = frames[key] = StackFrame(*key)
    return frame
