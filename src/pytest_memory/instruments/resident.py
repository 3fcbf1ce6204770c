"""Resident set size over a window, with the kernel's own high-water mark where there is one.

On Linux, writing ``5`` to ``/proc/self/clear_refs`` resets the high-water mark of this process (``VmHWM`` in
``/proc/self/status``, see proc(5)), so that it can be read per window: a spike of a few milliseconds is seen
whatever anybody's sampling interval. The price is that ``getrusage().ru_maxrss``, which is the same counter,
starts anew with each window too; ``sampled`` leaves it alone.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

from ..model import ResidentUsage
from .kernel import PROC

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .kernel import Kernel

ResidentMode = Literal["exact", "sampled", "off"]

if TYPE_CHECKING:

    class ResidentWindow(Protocol):
        """An open window over resident memory."""

        def close(self) -> ResidentUsage:
            """End the window. Windows close in the reverse order of their opening."""
            ...

    class ResidentReader(Protocol):
        """Reads the resident memory of this process."""

        mode: ResidentMode

        @property
        def open(self) -> Callable[[], ResidentWindow]:
            """Open a window."""
            ...


class KernelResident:
    """Exact windows from Linux's own counters.

    Nested windows are right: an inner window resets the mark, and what the mark had reached goes to the outer one.

    Args:
        folder: The counters, ``/proc/self``.

    Raises:
        OSError: They are missing or may not be written.
    """

    mode: ResidentMode = "exact"

    def __init__(self, folder: str = PROC) -> None:
        try:
            from ._kernel import Kernel as Compiled
        except ImportError:  # there was no compiler
            from .procfs import ProcFiles

            self.open: Callable[[], ResidentWindow] = KernelWindows(ProcFiles(folder)).open
        else:
            self.open = Compiled(folder, ResidentUsage).open


class KernelWindows:
    """A stack of windows over the counters, in Python.

    Args:
        kernel: The counters.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._forks = kernel.forks
        self._windows: list[_KernelWindow] = []

    def open(self) -> ResidentWindow:
        """Open a window and reset the high-water mark."""
        if self._windows:
            self._pass_on(self._kernel.read()[1])
        window = _KernelWindow(self, self._kernel.begin())
        self._windows.append(window)
        return window

    def finish(self, window: _KernelWindow) -> ResidentUsage:
        """Close a window and those left open inside it."""
        end, mark = self._kernel.read()
        if window in self._windows:  # it may have ended already, with its parent
            del self._windows[self._windows.index(window) :]
        self._pass_on(mark)
        return ResidentUsage(window.start, end, max(mark, window.highest, window.start))

    def _pass_on(self, mark: int) -> None:
        """Let the open windows know how high the mark stood; in a fork they are its parent's, and it has none."""
        if self._kernel.forks != self._forks:
            self._forks = self._kernel.forks
            self._windows.clear()
        for outer in self._windows:
            outer.highest = max(outer.highest, mark)


class _KernelWindow:
    __slots__ = ("_stack", "highest", "start")

    def __init__(self, stack: KernelWindows, start: int) -> None:
        self._stack = stack
        self.start = start
        self.highest = 0

    def close(self) -> ResidentUsage:
        return self._stack.finish(self)


class SampledResident:
    """Resident memory at both ends of a window, through psutil.

    The peak is the larger of the two, or the process's all-time maximum where that rose inside the window: a
    lower bound, and the report says so.
    """

    mode: ResidentMode = "sampled"

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()

    def open(self) -> ResidentWindow:
        """Open a window."""
        return _SampledWindow(self, self.read(), _all_time_peak())

    def read(self) -> int:
        """Resident bytes now."""
        if self._process.pid != os.getpid():
            import psutil

            self._process = psutil.Process()
        return int(self._process.memory_info().rss)


class _SampledWindow:
    __slots__ = ("_maximum", "_reader", "_start")

    def __init__(self, reader: SampledResident, start: int, maximum: int) -> None:
        self._reader = reader
        self._start = start
        self._maximum = maximum

    def close(self) -> ResidentUsage:
        end = self._reader.read()
        maximum = _all_time_peak()
        peak = max(self._start, end, maximum if maximum > self._maximum else 0)
        return ResidentUsage(start=self._start, end=end, peak=peak)


def resident_reader(mode: ResidentMode) -> tuple[ResidentReader | None, str]:
    """Make the reader asked for, or the best there is.

    Returns:
        The reader (``None`` for ``off``), and why it is not the one asked for (empty if it is).
    """
    if mode == "off":
        return None, ""
    if mode == "sampled":
        return SampledResident(), ""
    try:
        return KernelResident(), ""
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        return (
            SampledResident(),
            f"the resident peak is a lower bound, read at both ends of a phase ({reason})",
        )


def _all_time_peak() -> int:
    """The highest resident size this process has ever had, in bytes; 0 where nobody counts it."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
