"""Reading a capture: what was used, by which call stacks, in the whole process or by one thread."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_memory.engines.base import HeapReading, WindowRequest
from pytest_memory.engines.opener import Opener
from pytest_memory.engines.replay import Event, EventKind, replay
from pytest_memory.engines.source import readable_function
from pytest_memory.model import AllocationSite, HeapUsage, StackFrame

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

MARK = 104_729
"""Bytes of an allocation by which the thread of a window is found again; nothing of ours has a size like it."""

_PADDING = 1 << 16
"""Bytes; more than a page of any platform."""

_OWN_DIRECTORY = str(Path(__file__).parents[2]) + os.sep


def has_symbols() -> bool:
    """Whether memray finds the interpreter's own functions on a native stack: it needs them to mix both kinds.

    A Python that exports some names (``FUNCTION_NAME_ONLY``, such as Debian's) does not name the ones in question.
    """
    from memray._memray import SymbolicSupport, get_symbolic_support

    return bool(get_symbolic_support() == SymbolicSupport.TOTAL)


def traces_native(request: WindowRequest) -> bool:
    """Leaks are told apart by native frames too, as pytest-memray does: much of what leaks, leaks in C."""
    return request.native_frames or request.leaks


def drop_padding(path: str) -> None:
    """Cut the zeros off the end of a capture.

    An uncompressed one ends in up to a page of them, which memray takes for padding too; but each of its readers looks
    for their beginning byte by byte with a system call, for four milliseconds. Three readers a test were half the cost.
    """
    with Path(path).open("r+b", buffering=0) as capture:
        size = capture.seek(0, os.SEEK_END)
        tail = min(size, _PADDING)
        capture.seek(-tail, os.SEEK_END)
        capture.truncate(size - tail + len(capture.read(tail).rstrip(b"\0")))


class _Weighed(NamedTuple):
    """A record that stands for a call stack, with its bytes and number of allocations."""

    record: AllocationRecord
    size: int
    number: int


class Capture:
    """A finished capture, and what is asked of it."""

    def __init__(self, path: str, request: WindowRequest, opener: Opener) -> None:
        self._path = path
        self._request = request
        self._opener = opener
        self._native = traces_native(request) and has_symbols()  # without them a mixed stack is all unknown

    def read(self, *, whole_log: bool) -> HeapReading:
        """Everything that was asked for.

        Args:
            whole_log: It holds every allocation, not only those that matter at the peak and at the end.
        """
        import memray

        try:
            reader = memray.FileReader(self._path)
        except OSError as error:
            return HeapReading(None, unmeasured=f"memray's capture cannot be read: {error}")
        with closing(reader):
            return self._thread(reader) if self._request.current_thread_only else self._process(reader, whole_log)

    def _process(self, reader: FileReader, whole_log: bool) -> HeapReading:
        allocated = allocations = None
        if whole_log:
            from memray._memray import compute_statistics

            statistics = compute_statistics(self._path, num_largest=1)
            allocated, allocations = statistics.total_memory_allocated, statistics.total_num_allocations
        leaked = _weighed(reader.get_leaked_allocation_records(merge_threads=True))
        retained = sum(weighed.size for weighed in leaked)
        at_peak: Iterable[_Weighed] = ()
        if self._request.detail != "counters":
            at_peak = _weighed(reader.get_high_watermark_allocation_records(merge_threads=True))
        return HeapReading(
            HeapUsage(reader.metadata.peak_memory, allocated, allocations, retained),
            self._sites(at_peak),
            self._sites(leaked) if self._request.leaks else (),
        )

    def _thread(self, reader: FileReader) -> HeapReading:
        whole = replay(_thread_events(reader))
        if not whole.read:
            return HeapReading(None, unmeasured="memray's capture does not show the thread that opened the window")
        sites: tuple[AllocationSite, ...] = ()
        leaked: tuple[AllocationSite, ...] = ()
        if self._request.detail != "counters":
            at_peak = replay(_thread_events(reader), until=whole.peak_at)
            sites = self._sites(_with_records(reader, at_peak.stacks()))
        if self._request.leaks:
            leaked = self._sites(_with_records(reader, whole.stacks()))
        return HeapReading(HeapUsage(whole.peak, whole.allocated, whole.allocations, whole.live), sites, leaked)

    def _sites(self, records: Iterable[_Weighed]) -> tuple[AllocationSite, ...]:
        sites = [AllocationSite(weighed.size, weighed.number, self._frames(weighed.record)) for weighed in records]
        theirs = (site for site in sites if not _is_bookkeeping(site))
        return tuple(sorted(theirs, key=lambda site: site.bytes, reverse=True))

    def _frames(self, record: AllocationRecord) -> tuple[StackFrame, ...]:
        mixed = record.hybrid_stack_trace() if self._native else None
        stack = self._opener.cut(record.stack_trace(), mixed)
        return tuple(
            StackFrame(readable_function(function, filename, lineno), filename, lineno)
            for function, filename, lineno in stack
        )


def _is_bookkeeping(site: AllocationSite) -> bool:
    """A few hundred bytes with which the meter itself opens and closes the window; nobody can do anything about it."""
    return bool(site.frames) and site.frames[-1].filename.startswith(_OWN_DIRECTORY)


def _weighed(records: Iterable[AllocationRecord]) -> list[_Weighed]:
    return [_Weighed(record, record.size, record.n_allocations) for record in records]


def _with_records(reader: FileReader, stacks: Mapping[int, tuple[int, int]]) -> Iterator[_Weighed]:
    """A record of each call stack, by which memray can name its frames."""
    missing = dict(stacks)
    for record in reader.get_allocation_records():
        weight = missing.pop(_stack_key(record), None) if record.size else None
        if weight is not None:
            yield _Weighed(record, *weight)
        if not missing:
            return


def _stack_key(record: AllocationRecord) -> int:
    return hash((record.tid, record.stack_id, record.native_stack_id, record.native_segment_generation))


def _thread_events(reader: FileReader) -> Iterator[Event]:
    """The log as the thread of the window lived it, from its mark on."""
    from memray import AllocatorType

    kinds: dict[int, EventKind] = dict.fromkeys(AllocatorType, "allocate")
    kinds[AllocatorType.FREE] = kinds[AllocatorType.PYMALLOC_FREE] = "free"
    kinds[AllocatorType.MMAP] = "map"
    kinds[AllocatorType.MUNMAP] = "unmap"
    records = iter(reader.get_allocation_records())
    thread = next((record.tid for record in records if MARK <= record.size < MARK + 64), None)
    for record in records if thread is not None else ():
        kind = kinds[record.allocator]
        stack = _stack_key(record) if kind in ("allocate", "map") else 0
        yield kind, record.address, record.size, stack, record.tid == thread
