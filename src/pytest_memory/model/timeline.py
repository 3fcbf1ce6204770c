"""A session over time: samples of its processes, spans of its tests, and how it ended.

All times are seconds of ``time.monotonic()`` of the machine that ran the tests, so values of different processes
compare; :attr:`Timeline.origin` is the time of the session's start, :attr:`Timeline.started` the same by the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .usage import ResidentUsage

Activity = Literal["", "setup", "call", "teardown", "collection"]
"""What a test process was doing: one of a test's phases, collecting, or nothing that has a name."""


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one process, as columns of one length, in order of time.

    Attributes:
        worker: pytest-xdist's worker (``gw0``), :data:`CONTROLLER`, or ``None`` without xdist.
        pid: Its process id; 0 if unknown.
        times: Seconds (monotonic).
        resident: Resident bytes of the process itself.
        children: Resident bytes of all its descendants together; pages shared between them count more than once.
        tests: Node id of the running test (``""`` between tests), or of the collector while collecting.
        activities: What it was doing.
    """

    worker: str | None
    pid: int
    times: Sequence[float]
    resident: Sequence[int]
    children: Sequence[int]
    tests: Sequence[str]
    activities: Sequence[Activity]


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of one test.

    Attributes:
        nodeid: pytest's node id.
        activity: The phase, or ``""`` where the source knows only the test.
        worker: As in :class:`Series`.
        start: Seconds (monotonic).
        end: Seconds (monotonic); ``None`` if it was still running when the record ends.
        resident: Exact resident memory over the phase, or ``None``.
        heap_peak: Exact heap peak of the phase in bytes, or ``None``.
    """

    nodeid: str
    activity: Activity
    worker: str | None
    start: float
    end: float | None
    resident: ResidentUsage | None = None
    heap_peak: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryBounds:
    """How much memory a process may have, and how short of it the machine is. Bytes; ``None`` = unknown.

    Attributes:
        machine_total: Physical memory.
        machine_available: What could be had without swapping.
        group: Path of the cgroup whose limit is the tightest.
        group_limit: That limit; ``None`` if there is none.
        group_usage: What that cgroup uses.
        group_kills: Processes of the cgroup killed for memory since it was made.
        machine_kills: Processes of the whole machine killed for memory since it started.
        pressure: Percent of the last ten seconds in which some task waited for memory (PSI ``some avg10``).
    """

    machine_total: int | None = None
    machine_available: int | None = None
    group: str = ""
    group_limit: int | None = None
    group_usage: int | None = None
    group_kills: int | None = None
    machine_kills: int | None = None
    pressure: float | None = None

    @property
    def limit(self) -> int | None:
        """The tighter of the cgroup's limit and the machine's memory, in bytes."""
        known = [size for size in (self.group_limit, self.machine_total) if size is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Death:
    """A test process that ended without saying so.

    Attributes:
        worker: As in :class:`Series`.
        pid: Its process id.
        time: When it was noticed, in seconds (monotonic); ``None`` if nobody was there to notice.
        nodeid: The test (or collector) that was running; ``""`` if none was.
        activity: What it was doing.
        activity_since: When that began, in seconds (monotonic).
        test_since: When the test began, in seconds (monotonic).
        status: How it ended, in the encoding of ``os.wait``; ``None`` if that could not be learnt.
        bounds: Limits of memory at that moment.
        bounds_before: The same at the start of the session, to compare counters.
        guard: The second threshold of the memory guard in bytes, where the guard ended the process.
    """

    worker: str | None
    pid: int
    time: float | None
    nodeid: str
    activity: Activity
    activity_since: float
    test_since: float
    status: int | None = None
    bounds: MemoryBounds | None = None
    bounds_before: MemoryBounds | None = None
    guard: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything known about a session over time.

    Attributes:
        series: One per process that was sampled.
        spans: One per phase of a test, in the order in which the tests ended.
        origin: Time of the session's start, in seconds (monotonic).
        started: The same moment in seconds since the epoch; ``None`` if unknown.
        metadata: What else the source says of the session: ``rootdir``, ``interval``, ``memlog``, and of a session
            that ended what the ``recorder`` itself used (``cpu_seconds``, ``resident_peak`` in bytes).
        deaths: Test processes that ended without saying so, in order.
        ended: The session ended in an orderly way.
        status: pytest's exit status, if it ended.
        notes: Sentences for the reader: what was not recorded, and why.
    """

    series: tuple[Series, ...]
    spans: tuple[Span, ...]
    origin: float
    started: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    deaths: tuple[Death, ...] = ()
    ended: bool = False
    status: int | None = None
    notes: tuple[str, ...] = ()
