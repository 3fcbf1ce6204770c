"""The memory guard's decisions, on the recorder's side."""

from __future__ import annotations

import signal
import sys
from typing import Literal

from ..model import Activity

GUARD_INTERVAL = 0.02
"""Seconds between two looks of the guard."""

_AGAIN = 0.1
_MARGIN_BYTES = 16 * 1024**2
_MARGIN_PERCENT = 5

Action = Literal["", "stop", "kill"]


def guard_signal() -> int:
    """The signal by which the recorder asks a test process to look at its breadcrumb.

    A real-time signal where there are some: programs hardly ever use those, and tests do use ``SIGUSR1``.
    """
    if sys.platform == "linux":
        return signal.SIGRTMIN + 9
    return int(signal.SIGUSR2) if hasattr(signal, "SIGUSR2") else 0


class Guard:
    """Watches one process with its descendants.

    A test that begins when the level is too high already is not to blame for it: it is stopped only when it raises the
    level further by 5 % of the threshold, and by 16 MiB at least.

    Args:
        threshold: Bytes above which the running test is stopped.
        last_resort: Bytes above which the process is ended.
    """

    def __init__(self, threshold: int, last_resort: int) -> None:
        self.threshold = threshold
        self.last_resort = last_resort
        self.requests = 0
        self._test: int | None = None
        self._level: int | None = None
        self._before = 0
        self._asked_at: float | None = None

    def look(self, time: float, test: int, activity: Activity, total: int) -> Action:
        """Decide what to do now.

        Args:
            time: Seconds (monotonic).
            test: Number of the running test.
            activity: What the process is doing; only a call is stopped.
            total: Bytes of the process and its descendants.

        Returns:
            ``stop`` the test, ``kill`` the process, or nothing.
        """
        if test != self._test:
            self._test, self._asked_at = test, None
            self._before = total if self._level is None else self._level
        self._level = total
        if total > self.last_resort:
            return "kill"
        if activity != "call" or total <= self.threshold or not self._to_blame(total):
            return ""
        if self._asked_at is not None and time - self._asked_at < _AGAIN:
            return ""
        self._asked_at = time
        self.requests += 1
        return "stop"

    def _to_blame(self, total: int) -> bool:
        margin = max(_MARGIN_BYTES, self.threshold * _MARGIN_PERCENT // 100)
        return self._before <= self.threshold or total - self._before > margin
