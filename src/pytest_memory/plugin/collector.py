"""Makes records of what travels on reports: one per attempt at a test, from this process or from any worker."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pytest_memory.entry import REPORT_KEY
from pytest_memory.model import AllocationSite, TestRecord
from pytest_memory.plugin.transport import FrameCache, Packed, unpack_record
from pytest_memory.store.garbage import without_collections


class _Attempt:
    """What is known of an attempt: the outcome of each phase reported so far, and what each used."""

    __slots__ = ("outcomes", "phases")

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.phases: list[Packed] = []


class Collector:
    """Assembles records from the reports of tests.

    An attempt that is over is kept as bytes until somebody asks for the records. A record is a few dozen objects, and
    a session has thousands of records: kept as objects they would make every full garbage collection of the tests
    longer, on a suite that collects a lot by a fifth of its time. The bytes never leave this process.
    """

    __slots__ = ("_ended", "_running", "_whole_sites")

    def __init__(self) -> None:
        self._running: dict[tuple[str | None, str], _Attempt] = {}
        self._ended: list[bytes] = []
        self._whole_sites: dict[tuple[str | None, str], tuple[AllocationSite, ...]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries; a setup begins an attempt, a teardown ends it.

        pytest keeps the reports until the session ends, without what was taken off them.
        """
        attributes = report.__dict__
        if "context" in attributes:  # a subtest: the test's own report follows
            return
        key = (attributes.get("worker_id"), report.nodeid)
        when = report.when or "call"
        attempt = self._running.get(key)
        if attempt is None or when == "setup":
            if attempt is not None:
                self._end(key, finished=False)
            attempt = self._running[key] = _Attempt()
        attempt.outcomes[when] = _phase_outcome(report)
        carried = attributes.pop(REPORT_KEY, None)
        if carried is not None:
            if carried[0][0] != when:  # a call that flaky did not report
                begun = attempt.outcomes.get("setup", "passed")
                attempt.outcomes = {"setup": begun, "call": "rerun"} | attempt.outcomes
            attempt.phases += carried
        if when not in ("setup", "call"):  # "???" is the report of a test that crashed its worker
            self._end(key, finished=True)

    def add_whole_sites(self, worker: str | None, sites: Mapping[str, tuple[AllocationSite, ...]]) -> None:
        """Take the whole call stacks that a process kept for the tests shown in the report."""
        self._whole_sites |= {(worker, nodeid): kept for nodeid, kept in sites.items()}

    def records(self) -> tuple[TestRecord, ...]:
        """One record per attempt so far; those still running are ``unfinished``."""
        records: list[TestRecord] = []
        frames: FrameCache = {}
        with without_collections():
            for packed in self._ended:
                worker, nodeid, outcome, phases = marshal.loads(packed)
                records.append(unpack_record(worker, nodeid, outcome, phases, frames))
        records += [
            unpack_record(worker, nodeid, "unfinished", attempt.phases, frames)
            for (worker, nodeid), attempt in self._running.items()
        ]
        last = {(record.worker, record.nodeid): position for position, record in enumerate(records)}
        for key, sites in self._whole_sites.items():  # those of the last attempt: a rerun's replaced the ones before
            position = last.get(key)
            if position is not None and records[position].sites:
                records[position] = replace(records[position], sites=sites)
        return tuple(records)

    def _end(self, key: tuple[str | None, str], *, finished: bool) -> None:
        attempt = self._running.pop(key)
        outcome = _outcome(attempt.outcomes) if finished else "unfinished"
        self._ended.append(marshal.dumps((*key, outcome, attempt.phases)))


def _phase_outcome(report: pytest.TestReport) -> str:
    when, outcome = report.when, report.outcome
    if when == "???":  # type: ignore[comparison-overlap]  # pytest-xdist's own
        return "crashed"
    if "wasxfail" in report.__dict__:
        return "xfailed" if outcome == "skipped" else "xpassed"
    return "error" if outcome == "failed" and when != "call" else outcome


def _outcome(outcomes: Mapping[str, str]) -> str:
    """The outcome of an attempt: the first phase that did not pass decides, in the order in which they ran."""
    for outcome in outcomes.values():
        if outcome != "passed":
            return outcome
    return "passed"
