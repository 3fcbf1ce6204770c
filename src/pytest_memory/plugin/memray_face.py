"""pytest-memray's face: its report, ``--fail-on-increase``, and what goes with captures and foreign Trackers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.model import HeapUsage
from pytest_memory.plugin.failing import MemoryLimitExceeded
from pytest_memory.plugin.memray_settings import share_dumps
from pytest_memory.plugin.phase_ends import Attempt
from pytest_memory.plugin.phases import PhaseHooks
from pytest_memory.plugin.session import MemorySession
from pytest_memory.plugin.terminal import write_line
from pytest_memory.plugin.transport import FinishedPhase
from pytest_memory.units import format_size

_CACHE_KEY = "memray"
"""pytest-memray's own, so that its last runs are still known after moving here."""


class IncreaseWatch:
    """Remembers the peak of every test with a ``limit_memory`` marker, and compares it with ``--fail-on-increase``.

    As in pytest-memray the comparison is exact: one byte more than in the last successful run fails. Runs that
    counted differently are not compared.
    """

    def __init__(self, config: pytest.Config, session: MemorySession) -> None:
        self._cache = getattr(config, "cache", None)
        self._session = session

    def compare(self, attempt: Attempt, finished: FinishedPhase) -> None:
        """After a call has passed within its limits, hold its peak against that of its last successful run.

        Raises:
            MemoryLimitExceeded: It is higher, and ``--fail-on-increase`` was given.
        """
        peak = _limited_peak(finished) if finished.phase == "call" else None
        nodeid = finished.nodeid
        if self._cache is None or peak is None or attempt.item.get_closest_marker("limit_memory") is None:
            return
        request = attempt.plan.heap["call"]
        counted = {"total_allocated_memory": peak, "granularity": request.granularity, "engine": self._family()}
        previous = self._previous(nodeid, counted)
        if self._session.settings.memray.fail_on_increase and previous is not None and peak > previous:
            _add_increase(finished, previous, peak)
            raise MemoryLimitExceeded(_tell_increase(previous, peak))
        self._cache.set(f"{_CACHE_KEY}/{nodeid}", counted)

    def _family(self) -> str:
        """Engines whose figures can be compared: the native engine counts as memray does."""
        name = self._session.choice.name
        return "memray" if name == "native" else name

    def _previous(self, nodeid: str, counted: dict[str, Any]) -> int | None:
        """The peak of the last successful run, if it counted the same things."""
        assert self._cache is not None
        stored = self._cache.get(f"{_CACHE_KEY}/{nodeid}", None)
        if not isinstance(stored, dict) or not isinstance(stored.get("total_allocated_memory"), int):
            return None
        # What pytest-memray left behind says neither, and was counted in its default way.
        alike = stored.get("granularity", "malloc") == counted["granularity"]
        alike = alike and stored.get("engine", "memray") == counted["engine"]
        return int(stored["total_allocated_memory"]) if alike else None


class ForeignTrackerHint(Hooks):
    """Explains a test that fails because it opens a memray Tracker while our engine's own is active."""

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say what to do, next to memray's own message."""
        report = yield
        attempt = self._phases.attempt
        measured = attempt is not None and attempt.item is item and call.when in attempt.plan.heap
        if report.failed and measured and call.excinfo is not None and _is_second_tracker(call.excinfo.value):
            report.sections.append(
                (
                    "pytest-memory",
                    "This test opens a memray Tracker of its own while the memray engine measures it, and a process "
                    "can have only one.\nMeasure with --memory-engine=native, or run this test without measuring it.",
                )
            )
        return report


class SharedDumps(Hooks):
    """Lets all workers of pytest-xdist write their captures to one directory with one prefix."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker before it starts."""
        share_dumps(node.workerinput, self._session.settings.memray.dumps)


class MemrayReport(Hooks):
    """Prints the MEMRAY REPORT, in the process that the user sees."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print it, with a line on how was counted and remarks on what was not."""
        from pytest_memory.report.memray import TITLE, memray_report_lines
        from pytest_memory.report.terminal import remark_lines

        settings = self._session.settings
        records, summary = self._session.records(), self._session.summary(0)
        terminalreporter.write_line("")
        terminalreporter.write_sep("=", TITLE)
        for text in memray_report_lines(records, settings.memray.most_allocations):
            terminalreporter.write_line(text)
        counting = "malloc and mmap" if summary.environment.granularity == "malloc" else "every Python object"
        terminalreporter.write_line(f"Measured by the {summary.environment.engine.name} engine, counting {counting}")
        if not settings.summary and not summary.unjudged:  # else the memory section has them
            for line in remark_lines(summary, terminalreporter._tw.fullwidth):
                write_line(terminalreporter, line)
        dumps = settings.memray.dumps
        if dumps is not None:
            made = dumps.made({record.nodeid for record in records if record.peak is not None})
            terminalreporter.write_line(f"Created {made} binary dumps at {dumps.directory} with prefix {dumps.prefix}")


def _limited_peak(finished: FinishedPhase) -> int | None:
    """The peak of a call with a limit on it."""
    limited = any(verdict.limit.metric == "peak" for verdict in finished.verdicts)
    heap = finished.usage.heap or HeapUsage()
    return heap.peak if limited else None


def _add_increase(finished: FinishedPhase, previous: int, peak: int) -> None:
    from pytest_memory.model import Limit, Verdict
    from pytest_memory.report.failures import ALLOCATIONS_TITLE

    finished.verdicts += (Verdict(Limit("peak", previous, origin="--fail-on-increase"), "exceeded", peak),)
    finished.sections += ((ALLOCATIONS_TITLE, "Test uses more memory than previous run"),)


def _tell_increase(previous: int, peak: int) -> str:
    before, now = format_size(previous), format_size(peak)
    if before == now:  # the difference is below what the unit shows
        before, now = f"{before} ({previous} bytes)", f"{now} ({peak} bytes)"
    return f"Test previously used {before} but now uses {now}"


def _is_second_tracker(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "more than one Tracker" in str(error)
