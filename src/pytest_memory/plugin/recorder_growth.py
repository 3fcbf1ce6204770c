"""The growth report at the end of the run."""

from __future__ import annotations

from typing import Any

from pytest_memory.declaration import Hooks
from pytest_memory.plugin.session import MemorySession
from pytest_memory.report.growth import Retained, growth_lines


class GrowthReport(Hooks):
    """Prints the tests after which the process held more memory than before.

    Args:
        session: Has the records.
        threshold: Bytes.
    """

    def __init__(self, session: MemorySession, threshold: int) -> None:
        self._session = session
        self._threshold = threshold

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print them, the largest first."""
        for line in growth_lines(self._session.records(), self._threshold, _retained(terminalreporter)):
            terminalreporter.write_line(line)


def _retained(terminalreporter: Any) -> Retained:
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if hasattr(report, "sections") and hasattr(report, "nodeid")
    ]
    captured = sum(len(text) for report in reports for _, text in report.sections)
    return Retained(captured=captured, failed=len(terminalreporter.stats.get("failed", ())))
