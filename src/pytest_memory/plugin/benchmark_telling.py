"""Tells of the memory of benchmarks, stores it, and judges it: in the process that the user sees."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest

import pytest_memory
from pytest_memory.declaration import BENCHMARK_KEY, Hooks
from pytest_memory.errors import InvalidValue
from pytest_memory.model import MemoryResult
from pytest_memory.model.benchmark import BLOB
from pytest_memory.plugin.benchmark_compare import (
    MEMORY_INFO,
    Baseline,
    different_histories,
    different_ways,
    headlines,
    load_baseline,
)
from pytest_memory.plugin.benchmark_entries import BenchmarkEntry, decode_entry, unjudged_in
from pytest_memory.plugin.benchmark_saving import save_without_timings
from pytest_memory.plugin.benchmark_settings import LATEST, BenchmarkSettings
from pytest_memory.plugin.benchmark_switch import FLAG
from pytest_memory.plugin.session import MemorySession
from pytest_memory.plugin.terminal import write_line
from pytest_memory.policy.regressions import judge_regressions
from pytest_memory.report.benchmark_columns import Choice, MemoryRow
from pytest_memory.report.benchmark_table import split_table

_PREFIX = "benchmem-compare:"


class BenchmarkTelling(Hooks):
    """Collects what travels on reports; at the end stores, judges and prints it."""

    def __init__(self, config: pytest.Config, session: MemorySession, settings: BenchmarkSettings) -> None:
        self._config = config
        self._session = session
        self._settings = settings
        self._choice = Choice(settings.columns, settings.stats)
        self._entries: dict[str, BenchmarkEntry] = {}
        self._unjudged: dict[str, int] = {}
        self._baseline = Baseline()
        self._verdict: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Read the stored run, before this one can become the latest.

        Raises:
            pytest.UsageError: A reference that the storage cannot understand.
        """
        if self._settings.compare is not None:
            try:
                self._baseline = load_baseline(self._config, self._settings.compare)
            except InvalidValue as error:
                raise pytest.UsageError(str(error)) from error

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the benchmark that travels on a report; of several attempts the last counts."""
        carried = getattr(report, BENCHMARK_KEY, None)
        if carried is None:
            return
        self._unjudged.pop(carried["fullname"], None)
        if unjudged := unjudged_in(carried):
            self._unjudged[carried["fullname"]] = unjudged
        else:
            self._entries[carried["fullname"]] = decode_entry(carried)

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Say beside the machine how the memory was measured."""
        if any(entry.result is not None for entry in self._entries.values()):
            output_json[MEMORY_INFO] = self._how()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Store memory that pytest-benchmark does not store for want of timings, and judge the gate."""
        if self._config.option.collectonly:
            return
        untimed = [entry for entry in self._entries.values() if not entry.timed and entry.result is not None]
        if untimed:
            save_without_timings(self._config, untimed)
        if self._settings.compare is None:
            return
        passed = self._judge()
        if not passed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, object, object]:
        """Print tables, captures and the verdict, also after pytest-benchmark has raised a regression of its own."""
        quiet = self._config.getoption("benchmark_quiet") and not self._config.getoption("benchmark_verbose")
        measured = [entry for entry in self._entries.values() if entry.result is not None]
        combined = any(entry.timed for entry in measured) and not self._settings.split
        try:
            with self._beside_timings() if combined else nullcontext():
                return (yield)
        finally:
            alone = [entry for entry in measured if self._settings.split or not entry.timed]
            if alone and not quiet:
                self._print_table(terminalreporter, alone)
            if any(not entry.timed for entry in measured) and not quiet:
                terminalreporter.write_line(f"benchmem: timings are off ({self._why_untimed()}); memory was measured.")
            self._print_unjudged(terminalreporter)
            self._print_profiles(terminalreporter)
            for text in self._verdict:
                terminalreporter.write_line(text)

    def _beside_timings(self) -> Any:
        from pytest_memory.plugin.benchmark_tables import memory_in_table

        return memory_in_table(self._choice, self._baseline.label, self._row_of)

    def _row_of(self, bench: Mapping[str, Any]) -> MemoryRow:
        """The memory of one line of pytest-benchmark's table; the line of a stored run has that run's memory."""
        fullname = bench["fullname"]
        if bench.get("path"):
            return MemoryRow(fullname, self._stored_result(bench["path"], fullname))
        entry = self._entries.get(fullname)
        return MemoryRow(fullname, entry.result if entry is not None else None, self._base_peak(fullname))

    def _stored_result(self, path: str, fullname: str) -> MemoryResult | None:
        compared: Mapping[Any, Any] = self._config._benchmarksession.compared_mapping  # type: ignore[attr-defined]
        stored: Mapping[str, Any] = next((runs for key, runs in compared.items() if str(key) == path), {})
        blob = stored.get(fullname, {}).get("extra_info", {}).get(BLOB)
        try:
            return None if blob is None else MemoryResult.from_blob(blob)
        except InvalidValue:
            return None

    def _base_peak(self, fullname: str) -> float | None:
        return self._baseline.values.get(fullname, {}).get("peak")

    def _judge(self) -> bool:
        """Compare with the stored run; False if the gate has to fail."""
        gate = self._settings.thresholds
        head = {name: headlines(entry.result) for name, entry in self._entries.items() if entry.result is not None}
        if not head:
            self._verdict = [f"{_PREFIX} no memory recorded this run (use --benchmark-memory or benchmark_memory)."]
            return not gate
        if not self._baseline.values:
            self._verdict = [f"{_PREFIX} no prior run with memory to compare against{self._searched()}."]
            return not (gate and self._settings.strict)
        different = different_ways(self._baseline.info, self._how())
        if different:
            self._verdict.append(f"{_PREFIX} {different}")
        result = judge_regressions(self._baseline.values, head, gate)
        self._verdict += [f"{_PREFIX} {reason}" for reason in result.unjudged]
        timed = any(entry.timed for entry in self._entries.values())
        if result.regressions and (history := different_histories(self._baseline.timed, timed)):
            self._verdict.append(f"{_PREFIX} {history}")
        if result.regressions:
            self._verdict += ["Memory regressions over threshold:", *(each.line() for each in result.regressions)]
        elif gate and result.passed:
            self._verdict.append(f"{_PREFIX} no regressions over thresholds against {self._baseline.label}.")
        return result.passed

    def _searched(self) -> str:
        reference = self._settings.compare
        return "" if reference == LATEST else f" (none matches {reference!r})"

    def _how(self) -> dict[str, str]:
        return {
            "engine": self._session.choice.name,
            "granularity": self._settings.plan.granularity,
            "version": pytest_memory.__version__,
        }

    def _print_table(self, terminalreporter: Any, entries: list[BenchmarkEntry]) -> None:
        rows = [MemoryRow(entry.fullname, entry.result, self._base_peak(entry.fullname)) for entry in entries]
        terminalreporter.ensure_newline()
        terminalreporter.write_line("")
        for text in split_table(rows, self._choice, self._baseline.label):
            write_line(terminalreporter, text)
        terminalreporter.write_line("")

    def _why_untimed(self) -> str:
        return "pytest-xdist is active" if getattr(self._config.option, "dist", "no") != "no" else "--benchmark-disable"

    def _print_unjudged(self, terminalreporter: Any) -> None:
        count = sum(self._unjudged.values())
        if count:
            limits = "limit" if count == 1 else "limits"
            terminalreporter.write_line(
                f"benchmem: {count} {limits} not judged, since memory was not measured ({FLAG} measures it)."
            )

    def _print_profiles(self, terminalreporter: Any) -> None:
        profiles = [entry.profile for entry in self._entries.values() if entry.profile is not None]
        if profiles:
            terminalreporter.write_line(
                f"benchmem: saved {len(profiles)} memory profile(s) to {self._settings.profile} — render with:"
            )
            for path in profiles:
                terminalreporter.write_line(f"  memray flamegraph {path}")
