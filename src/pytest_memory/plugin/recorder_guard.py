"""The memory guard's side in the test process: stops the running test where the recorder asks for it."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.model import AllocationSite, Limit, Verdict
from pytest_memory.plugin.failing import MemoryLimitExceeded
from pytest_memory.plugin.phases import PhaseHooks
from pytest_memory.recorder.channel import Breadcrumb
from pytest_memory.recorder.crumbs import GuardRequest
from pytest_memory.recorder.guarding import guard_signal
from pytest_memory.report.failures import failure_sections
from pytest_memory.units import human_bytes

_STACKS = 5
"""Frames shown of each call stack: the innermost one of a big allocation is often a library's."""


class MemoryGuardExceeded(BaseException):
    """Raised inside the running test when the memory guard stops it.

    No ``Exception``: a test that catches those, to try again or to clean up, must not go on.
    """

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions


@dataclass(frozen=True, slots=True)
class Stop:
    """The guard has stopped a test.

    Attributes:
        request: Why.
        where: The line that was running.
    """

    request: GuardRequest
    where: str

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        used, allowed = human_bytes(self.request.resident), human_bytes(self.request.threshold)
        return f"the memory guard stopped this test at {self.where}: {used} resident, --memory-guard allows {allowed}"


class CallGuard(Hooks):
    """Raises in the running test when the recorder asks, and only while its call runs.

    Args:
        crumb: The breadcrumb of this process, in which requests are found.
        phases: Knows the call stacks of the running test.
        keep_frames: Somebody wants to debug failed tests: leave their local variables alone.
    """

    def __init__(self, crumb: Breadcrumb, phases: PhaseHooks, *, keep_frames: bool = False) -> None:
        self._crumb = crumb
        self._phases = phases
        self._keep_frames = keep_frames
        self._signal = guard_signal()
        self._previous: Any = None
        self._seen = 0
        self._armed = False
        self._stop: Stop | None = None
        self._sites: tuple[AllocationSite, ...] = ()

    def install(self) -> str:
        """Handle the recorder's signal; give a note if that is not possible."""
        try:
            self._previous = signal.signal(self._signal, self._on_signal)
        except (ValueError, OSError):
            return "the memory guard cannot stop single tests: pytest does not run in the main thread of its process"
        return ""

    def uninstall(self) -> None:
        """Put back what handled the signal before."""
        if signal.getsignal(self._signal) == self._on_signal:
            signal.signal(self._signal, self._previous if self._previous is not None else signal.SIG_DFL)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Arm the guard; fail the test that was stopped, also if it swallowed the exception."""
        self._stop = None
        self._armed = True
        try:
            result = yield
        except BaseException:
            self._disarm()
            raise
        self._disarm()
        if self._stop is not None:
            raise MemoryLimitExceeded(f"{self._stop.message} (the test swallowed MemoryGuardExceeded)")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show what was alive, and let go of it: the next test is to find room."""
        report = yield
        if self._stop is None or call.when != "call":
            return report
        limit = Limit("rss", self._stop.request.threshold, origin="--memory-guard")
        verdict = Verdict(limit, "exceeded", self._stop.request.resident, sites=self._sites)
        report.sections.extend(failure_sections([verdict], verbosity=0, stacks=_STACKS))
        self._stop, self._sites = None, ()
        if call.excinfo is not None and not self._keep_frames:
            clear_frames(call.excinfo.value)
            gc.collect()
        return report

    def _disarm(self) -> None:
        self._armed = False
        attempt = self._phases.attempt
        if self._stop is not None and attempt is not None and attempt.reading is not None:
            self._sites = attempt.reading.sites

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        request = self._crumb.guard_request()
        if request is None or request.generation == self._seen:  # somebody else's signal
            if isinstance(self._previous, Callable):  # type: ignore[arg-type]  # a typing alias, and a real class
                self._previous(number, frame)
            return
        self._seen = request.generation
        if not self._armed:
            return
        self._armed = False
        self._crumb.answer(request)
        self._stop = Stop(request, _place(frame))
        raise MemoryGuardExceeded(self._stop.message)


def _place(frame: FrameType | None) -> str:
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def clear_frames(error: BaseException | None) -> None:
    """Drop the local variables of every frame that an exception and those before it went through."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            _clear_frame(trace.tb_frame)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


def _clear_frame(frame: FrameType) -> None:
    try:
        frame.clear()
    except RuntimeError:  # still running: one of pytest's own
        return
    # Until Python 3.12 a frame keeps the dictionary that pytest's report once asked for, with all the values in it;
    # asking again empties it.
    frame.f_locals  # noqa: B018
