"""With what a phase fails for us: exceptions of ``pytest.fail``'s family, which pytest treats as it does its own; and
the letter of a test that failed so.
"""

from __future__ import annotations

import pytest

from pytest_memory.declaration import BROKEN_KEY, Hooks


class MemoryLimitExceeded(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest types it so
    """A test used more memory than a limit allows; shown without a traceback."""

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class UnusableMarker(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest types it so
    """A marker of ours that cannot be understood, found too late for a usage error; shown without a traceback."""

    __module__ = "builtins"

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class BrokenLimits(Hooks):
    """Says which tests failed for a limit."""

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """``M`` and ``MEMORY PROBLEMS`` for them, counted as pytest counts their phase."""
        if report.failed and getattr(report, BROKEN_KEY, False):
            return "failed" if report.when == "call" else "error", "M", ("MEMORY PROBLEMS", {"red": True})
        return None
