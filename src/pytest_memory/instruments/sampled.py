"""Resident set size at both ends of a window: where the kernel keeps no mark, or its mark is to be left alone."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import psutil

from ..model import ResidentUsage

if TYPE_CHECKING:
    from .resident import ResidentMode, ResidentWindow


class SampledResident:
    """Resident memory at both ends of a window, through psutil.

    The peak is the larger of the two, or the process's all-time maximum where that rose inside the window: a
    lower bound, and the report says so.
    """

    mode: ResidentMode = "sampled"

    def __init__(self) -> None:
        self._process = psutil.Process()

    def open(self) -> ResidentWindow:
        """Open a window."""
        return _SampledWindow(self, self.read(), _all_time_peak())

    def read(self) -> int:
        """Resident bytes now."""
        if self._process.pid != os.getpid():
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


def _all_time_peak() -> int:
    """The highest resident size this process has ever had, in bytes; 0 where nobody counts it."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
