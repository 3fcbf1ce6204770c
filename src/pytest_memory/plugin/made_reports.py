"""Lets what was measured travel on reports from when they are made; loaded where it must (``plugin/carrying.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import BROKEN_KEY, REPORT_KEY, Hooks
from pytest_memory.plugin.carrying import packed
from pytest_memory.plugin.failing import MemoryLimitExceeded
from pytest_memory.plugin.transport import FinishedPhase, junit_properties

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_memory.plugin.phases import PhaseHooks


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
        report.__dict__[REPORT_KEY] = [packed(finished)]
        if call.excinfo is not None and report.failed and isinstance(call.excinfo.value, MemoryLimitExceeded):
            setattr(report, BROKEN_KEY, True)
            if isinstance(finished, FinishedPhase):
                report.sections.extend(finished.sections)
        return report


def _replace_properties(item: pytest.Item, finished: FinishedPhase) -> None:
    """Show this attempt's numbers in JUnit's properties, and not those of an attempt before it."""
    properties = junit_properties(finished)
    names = {name for name, _ in properties}
    item.user_properties[:] = [pair for pair in item.user_properties if pair[0] not in names] + properties
