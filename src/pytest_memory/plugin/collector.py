"""Makes records of what travels on reports: one per attempt at a test, from this process or from any worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import BROKEN_KEY, LET_GO_KEY, REPORT_KEY, Hooks
from pytest_memory.plugin.keeping import Attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_memory.model import AllocationSite, TestRecord
    from pytest_memory.plugin.carrying import Waiting
    from pytest_memory.plugin.tally import Key, Tally
    from pytest_memory.plugin.transport import Kept
    from pytest_memory.plugin.unpacking import FrameCache


class _Attempt:
    """What is known of an attempt so far.

    Attributes:
        key: The worker and the test.
        outcome: That of the first phase that did not pass, in the order in which they ran.
        decided: That phase; another report of it counts in place of the one before (pytest-retry makes two).
        phases: What each of them used.
    """

    __slots__ = ("decided", "key", "outcome", "phases")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.outcome = "passed"
        self.decided = ""
        self.phases: list[Kept] = []


class Collector(Hooks):
    """Assembles records from the reports of tests.

    An attempt that is over is kept as bytes until somebody asks for the records (:mod:`pytest_memory.plugin.keeping`).

    Attributes:
        waiting: Gives what was measured and is on no report; ``None`` where nothing is measured.
        when_broken: Called at each report of a phase that failed for a limit, before the terminal asks for its letter.
    """

    __slots__ = (
        "_ended",
        "_key",
        "_last",
        "_location",
        "_running",
        "_whole_sites",
        "waiting",
        "when_broken",
    )

    def __init__(self) -> None:
        self.waiting: Waiting | None = None
        self.when_broken: Callable[[], None] | None = None
        self._running: dict[Key, _Attempt] = {}
        self._ended = Attempts()
        self._whole_sites: dict[Key, tuple[AllocationSite, ...]] = {}
        self._location: object = None
        self._last: object = None
        self._key: Key = (None, "")

    @property
    def tally(self) -> Tally:
        """Counts the attempts that are over."""
        return self._ended.tally

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries; a setup begins an attempt, a teardown ends it.

        pytest keeps the reports until the session ends, without what was taken off them.
        """
        attributes = report.__dict__
        if "context" in attributes:  # a subtest: the test's own report follows
            return
        waiting, location = self.waiting, attributes.get("location")
        if (
            waiting is not None
            and attributes.get("outcome") == "passed"
            and REPORT_KEY not in attributes
            and "wasxfail" not in attributes
        ):
            if attributes.get("when") != "teardown":
                return  # the report of the teardown, or one that has something to say, takes along what waits
            if not self._running:  # none of this test's had anything to say
                self._last = location
                nodeid, phases = waiting.take(report, location)
                self._ended.add((None, nodeid), "passed", phases)
                leave = waiting.leave
                leave()
                return
        if BROKEN_KEY in attributes and self.when_broken is not None:
            self.when_broken()
        when: str = report.when or "call"
        worker = attributes.get("worker_id")
        if when == "???":  # pytest-xdist's report of a test that crashed its worker, on which only the worker itself is
            worker = attributes["node"].gateway.id if "node" in attributes else worker
        key = self._key
        if when == "setup" or location is None or location is not self._location or worker != key[0]:
            # To ask for the node id is a call into pytest; the reports of one test share its location, in its process.
            self._location, key = location, (worker, report.nodeid)
            self._key = key
        attempt = self._running.get(key)
        if attempt is None or when == "setup":
            if attempt is not None:
                self._end(attempt, "unfinished")
            attempt = self._running[key] = _Attempt(key)
        if waiting is not None:
            attempt.phases += waiting.take(report, location)[1]
        carried = attributes.pop(REPORT_KEY, None)
        if carried is not None:
            if carried[0][0] != when and attempt.outcome == "passed":  # a call that flaky did not report
                attempt.outcome, attempt.decided = "rerun", "call"
            attempt.phases += carried
        for let_go in attributes.pop(LET_GO_KEY, ()):
            self.let_go(worker, *let_go)
        if attempt.outcome == "passed" or attempt.decided == when:
            attempt.outcome, attempt.decided = _phase_outcome(report, when), when
        if when != "setup" and when != "call":
            self._last = location
            self._end(attempt, attempt.outcome)
            if waiting is not None:
                waiting.leave()

    def let_go(self, worker: str | None, nodeid: str, end: int, resident: int) -> None:
        """What :attr:`PhaseHooks.when_let_go` is told, of a test that is over."""
        self._ended.let_go((worker, nodeid), end, resident)

    def add_whole_sites(self, worker: str | None, sites: Mapping[str, tuple[AllocationSite, ...]]) -> None:
        """Take the whole call stacks that a process kept for the tests shown in the report."""
        self._whole_sites |= {(worker, nodeid): kept for nodeid, kept in sites.items()}

    def records(self) -> tuple[TestRecord, ...]:
        """One record per attempt; those still running are ``unfinished``: no more reports come."""
        self._end_all()
        return self._records(range(len(self._ended)))

    def heaviest(self, count: int | None) -> tuple[TestRecord, ...]:
        """So many records, or all, of those attempts of which something was measured; the heaviest first."""
        self._end_all()
        return self._records(self.tally.heaviest(count))

    def _records(self, positions: Iterable[int]) -> tuple[TestRecord, ...]:
        from pytest_memory.garbage import without_collections
        from pytest_memory.plugin.unpacking import unpack_record

        records: list[TestRecord] = []
        frames: FrameCache = {}
        tally = self.tally
        with without_collections():
            for position in positions:
                key, outcome, phases = self._ended[position]
                record = unpack_record(*key, outcome, phases, frames)
                whole = self._whole_sites.get(key)
                if whole is not None and record.sites and tally.is_last(key, position):  # not those of a rerun
                    record = record._replace(sites=whole)
                records.append(record)
        return tuple(records)

    def _end_all(self) -> None:
        """No more reports come."""
        unfinished = self.waiting.unfinished(self._last) if self.waiting is not None else None
        if unfinished is not None:
            nodeid, phases = unfinished
            attempt = self._running.setdefault((None, nodeid), _Attempt((None, nodeid)))
            attempt.phases += phases
        for attempt in list(self._running.values()):
            self._end(attempt, "unfinished")
        self.waiting = None

    def _end(self, attempt: _Attempt, outcome: str) -> None:
        del self._running[attempt.key]
        self._ended.add(attempt.key, outcome, attempt.phases)


def _phase_outcome(report: pytest.TestReport, when: str) -> str:
    if when == "???":  # pytest-xdist's own
        return "crashed"
    outcome = report.outcome
    if "wasxfail" in report.__dict__:
        return "xfailed" if outcome == "skipped" else "xpassed"
    return "error" if outcome == "failed" and when != "call" else outcome
