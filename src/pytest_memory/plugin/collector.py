"""Makes records of what travels on reports: one per attempt at a test, from this process or from any worker."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from pytest_memory.entry import REPORT_KEY
from pytest_memory.model import AllocationSite, TestRecord
from pytest_memory.plugin.transport import FrameCache, Packed, unpack_phase


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt: the outcome of each phase reported so far, and what each used."""

    outcomes: dict[str, str] = field(default_factory=dict)
    phases: list[Packed] = field(default_factory=list)


class Collector:
    """Assembles records from the reports of tests.

    An attempt that is over is kept as bytes until somebody asks for the records. A record is a few dozen objects, and
    a session has thousands of records: kept as objects they would make every full garbage collection of the tests
    longer, on a suite that collects a lot by a fifth of its time. The bytes never leave this process.
    """

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
        when = report.when
        attempt = self._running.get(key)
        if attempt is not None and when == "setup":
            self._end(key, finished=False)
            attempt = None
        if attempt is None:
            attempt = self._running[key] = _Attempt()
        attempt.outcomes[when or "call"] = _phase_outcome(report)
        for packed in attributes.pop(REPORT_KEY, ()):
            if packed[0] != when:  # a call that flaky did not report
                begun = attempt.outcomes.get("setup", "passed")
                attempt.outcomes = {"setup": begun, "call": "rerun"} | attempt.outcomes
            attempt.phases.append(packed)
        if when not in ("setup", "call"):  # "???" is the report of a test that crashed its worker
            self._end(key, finished=True)

    def add_whole_sites(self, worker: str | None, sites: Mapping[str, tuple[AllocationSite, ...]]) -> None:
        """Take the whole call stacks that a process kept for the tests shown in the report."""
        self._whole_sites |= {(worker, nodeid): kept for nodeid, kept in sites.items()}

    def records(self) -> tuple[TestRecord, ...]:
        """One record per attempt so far; those still running are ``unfinished``."""
        frames: FrameCache = {}
        records = [_record(*marshal.loads(packed), frames=frames) for packed in self._ended]
        records += [
            _record(worker, nodeid, "unfinished", attempt.phases, frames=frames)
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


def _record(
    worker: str | None, nodeid: str, outcome: str, phases: Sequence[Packed], *, frames: FrameCache
) -> TestRecord:
    unpacked = [unpack_phase(packed, nodeid, frames) for packed in phases]
    return TestRecord(
        nodeid=nodeid,
        outcome=outcome,
        worker=worker,
        phases={phase.phase: phase.usage for phase in unpacked},
        sites=next((phase.sites for phase in unpacked if phase.phase == "call"), ()),
        verdicts=tuple([verdict for phase in unpacked for verdict in phase.verdicts]),
    )


def _phase_outcome(report: pytest.TestReport) -> str:
    when, outcome = str(report.when), report.outcome
    if when == "???":
        return "crashed"
    if hasattr(report, "wasxfail"):
        return "xfailed" if outcome == "skipped" else "xpassed"
    return "error" if outcome == "failed" and when != "call" else outcome


def _outcome(outcomes: Mapping[str, str]) -> str:
    """The outcome of an attempt: the first phase that did not pass decides, in the order in which they ran."""
    return next((outcome for outcome in outcomes.values() if outcome != "passed"), "passed")
