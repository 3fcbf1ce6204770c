"""What a test process leaves behind of its tests: where it is, in the breadcrumb; what they used, in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.instruments.watermark import Watermark
from pytest_memory.model.activity import ACTIVITIES
from pytest_memory.recorder.channel import Breadcrumb
from pytest_memory.recorder.journal import ABSENT, JournalWriter, Kind, pack_test

if TYPE_CHECKING:
    from pytest_memory.model import Phase, PhaseUsage

_SETUP, _CALL, _TEARDOWN = (ACTIVITIES.index(phase) for phase in ("setup", "call", "teardown"))
_TEST = Kind.TEST
_CODES: dict[str, int] = {"setup": _SETUP, "call": _CALL, "teardown": _TEARDOWN}
_UNREAD = ABSENT, ABSENT, ABSENT
_BRIEF = 1e-4
"""Seconds for which a reading of resident memory is good enough: most setups and teardowns take no longer."""


class TestLog:
    """Follows the tests of one process, and is the plugin that is told where each begins and ends.

    A phase shorter than 0.1 ms gets no reading of its own: what it used counts with the phase after it.

    Args:
        crumb: The breadcrumb of this process.
        worker: As in :class:`pytest_memory.model.Series`.

    Attributes:
        journal: Takes each test when it has ended; ``None`` if there is none, and then nothing is read or kept.
        watermark: Reads resident memory; ``None`` where somebody else does, or nobody can.
    """

    __slots__ = (
        "_crumb",
        "_item",
        "_nodeid",
        "_phase",
        "_phases",
        "_read_at",
        "_resident",
        "_since",
        "_untouched",
        "_worker",
        "journal",
        "watermark",
    )
    __test__ = False  # no test of pytest's

    def __init__(self, crumb: Breadcrumb, worker: str | None) -> None:
        self._crumb = crumb
        self._worker = worker
        self.journal: JournalWriter | None = None
        self.watermark: Watermark | None = None
        self._nodeid = ""
        self._item: pytest.Item | None = None
        self._untouched = False
        self._phase = 0
        self._since = 0.0
        self._resident = 0
        self._read_at = 0.0
        self._phases: list[float] = []

    @property
    def running(self) -> bool:
        """Whether a test is running."""
        return self._nodeid != ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins, also one whose phases run in another process (pytest-forked)."""
        if self._nodeid:  # nobody said that the one before has ended
            self.pytest_runtest_logfinish()
        self._since = self._crumb.begin(nodeid)
        self._nodeid = nodeid
        self._untouched = True

    def enter(self, item: pytest.Item, phase: int) -> None:
        """A phase begins, and if the one before did not end it ends now; ``phase`` is an index of ``ACTIVITIES``."""
        if phase == _SETUP or item is not self._item:
            self._recognise(item, phase)
        now = self._since if phase == _SETUP else self._crumb.enter(phase)  # a test begins with its setup
        self._untouched = False
        if self.journal is None:
            return
        if self._phase:
            self._close(now)
        self._phase, self._since = phase, now
        if self.watermark is not None and now - self._read_at > _BRIEF:
            self._resident, _ = self.watermark.read()
            self._read_at = now

    def phase_began(self, item: pytest.Item, phase: Phase) -> None:
        """A phase begins that somebody measures."""
        self.enter(item, _CODES[phase])

    def phase_ended(self, item: pytest.Item, phase: Phase, usage: PhaseUsage) -> None:
        """The running phase has ended, and somebody has measured it."""
        if self.journal is None:
            return
        now, measured = self._crumb.clock(), usage.resident
        if measured is None:
            first, last, peak = self._read(now)
        else:
            first, last, peak = measured.start, measured.end, ABSENT if measured.peak is None else measured.peak
        heap_peak = ABSENT if usage.heap is None or usage.heap.peak is None else usage.heap.peak
        self._phases += (self._phase, self._since, now, first, last, peak, heap_peak)
        self._phase = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        """The test has ended: it goes into the journal."""
        now = self._crumb.enter(0)
        if self.journal is not None:
            if self._phase:
                self._close(now)
            if self._phases:
                self.journal.append(_TEST, pack_test(self._nodeid, self._worker, self._phases))
                self._phases = []
        self._nodeid, self._item = "", None

    def _recognise(self, item: pytest.Item, phase: int) -> None:
        nodeid = item.nodeid
        if nodeid != self._nodeid or (phase == _SETUP and not self._untouched):
            self.pytest_runtest_logstart(nodeid)  # a rerun, or a protocol of another plugin
        self._item = item

    def _close(self, now: float) -> None:
        first, last, peak = self._read(now)
        self._phases += (self._phase, self._since, now, first, last, peak, ABSENT)
        self._phase = 0

    def _read(self, now: float) -> tuple[int, int, int]:
        """Resident bytes at the start and at the end of the running phase, and at their highest, for the journal."""
        if self.watermark is None or now - self._since <= _BRIEF:
            return _UNREAD
        start = self._resident
        self._resident, peak = self.watermark.read()
        self._read_at = now
        if peak is None:
            return start, self._resident, ABSENT
        return start, self._resident, peak if peak > start else start

    def leave_to_parent(self) -> None:
        """This process is a fork of the one whose tests these are."""
        if self.journal is not None:
            self.journal.close()
        self.journal = self.watermark = None

    def close(self) -> None:
        """Close what is open."""
        if self._nodeid:
            self.pytest_runtest_logfinish()
        if self.watermark is not None:
            self.watermark.close()
        if self.journal is not None:
            self.journal.close()
        self.journal = self.watermark = None


class OwnPhases:
    """Follows the phases where nothing of ours measures them.

    These are no wrappers, and read no more than they must: a session that is only recorded hardly pays for it.
    """

    __slots__ = ("_log",)

    def __init__(self, log: TestLog) -> None:
        self._log = log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The setup begins."""
        self._log.enter(item, _SETUP)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """The call begins."""
        self._log.enter(item, _CALL)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The teardown begins."""
        self._log.enter(item, _TEARDOWN)
