"""Attempts whose call nobody reports: flaky keeps the report of a failed attempt to itself when it runs the test again.

What that report carried travels on the report of the same attempt's teardown, which flaky does pass on.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_memory.declaration import REPORT_KEY, Hooks
from pytest_memory.plugin.transport import Packed


class UnreportedCalls(Hooks):
    """Notices which calls are not reported, and sends their measurements on."""

    def __init__(self) -> None:
        self._waiting: list[Packed] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep what a call's report carries until that report is seen, or a teardown's takes it along."""
        report = yield
        carried = getattr(report, REPORT_KEY, None)
        if carried is None or call.when == "setup":
            return report
        if call.when == "call":
            self._waiting = carried
        else:
            setattr(report, REPORT_KEY, [*self._waiting, *carried])
            self._waiting = []
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The call was reported after all, as every call is but for flaky's."""
        if report.when == "call":
            self._waiting = []
