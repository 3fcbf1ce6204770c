"""Under pytest-xdist: what workers hand to the controller, with each report and once, when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.declaration import LET_GO_KEY, REPORT_KEY, Hooks
from pytest_memory.plugin.carrying import packed, reported

if TYPE_CHECKING:
    from pytest_memory.plugin.phases import PhaseHooks
    from pytest_memory.plugin.session import MemorySession


class LoggedReports(Hooks):
    """In a worker: lets what was measured travel on the reports that pytest-xdist is about to send.

    Args:
        phases: Measures.
        let_go: What :attr:`PhaseHooks.when_let_go` is told; the next report takes it along.
    """

    __slots__ = ("_let_go", "_phases")

    def __init__(self, phases: PhaseHooks, let_go: list[tuple[str, int, int]]) -> None:
        self._phases = phases
        self._let_go = let_go

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put it there, if that was not done when the report was made."""
        attributes = report.__dict__
        if REPORT_KEY not in attributes:
            attempt = reported(self._phases, report, attributes.get("location"))
            finished = attempt.finished.pop(report.when or "call", None) if attempt is not None else None
            if finished is not None:
                attributes[REPORT_KEY] = [packed(finished)]
        if self._let_go and "context" not in attributes:
            attributes[LET_GO_KEY] = self._let_go[:]
            self._let_go.clear()
        if attributes.get("when") == "teardown" and "context" not in attributes:
            self._phases.leave()


class WorkerEnd(Hooks):
    """In a worker: hands over what does not travel on reports."""

    def __init__(self, config: pytest.Config, session: MemorySession) -> None:
        self._config = config
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Leave it in the worker's output."""
        output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]  # pytest-xdist sets it
        output[REPORT_KEY] = self._session.handover()


class ControllerEnd(Hooks):
    """In the controller: receives it."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended; one that crashed hands over nothing."""
        handed = getattr(node, "workeroutput", {}).get(REPORT_KEY)
        if handed is not None:
            self._session.receive(node.gateway.id, handed)
