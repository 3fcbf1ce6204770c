"""How what was measured of a phase gets onto its report.

A wrapper around the making of reports costs every test three times over. Where pytest itself runs the tests and makes
the reports, each gets its measurements when it is logged, in the hook that takes them off again (or, in a worker of
pytest-xdist, in one before it is sent). Where anybody else has a part in that, who may run tests in another process or
log reports later or not at all, they get them when they are made (:class:`MadeReports`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.entry import BROKEN_KEY, REPORT_KEY, Hooks
from pytest_memory.plugin.transport import FinishedPhase, junit_properties, pack_phase

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_memory.plugin.phases import Attempt, PhaseHooks
    from pytest_memory.plugin.transport import Packed

_KNOWN = frozenset(("_pytest", "pytest_memory", "xdist", "_hypothesis_pytestplugin"))
"""Packages whose hooks leave the reports of the tests of this process to pytest. Hypothesis only adds sections."""


class MemoryLimitExceeded(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest types it so
    """A test used more memory than a limit allows; shown without a traceback."""

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class MadeReports(Hooks):
    """Lets what was measured travel on each phase's own report from the moment at which it is made.

    Args:
        phases: Measures.
        junit: Put the numbers into the properties that the JUnit report shows.
    """

    __slots__ = ("_junit", "_phases")

    def __init__(self, phases: PhaseHooks, *, junit: bool) -> None:
        self._phases = phases
        self._junit = junit

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put it there.

        Subtests make reports in the middle of the call: none of them is the phase's own, which has not ended then.
        """
        attempt = self._phases.attempt
        finished = attempt.finished.pop(call.when, None) if attempt is not None and attempt.item is item else None
        if finished is None:
            return (yield)
        if self._junit and isinstance(finished, FinishedPhase):
            _replace_properties(item, finished)
        report = yield
        report.__dict__[REPORT_KEY] = [_packed(finished)]
        if call.excinfo is not None and report.failed and isinstance(call.excinfo.value, MemoryLimitExceeded):
            setattr(report, BROKEN_KEY, True)
            if isinstance(finished, FinishedPhase):
                report.sections.extend(finished.sections)
        return report


class LoggedReports(Hooks):
    """In a worker: lets it travel on the reports that pytest-xdist is about to send."""

    __slots__ = ("_phases",)

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put it there, if that was not done when the report was made."""
        attributes = report.__dict__
        if REPORT_KEY not in attributes:
            carried = take(self._phases, report)
            if carried is not None:
                attributes[REPORT_KEY] = carried


def take(phases: PhaseHooks, report: pytest.TestReport) -> list[Packed] | None:
    """What was measured of the phase that a report tells of, once; ``None`` if nothing was, or it is there already."""
    attempt = _reported(phases, report)
    finished = attempt.finished.pop(report.when or "call", None) if attempt is not None else None
    return None if finished is None else [_packed(finished)]


class Waiting:
    """What was measured in this process and is on no report: the collector asks for it when a test is over."""

    __slots__ = ("_phases",)

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases

    def take(self, report: pytest.TestReport) -> list[Packed]:
        """All there is of the test that a report tells of, once."""
        attempt = _reported(self._phases, report)
        if attempt is None:
            return []
        phases = list(map(_packed, attempt.finished.values()))
        attempt.finished.clear()
        return phases

    def unfinished(self, last: object) -> tuple[str, list[Packed]] | None:
        """The node id and the phases of the test in which the session ended, if there is one.

        Args:
            last: The location of the test that was the last to come to its end.
        """
        attempt = self._phases.attempt
        if attempt is None or attempt.location is last:
            return None
        return attempt.nodeid, list(map(_packed, attempt.finished.values()))


def _reported(phases: PhaseHooks, report: pytest.TestReport) -> Attempt | None:
    """The attempt that a report tells of, if something waits there."""
    attempt = phases.attempt
    if attempt is None or not attempt.finished:
        return None
    told = report.location is attempt.location or report.nodeid == attempt.nodeid
    return attempt if told else None


def _packed(finished: FinishedPhase | Packed) -> Packed:
    return pack_phase(finished) if isinstance(finished, FinishedPhase) else finished


def others_report(manager: pytest.PytestPluginManager) -> bool:
    """Whether anybody but pytest runs tests or makes reports in this process."""
    hook = manager.hook
    running = [*hook.pytest_runtest_protocol.get_hookimpls(), *hook.pytest_runtestloop.get_hookimpls()]
    making = hook.pytest_runtest_makereport.get_hookimpls()
    others = [impl for impl in running if not (impl.wrapper or impl.hookwrapper)] + making
    return any(impl.function.__module__.partition(".")[0] not in _KNOWN for impl in others)


def _replace_properties(item: pytest.Item, finished: FinishedPhase) -> None:
    """Show this attempt's numbers in JUnit's properties, and not those of an attempt before it."""
    properties = junit_properties(finished)
    names = {name for name, _ in properties}
    item.user_properties[:] = [pair for pair in item.user_properties if pair[0] not in names] + properties
