"""What a test process leaves behind of its tests: where it is, in the breadcrumb; what they used, in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.instruments.watermark import Watermark
from pytest_memory.model.activity import ACTIVITIES
from pytest_memory.recorder.channel import Breadcrumb
from pytest_memory.recorder.journal import JournalWriter, Kind, pack_phase, pack_test

if TYPE_CHECKING:
    from pytest_memory.model import PhaseUsage

_SETUP, _CALL, _TEARDOWN = (ACTIVITIES.index(phase) for phase in ("setup", "call", "teardown"))
_CODES: dict[str, int] = {"setup": _SETUP, "call": _CALL, "teardown": _TEARDOWN}
_BRIEF = 1e-4
"""Seconds for which a reading of resident memory is good enough: most setups and teardowns take no longer."""


class TestLog:
    """Follows the tests of one process.

    A phase shorter than 0.1 ms gets no reading of its own: what it used counts with the phase after it.

    Args:
        crumb: The breadcrumb of this process.
        worker: As in :class:`pytest_memory.model.Series`.

    Attributes:
        journal: Takes each test when it has ended; ``None`` if there is none.
        watermark: Reads resident memory; ``None`` where somebody else does, or nobody can.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, crumb: Breadcrumb, worker: str | None) -> None:
        self._crumb = crumb
        self._worker = worker
        self.journal: JournalWriter | None = None
        self.watermark: Watermark | None = None
        self._nodeid = ""
        self._begun = 0.0
        self._untouched = False
        self._phase = 0
        self._since = 0.0
        self._resident = 0
        self._read_at = 0.0
        self._phases: list[bytes] = []

    @property
    def running(self) -> bool:
        """Whether a test is running."""
        return self._nodeid != ""

    def begin(self, nodeid: str) -> None:
        """A test begins."""
        if self._nodeid:  # nobody said that the one before has ended
            self.finish()
        self._begun = self._crumb.begin(nodeid)
        self._nodeid = nodeid
        self._untouched = True

    def enter(self, nodeid: str, phase: int) -> None:
        """A phase begins, and if the one before did not end it ends now; ``phase`` is an index of ``ACTIVITIES``."""
        if nodeid != self._nodeid or (phase == _SETUP and not self._untouched):
            self.begin(nodeid)  # a rerun, or a protocol of another plugin
        now = self._begun if self._untouched and phase == _SETUP else self._crumb.enter(phase)
        self._untouched = False
        if self._phase:
            self._close(now)
        self._phase, self._since = phase, now
        if self.watermark is not None and now - self._read_at > _BRIEF:
            self._resident, _ = self.watermark.read()
            self._read_at = now

    def leave(self, usage: PhaseUsage, now: float) -> None:
        """The running phase has ended, at ``now`` seconds (monotonic), and somebody has measured it."""
        if self.journal is not None:
            resident = usage.resident
            numbers = self._read(now) if resident is None else (resident.start, resident.end, resident.peak)
            heap_peak = None if usage.heap is None else usage.heap.peak
            self._phases.append(pack_phase(self._phase, self._since, now, numbers, heap_peak))
        self._phase = 0

    def finish(self) -> None:
        """The test has ended: it goes into the journal."""
        now = self._crumb.idle()
        if self._phase:
            self._close(now)
        if self._phases and self.journal is not None:
            self.journal.append(Kind.TEST, pack_test(self._nodeid, self._worker, self._phases))
        self._phases = []
        self._nodeid = ""

    def _close(self, now: float) -> None:
        self._phases.append(pack_phase(self._phase, self._since, now, self._read(now)))
        self._phase = 0

    def _read(self, now: float) -> tuple[int, int, int | None] | None:
        """Resident bytes at the start and at the end of the running phase, and at their highest."""
        if self.watermark is None or now - self._since <= _BRIEF:
            return None
        start = self._resident
        self._resident, peak = self.watermark.read()
        self._read_at = now
        return start, self._resident, None if peak is None else max(start, peak)

    def leave_to_parent(self) -> None:
        """This process is a fork of the one whose tests these are."""
        if self.journal is not None:
            self.journal.close()
        self.journal = self.watermark = None

    def close(self) -> None:
        """Close what is open."""
        if self._nodeid:
            self.finish()
        if self.watermark is not None:
            self.watermark.close()
        if self.journal is not None:
            self.journal.close()
        self.journal = self.watermark = None


class TestHooks:
    """Says where each test begins and ends, also one whose phases run in another process (pytest-forked)."""

    __test__ = False

    def __init__(self, log: TestLog) -> None:
        self._log = log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """It begins."""
        self._log.begin(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        """It has ended."""
        self._log.finish()


class OwnPhases:
    """Follows the phases where nothing of ours measures them.

    These are no wrappers, and read no more than they must: a session that is only recorded hardly pays for it.
    """

    def __init__(self, log: TestLog) -> None:
        self._log = log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The setup begins."""
        self._log.enter(item.nodeid, _SETUP)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """The call begins."""
        self._log.enter(item.nodeid, _CALL)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The teardown begins."""
        self._log.enter(item.nodeid, _TEARDOWN)


def phase_code(phase: str) -> int:
    """The number of a phase in breadcrumb and journal."""
    return _CODES[phase]
