"""A window: one Tracker, from its start in a thread of its own to the reading of its capture."""

from __future__ import annotations

import _thread
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

from pytest_memory.engines.base import HeapReading, WindowRequest
from pytest_memory.engines.memray.capture import MARK, Capture, drop_padding, traces_native
from pytest_memory.engines.opener import Opener
from pytest_memory.errors import WindowRefused

_T = TypeVar("_T")

_OWN_DIRECTORY = str(Path(__file__).parents[2]) + os.sep


class MemrayWindow:
    """An open Tracker, and the capture that it writes."""

    def __init__(self, request: WindowRequest) -> None:
        self._request = request
        self._resources = ExitStack()
        self._whole_log = request.totals or request.current_thread_only
        self._opener = Opener.here()
        self._profiler = sys.getprofile()
        self._nameless: _NamelessFile | None = None
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
            if self._nameless is not None and not self._nameless.is_there():
                return HeapReading(None, unmeasured="the code under test closed the file that memray writes to")
            if self._request.capture is None:
                drop_padding(self._path)
            return Capture(self._path, self._request, self._opener).read(whole_log=self._whole_log)

    def _capture_path(self) -> str:
        if self._request.capture is not None:
            return str(self._request.capture)
        if Path("/proc/self/fd").is_dir():
            self._nameless = self._resources.enter_context(closing(_NamelessFile()))
            return self._nameless.path
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
                native_traces=traces_native(request),
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


class _NamelessFile:
    """A file without a name: the kernel removes it whatever happens to this process.

    Code under test may close descriptors that are not its own, and get the same number for a file of its own.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile(prefix="pytest-memory-") as file:
            self._descriptor = os.dup(file.fileno())
        self._identity = os.fstat(self._descriptor)
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def is_there(self) -> bool:
        """Whether the descriptor is still open, and still this file's."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._identity)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of it, which removes it."""
        if self.is_there():
            os.close(self._descriptor)


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
    bytearray(MARK)


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
