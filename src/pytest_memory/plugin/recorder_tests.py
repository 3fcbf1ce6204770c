"""What a test process leaves behind of its tests: where it is, in the breadcrumb; what they used, in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.recorder.cells import make_follower

if TYPE_CHECKING:
    from pytest_memory.instruments.watermark import Watermark
    from pytest_memory.model import PhaseUsage
    from pytest_memory.recorder.channel import Breadcrumb
    from pytest_memory.recorder.journal import JournalWriter


class TestLog:
    """Follows the tests of one process.

    A phase shorter than 0.1 ms gets no reading of its own: what it used counts with the phase after it.

    Args:
        crumb: The breadcrumb of this process.
        worker: As in :class:`pytest_memory.model.Series`.

    Attributes:
        begin: See :meth:`Follower.begin <pytest_memory.recorder.cells.Follower.begin>`.
        enter: See :meth:`Follower.enter <pytest_memory.recorder.cells.Follower.enter>`.
        leave: See :meth:`Follower.finish <pytest_memory.recorder.cells.Follower.finish>`.
        takes_usage: Whether there is a journal, for which the end of a phase matters.
    """

    __slots__ = (
        "_follower",
        "_journal",
        "_watermark",
        "begin",
        "enter",
        "leave",
        "takes_usage",
    )
    __test__ = False  # no test of pytest's

    def __init__(self, crumb: Breadcrumb, worker: str | None) -> None:
        self._journal: JournalWriter | None = None
        self._watermark: Watermark | None = None
        self._follower = follower = make_follower(crumb.cells, worker)
        self.begin, self.enter, self.leave = follower.begin, follower.enter, follower.finish
        self.takes_usage = False

    @property
    def running(self) -> bool:
        """Whether a test is running."""
        return self._follower.running

    @property
    def journal(self) -> JournalWriter | None:
        """Takes each test when it has ended; ``None`` if there is none, and then nothing is read or kept."""
        return self._journal

    @journal.setter
    def journal(self, journal: JournalWriter | None) -> None:
        self._journal = journal
        self.takes_usage = journal is not None
        self._follower.put = None if journal is None else journal.put

    @property
    def watermark(self) -> Watermark | None:
        """Reads resident memory; ``None`` where somebody else does, or nobody can."""
        return self._watermark

    @watermark.setter
    def watermark(self, watermark: Watermark | None) -> None:
        self._watermark = watermark
        self._follower.read = None if watermark is None else watermark.read

    def phase_ended(self, usage: PhaseUsage) -> None:
        """The running phase has ended, and somebody has measured it."""
        self._follower.end(usage.resident, None if usage.heap is None else usage.heap.peak)

    def leave_to_parent(self) -> None:
        """This process is a fork of the one whose tests these are."""
        if self._journal is not None:
            self._journal.close()
        self.journal = self.watermark = None

    def close(self) -> None:
        """Close what is open."""
        if self.running:
            self.leave()
        if self._watermark is not None:
            self._watermark.close()
        if self._journal is not None:
            self._journal.close()
        self.journal = self.watermark = None


class AnnouncedTests(Hooks):
    """Is told where each test begins and ends by pytest.

    Registered where nobody else can tell: two more hooks cost every test.

    Args:
        log: Follows the tests.
    """

    __slots__ = ("_log",)

    def __init__(self, log: TestLog) -> None:
        self._log = log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins, also one whose phases run in another process (pytest-forked)."""
        begin = self._log.begin
        begin(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        """The test has ended: it goes into the journal."""
        leave = self._log.leave
        leave()
