"""Makes records of what travels on reports: one per attempt at a test, from this process or from any worker."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest

from pytest_memory.entry import REPORT_KEY
from pytest_memory.model import AllocationSite, TestRecord
from pytest_memory.plugin.packing import FrameCache, pack_phase, unpack_phase
from pytest_memory.plugin.transport import FinishedPhase, decode_phase
from pytest_memory.plugin.unreported import UNREPORTED_CALL


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt: the outcome of each phase reported so far, and what each used, packed."""

    outcomes: dict[str, str] = field(default_factory=dict)
    phases: tuple[bytes, ...] = ()

    def take(self, finished: FinishedPhase) -> None:
        self.phases = (*self.phases, pack_phase(finished))


class _Ended(NamedTuple):
    """An attempt that is over."""

    worker: str | None
    nodeid: str
    outcome: str
    phases: tuple[bytes, ...]

    def record(self, frames: FrameCache) -> TestRecord:
        phases = [unpack_phase(packed, frames) for packed in self.phases]
        return TestRecord(
            nodeid=self.nodeid,
            outcome=self.outcome,
            worker=self.worker,
            phases={phase.phase: phase.usage for phase in phases},
            sites=next((phase.sites for phase in phases if phase.phase == "call"), ()),
            verdicts=tuple(verdict for phase in phases for verdict in phase.verdicts),
        )


class Unloader:
    """Takes our measurements off each report when everybody has seen it.

    pytest keeps the reports until the session ends: what hangs on them would make each garbage collection longer.
    """

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take it off; whether a limit was broken stays."""
        if hasattr(report, REPORT_KEY):
            delattr(report, REPORT_KEY)


class Collector:
    """Assembles records from the reports of tests."""

    def __init__(self) -> None:
        self._running: dict[tuple[str | None, str], _Attempt] = {}
        self._ended: list[bytes] = []
        self._whole_sites: dict[tuple[str | None, str], tuple[AllocationSite, ...]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries; a setup begins an attempt, a teardown ends it."""
        if hasattr(report, "context"):  # a subtest: the test's own report follows
            return
        key = (getattr(report, "worker_id", None), report.nodeid)
        if report.when == "setup" and key in self._running:
            self._end(key, finished=False)
        attempt = self._running.setdefault(key, _Attempt())
        attempt.outcomes[report.when or "call"] = _phase_outcome(report)
        carried = getattr(report, REPORT_KEY, None)
        if carried is not None:
            if UNREPORTED_CALL in carried:
                attempt.take(decode_phase(carried[UNREPORTED_CALL], report.nodeid, "call"))
                attempt.outcomes = {
                    "setup": attempt.outcomes.get("setup", "passed"),
                    "call": "rerun",
                } | attempt.outcomes
            attempt.take(decode_phase(carried, report.nodeid, str(report.when)))
        if report.when not in ("setup", "call"):  # "???" is the report of a test that crashed its worker
            self._end(key, finished=True)

    def add_whole_sites(self, worker: str | None, sites: Mapping[str, tuple[AllocationSite, ...]]) -> None:
        """Take the whole call stacks that a process kept for the tests shown in the report."""
        self._whole_sites |= {(worker, nodeid): kept for nodeid, kept in sites.items()}

    def records(self) -> tuple[TestRecord, ...]:
        """One record per attempt so far; those still running are ``unfinished``."""
        frames: FrameCache = {}
        running = (_Ended(*key, "unfinished", attempt.phases) for key, attempt in self._running.items())
        ended = (_Ended(*marshal.loads(packed)) for packed in self._ended)
        records = [attempt.record(frames) for attempt in (*ended, *running)]
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
    if str(report.when) == "???":
        return "crashed"
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return str(report.outcome)


def _outcome(outcomes: Mapping[str, str]) -> str:
    """The outcome of an attempt: the first phase that did not pass decides, in the order in which they ran."""
    return next((outcome for outcome in outcomes.values() if outcome != "passed"), "passed")
