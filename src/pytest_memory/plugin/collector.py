"""Makes records of what travels on reports: one per attempt at a test, from this process or from any worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from pytest_memory.entry import REPORT_KEY
from pytest_memory.model import AllocationSite, Phase, PhaseUsage, TestRecord, Verdict
from pytest_memory.plugin.transport import FinishedPhase, decode_phase
from pytest_memory.plugin.unreported import UNREPORTED_CALL


@dataclass(slots=True)
class _Draft:
    """An attempt whose last phase has not been reported yet."""

    outcomes: dict[str, str] = field(default_factory=dict)
    phases: dict[Phase, PhaseUsage] = field(default_factory=dict)
    sites: tuple[AllocationSite, ...] = ()
    verdicts: list[Verdict] = field(default_factory=list)

    def take(self, finished: FinishedPhase) -> None:
        self.phases[finished.phase] = finished.usage
        self.verdicts += finished.verdicts
        if finished.phase == "call":
            self.sites = finished.sites

    def record(self, nodeid: str, worker: str | None, *, finished: bool) -> TestRecord:
        return TestRecord(
            nodeid=nodeid,
            outcome=_outcome(self.outcomes) if finished else "unfinished",
            worker=worker,
            phases=self.phases,
            sites=self.sites,
            verdicts=tuple(self.verdicts),
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
        self._drafts: dict[tuple[str | None, str], _Draft] = {}
        self._records: list[TestRecord] = []
        self._whole_sites: dict[tuple[str | None, str], tuple[AllocationSite, ...]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries; a setup begins an attempt, a teardown ends it."""
        if hasattr(report, "context"):  # a subtest: the test's own report follows
            return
        key = (getattr(report, "worker_id", None), report.nodeid)
        if report.when == "setup" and key in self._drafts:
            self._close(key, finished=False)
        draft = self._drafts.setdefault(key, _Draft())
        draft.outcomes[report.when or "call"] = _phase_outcome(report)
        carried = getattr(report, REPORT_KEY, None)
        if carried is not None:
            if UNREPORTED_CALL in carried:
                draft.take(decode_phase(carried[UNREPORTED_CALL], report.nodeid, "call"))
                draft.outcomes = {"setup": draft.outcomes.get("setup", "passed"), "call": "rerun"} | draft.outcomes
            draft.take(decode_phase(carried, report.nodeid, str(report.when)))
        if report.when not in ("setup", "call"):  # "???" is the report of a test that crashed its worker
            self._close(key, finished=True)

    def add_whole_sites(self, worker: str | None, sites: Mapping[str, tuple[AllocationSite, ...]]) -> None:
        """Take the whole call stacks that a process kept for the tests shown in the report."""
        self._whole_sites |= {(worker, nodeid): kept for nodeid, kept in sites.items()}

    def records(self) -> tuple[TestRecord, ...]:
        """One record per attempt so far; those still running are ``unfinished``."""
        running = [draft.record(nodeid, worker, finished=False) for (worker, nodeid), draft in self._drafts.items()]
        records = [*self._records, *running]
        last = {(record.worker, record.nodeid): position for position, record in enumerate(records)}
        for key, sites in self._whole_sites.items():  # those of the last attempt: a rerun's replaced the ones before
            position = last.get(key)
            if position is not None and records[position].sites:
                records[position] = replace(records[position], sites=sites)
        return tuple(records)

    def _close(self, key: tuple[str | None, str], *, finished: bool) -> None:
        worker, nodeid = key
        self._records.append(self._drafts.pop(key).record(nodeid, worker, finished=finished))


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
