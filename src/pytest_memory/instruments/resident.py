"""Resident set size over a window, with the kernel's own high-water mark where there is one.

On Linux, writing ``5`` to ``/proc/self/clear_refs`` resets the high-water mark of this process (``VmHWM`` in
``/proc/self/status``, see proc(5)), so that it can be read per window: a spike of a few milliseconds is seen
whatever anybody's sampling interval. The price is that ``getrusage().ru_maxrss``, which is the same counter,
starts anew with each window too; ``sampled`` leaves it alone.
"""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from ..model import ResidentUsage

ResidentMode = Literal["exact", "sampled", "off"]

_PROC = Path("/proc/self")
_MARK_AND_RESIDENT = re.compile(rb"VmHWM:\s*(\d+) kB\nVmRSS:\s*(\d+) kB")
_BATCH = 1024**2
"""Two counters of the kernel that differ by less are taken for equal: it counts in batches."""

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class ResidentWindow(Protocol):
    """An open window over resident memory."""

    def close(self) -> ResidentUsage:
        """End the window. Windows close in the reverse order of their opening."""
        ...


class ResidentReader(Protocol):
    """Reads the resident memory of this process."""

    mode: ResidentMode

    def open(self) -> ResidentWindow:
        """Open a window."""
        ...


class KernelResident:
    """Exact windows from Linux's own counters.

    Nested windows are right: an inner window resets the mark, and what the mark had reached goes to the outer one.
    The descriptors are held open (0.7 µs instead of 20 µs a reset) and belong to the process that opened them, so a
    forked child opens its own.

    The mark is read with getrusage(2), a tenth of the time that ``status`` takes. Its ``ru_maxrss`` is the larger of
    the mark and a constant, the peak of the program that exec'ed this one. So it is trusted from a value upwards at
    which the two have agreed; what is below is looked up in ``status``.

    Raises:
        OSError: ``/proc`` is missing or may not be written.
    """

    mode: ResidentMode = "exact"

    def __init__(self, proc: Path = _PROC) -> None:
        import resource

        self._proc = proc
        self._trusted = sys.maxsize
        self._usage = partial(resource.getrusage, resource.RUSAGE_SELF)
        self._windows: list[_KernelWindow] = []
        self._connect()

    def open(self) -> _KernelWindow:
        """Open a window and reset the high-water mark."""
        if self._pid != os.getpid():
            self._connect()
            self._windows.clear()
        if self._windows:
            start, mark = self.read()
            for outer in self._windows:
                outer.highest = max(outer.highest, mark)
        else:
            start = self.read_resident()
        self.reset()
        window = _KernelWindow(self, start)
        self._windows.append(window)
        return window

    def read(self) -> tuple[int, int]:
        """Resident bytes now, and the most since the last reset (the kernel counts in batches of about 300 KiB)."""
        maximum = self._usage().ru_maxrss * 1024
        if maximum >= self._trusted:
            resident = self.read_resident()
            return resident, max(resident, maximum)
        resident, mark = self._read_status()
        if maximum - mark < _BATCH:
            self._trusted = maximum
        return resident, mark

    def _read_status(self) -> tuple[int, int]:
        match = _MARK_AND_RESIDENT.search(os.pread(self._status, 4096, 0))
        assert match is not None  # both lines are there for every process that has memory
        mark, resident = int(match[1]) * 1024, int(match[2]) * 1024
        return resident, max(resident, mark)

    def read_resident(self) -> int:
        """Resident bytes now, from ``statm``: a sixth of the time that ``status`` takes."""
        return int(os.pread(self._statm, 128, 0).split(b" ", 2)[1]) * _PAGE

    def reset(self) -> None:
        """Let the high-water mark start again from what is resident now."""
        os.pwrite(self._clear, b"5", 0)

    def finish(self, window: _KernelWindow) -> ResidentUsage:
        """Close a window and those left open inside it."""
        if self._pid != os.getpid():  # closed in a child of the process that opened it
            self._connect()
            self._windows.clear()
        end, mark = self.read()
        if window in self._windows:  # it may have ended already, with its parent
            del self._windows[self._windows.index(window) :]
        for outer in self._windows:
            outer.highest = max(outer.highest, mark)
        return ResidentUsage(start=window.start, end=end, peak=max(mark, window.highest, window.start))

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._status = os.open(self._proc / "status", os.O_RDONLY | os.O_CLOEXEC)
        self._statm = os.open(self._proc / "statm", os.O_RDONLY | os.O_CLOEXEC)
        self._clear = os.open(self._proc / "clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        self._trusted = sys.maxsize  # a fork takes the constant away, or leaves another
        self.reset()


class _KernelWindow:
    __slots__ = ("_reader", "highest", "start")

    def __init__(self, reader: KernelResident, start: int) -> None:
        self._reader = reader
        self.start = start
        self.highest = 0

    def close(self) -> ResidentUsage:
        return self._reader.finish(self)


class SampledResident:
    """Resident memory at both ends of a window, through psutil.

    The peak is the larger of the two, or the process's all-time maximum where that rose inside the window: a
    lower bound, and the report says so.
    """

    mode: ResidentMode = "sampled"

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()

    def open(self) -> _SampledWindow:
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
