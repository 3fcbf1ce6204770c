"""The memory guard's decisions, on the recorder's side."""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Literal

    from ..model import Activity

    Action = Literal["", "stop", "kill"]

GUARD_INTERVAL = 0.02
"""Seconds between two looks of the guard."""

_AGAIN = 0.1
"""Seconds after which a test that did not react is asked again, or the process is ended."""

_PATIENCE = 10.0
"""Seconds in which a stopped test may let go of its memory; making its report takes a while."""

_MARGIN_BYTES = 16 * 1024**2
_MARGIN_PERCENT = 5


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
    level further by 5 % of the threshold, and by 16 MiB at least. Above the second threshold the process is ended, but
    a test that can be stopped gets its chance first.

    Args:
        threshold: Bytes above which the running test is stopped.
        last_resort: Bytes above which the process is ended.

    Attributes:
        requests: How often a test was asked to stop.
    """

    def __init__(self, threshold: int, last_resort: int) -> None:
        self.threshold = threshold
        self.last_resort = last_resort
        self.requests = 0
        self._test: int | None = None
        self._before = 0
        self._level: int | None = None
        self._asked_at: float | None = None
        self._stopped_at: float | None = None
        self._stopped_level = 0
        self._answers = 0

    def look(self, time: float, test: int, activity: Activity, total: int, *, answered: int = 0) -> Action:
        """Decide what to do now.

        Args:
            time: Seconds (monotonic).
            test: Number of the running test.
            activity: What the process is doing; only a call is stopped.
            total: Bytes of the process and its descendants.
            answered: Number of the last request after which a test was stopped.

        Returns:
            ``stop`` the test, ``kill`` the process, or nothing.
        """
        if test != self._test:
            self._begin(test, total)
        self._level = total
        if answered > self._answers:
            self._answers, self._stopped_at, self._stopped_level = answered, time, total
        if self._stopped_at is not None:
            return "kill" if self._is_unstoppable(time, total) else ""
        if activity == "call" and total > self.threshold and self._is_to_blame(total):
            if self._asked_at is None:
                self._asked_at = time
                return self._stop()
            if time - self._asked_at < _AGAIN:
                return ""
            self._asked_at = time
            return self._stop() if total <= self.last_resort else "kill"
        return "kill" if total > self.last_resort else ""

    def _begin(self, test: int, total: int) -> None:
        self._test, self._asked_at, self._stopped_at = test, None, None
        self._before = total if self._level is None else min(total, self._level)

    def _stop(self) -> Action:
        self.requests += 1
        return "stop"

    def _is_to_blame(self, total: int) -> bool:
        return self._before <= self.threshold or total - self._before > self._margin

    def _is_unstoppable(self, time: float, total: int) -> bool:
        """A stopped test goes on taking memory, or does not let go of it."""
        assert self._stopped_at is not None
        grows = total > self._stopped_level + self._margin
        return total > self.last_resort and (grows or time - self._stopped_at > _PATIENCE)

    @property
    def _margin(self) -> int:
        return max(_MARGIN_BYTES, self.threshold * _MARGIN_PERCENT // 100)
