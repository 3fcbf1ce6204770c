"""The deep engine: memray's Tracker, with native frames and capture files.

The only module that imports memray. Facts it rests on (memray 1.15 to 1.20):

- One Tracker may be active in a process, and memray does not say whose it is.
- An aggregated capture has the peak and the blocks live at the end, but not what was allocated in all: its
  ``total_allocations`` counts records. A full capture has everything and grows with each allocation; there the same
  field counts the frees too, so the number of calls comes from the statistics.
- A Tracker hides the frames of the thread that starts it; see ``_in_thread``.
"""

from __future__ import annotations

import _thread
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_memory.engines.base import Capabilities, HeapReading, WindowRequest
from pytest_memory.engines.opener import Opener
from pytest_memory.engines.replay import Event, EventKind, replay
from pytest_memory.engines.source import readable_function
from pytest_memory.errors import EngineUnavailable, WindowRefused
from pytest_memory.model import AllocationSite, HeapUsage, StackFrame

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

INSTALL = "pip install 'pytest-memory[memray]'"

_T = TypeVar("_T")

_PADDING = 1 << 16  # bytes; more than a page of any platform

_MARK = 104_729  # bytes; no block of ours or of the interpreter's start has a size like it

_OWN_DIRECTORY = str(Path(__file__).parents[1]) + os.sep


class MemrayEngine:
    """Measures one window at a time with a memray Tracker.

    Raises:
        EngineUnavailable: memray is not installed, cannot be imported, or does not exist for this platform.
    """

    name = "memray"
    capabilities = Capabilities(
        metrics=frozenset(("peak", "allocated", "allocations", "retained")),
        granularities=("malloc", "python"),
        details=("counters", "sampled", "stacks"),
        nests=False,
        cheap=False,
        threads=True,
        captures=True,
    )

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise EngineUnavailable("memray does not exist for Windows", "use --memory-engine=tracemalloc")
        try:
            import memray
        except ModuleNotFoundError as error:
            if error.name != "memray":
                raise EngineUnavailable(f"memray cannot be imported: {error}", INSTALL) from error
            raise EngineUnavailable("memray is not installed", INSTALL) from error
        except ImportError as error:
            raise EngineUnavailable(f"memray cannot be imported: {error}", f"reinstall it: {INSTALL}") from error
        # Its warnings go to file descriptor 2 in the middle of a test, where a capfd fixture would read them.
        memray.set_log_level(logging.ERROR)  # type: ignore[attr-defined]  # missing from its stubs
        self._version = version("memray")
        self._native_wanted = False

    def open(self, request: WindowRequest) -> MemrayWindow:
        """Start a Tracker.

        Raises:
            WindowRefused: Another Tracker is active in this process, or the capture cannot be written.
        """
        self._native_wanted |= _native(request)
        return MemrayWindow(request)

    def stand_aside(self) -> None:
        """Memray hooks nothing between windows."""

    def stand_by(self) -> None:
        """Nothing was unhooked."""

    def notes(self) -> tuple[str, ...]:
        """What to know of this engine here."""
        sentences: list[str] = []
        if sys.version_info[:2] == (3, 12) and _version_tuple(self._version) <= (1, 20, 0):
            sentences.append(
                f"memray {self._version} can crash on Python 3.12 when it stops tracking; a newer one does not"
            )
        if self._native_wanted and not _has_symbols():
            sentences.append("this Python is stripped of its symbols, so memray cannot show native frames")
        return tuple(sentences)

    def held_bytes(self) -> int:
        """Not known: its bookkeeping lies among the allocations that it tracks."""
        return 0


class MemrayWindow:
    """An open Tracker, and the capture that it writes."""

    def __init__(self, request: WindowRequest) -> None:
        self._request = request
        self._resources = ExitStack()
        self._whole_log = request.totals or request.current_thread_only
        self._opener = Opener.here()
        self._profiler = sys.getprofile()
        try:
            self._path = self._capture_path()
            self._tracker = self._start()
        except BaseException:
            self._resources.close()
            raise
        if request.current_thread_only:
            _mark_thread()

    def close(self) -> HeapReading:
        """Stop the Tracker and read its capture."""
        with self._resources:
            self._tracker.__exit__(None, None, None)
            if callable(self._profiler):  # a Tracker puts back the profiler of the thread that started it
                sys.setprofile(self._profiler)
            if self._request.capture is None:
                _drop_padding(self._path)
            return _Capture(self._path, self._request, self._opener).read(whole_log=self._whole_log)

    def _capture_path(self) -> str:
        if self._request.capture is not None:
            return str(self._request.capture)
        if Path("/proc/self/fd").is_dir():
            # A file without a name: the kernel removes it whatever happens to this process.
            file = self._resources.enter_context(tempfile.TemporaryFile(prefix="pytest-memory-"))  # noqa: SIM115
            return f"/proc/{os.getpid()}/fd/{file.fileno()}"
        directory = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="pytest-memory-"))
        return str(Path(directory, "capture.bin"))

    def _start(self) -> Any:
        import memray

        request = self._request
        named = request.capture is not None
        whole, aggregated = memray.FileFormat.ALL_ALLOCATIONS, memray.FileFormat.AGGREGATED_ALLOCATIONS

        def start() -> Any:
            tracker = memray.Tracker(
                # A capture that nobody keeps is not worth compressing.
                destination=memray.FileDestination(self._path, overwrite=True, compress_on_exit=named),
                native_traces=_native(request),
                trace_python_allocators=request.granularity == "python",
                file_format=whole if self._whole_log else aggregated,
            )
            tracker.__enter__()
            return tracker

        try:
            return _in_thread(start)
        except RuntimeError as error:
            if named:
                Path(self._path).unlink(missing_ok=True)  # it holds a header and nothing else
            raise WindowRefused(f"memray cannot track: {error} ({_holder()})", "stop that tracker first") from error
        except OSError as error:
            raise WindowRefused(f"memray cannot write its capture: {error}") from error


def _drop_padding(path: str) -> None:
    """Cut the zeros off the end of a capture.

    An uncompressed one ends in up to a page of them, which memray takes for padding too; but each of its readers looks
    for their beginning byte by byte with a system call, for four milliseconds. Three readers a test were half the cost.
    """
    with Path(path).open("r+b", buffering=0) as capture:
        size = capture.seek(0, os.SEEK_END)
        tail = min(size, _PADDING)
        capture.seek(-tail, os.SEEK_END)
        capture.truncate(size - tail + len(capture.read(tail).rstrip(b"\0")))


def _in_thread(work: Callable[[], _T]) -> _T:
    """Call something in a thread of its own.

    A Tracker leaves out as many frames of the thread that starts it as stand on its stack at that moment, ours among
    them: the test function and its callees would be missing from every call stack of the test's thread.
    """
    results: list[_T] = []
    errors: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.release()

    _thread.start_new_thread(run, ())
    done.acquire()
    if errors:
        raise errors[0]
    return results[0]


def _mark_thread() -> None:
    """Leave an allocation of a known size in the log, by which the thread of the window is found again."""
    bytearray(_MARK)


def _native(request: WindowRequest) -> bool:
    """Leaks are told apart by native frames too, as pytest-memray does: much of what leaks, leaks in C."""
    return request.native_frames or request.leaks


class _Weighed(NamedTuple):
    """A record that stands for a call stack, with its bytes and number of allocations."""

    record: AllocationRecord
    size: int
    number: int


class _Capture:
    """A finished capture, and what is asked of it."""

    def __init__(self, path: str, request: WindowRequest, opener: Opener) -> None:
        self._path = path
        self._request = request
        self._opener = opener
        self._native = _native(request)

    def read(self, *, whole_log: bool) -> HeapReading:
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
    thread = next((record.tid for record in records if _MARK <= record.size < _MARK + 64), None)
    for record in records if thread is not None else ():
        kind = kinds[record.allocator]
        stack = _stack_key(record) if kind in ("allocate", "map") else 0
        yield kind, record.address, record.size, stack, record.tid == thread


def _holder() -> str:
    """Who may hold the active Tracker: memray does not say, but the running frames do."""
    import memray

    for thread in sys._current_frames().values():
        frame: Any = thread
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename.endswith("memray/commands/run.py"):
                return "pytest itself runs under `memray run`"
            ours = filename.startswith(_OWN_DIRECTORY)
            if not ours and any(isinstance(value, memray.Tracker) for value in frame.f_locals.values()):
                return f"opened in {frame.f_code.co_name} at {filename}:{frame.f_lineno}"
            frame = frame.f_back
    if "pytest_memray" in sys.modules:
        return "pytest-memray is loaded too"
    return "opened by the code under test or one of its fixtures"


def _has_symbols() -> bool:
    """Whether memray finds the interpreter's own functions on a native stack: it needs them to mix both kinds."""
    from memray._memray import SymbolicSupport, get_symbolic_support

    return bool(get_symbolic_support() != SymbolicSupport.NONE)


def _version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
