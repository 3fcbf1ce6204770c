"""What the terminal says: the letter of a broken limit, and the section at the end; writes the reports asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.entry import BROKEN_KEY, SESSION_PLUGIN
from pytest_memory.errors import UnwritableFile
from pytest_memory.plugin.session import MemorySession

if TYPE_CHECKING:
    from pytest_memory.model import Run
    from pytest_memory.report.lines import Line
    from pytest_memory.report.terminal import Layout


class TerminalReport:
    """Tells the user, once, in the process that they see."""

    def __init__(self, config: pytest.Config, session: MemorySession) -> None:
        self._config = config
        self._session = session
        self._messages: list[str] = []
        self._run: Run | None = None
        session.collector.when_broken = self._mark_broken_limits

    def _mark_broken_limits(self) -> None:
        """From now on: a session whose limits hold does not ask at every report."""
        manager, name = self._config.pluginmanager, f"{SESSION_PLUGIN}-broken-limits"
        if not manager.has_plugin(name):
            manager.register(BrokenLimits(), name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports asked for, after Ctrl-C and ``-x`` too."""
        if self._config.option.collectonly:
            return
        self._run = self._session.run()
        for path in self._session.settings.reports:
            from pytest_memory.store.runs import write_run

            try:
                write_run(path, self._run)
            except UnwritableFile as error:
                self._messages.append(str(error))
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED
            else:
                self._messages.append(f"memory report written to {path}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the section, if it was asked for or has something to say."""
        run, self._run = self._run, None  # thousands of records: what comes now need not look at them
        if run is None:
            return
        from pytest_memory.report.terminal import remark_lines, summary_lines

        writer = terminalreporter._tw  # pytest offers no other way to ask for the width
        if self._session.settings.summary and any(record.phases for record in run.records):
            terminalreporter.section("memory")
            for line in summary_lines(run, self._layout(run, writer.fullwidth)):
                write_line(terminalreporter, line)
        elif any(verdict.outcome == "not judged" for record in run.records for verdict in record.verdicts):
            terminalreporter.section("memory")
            for line in remark_lines(run, writer.fullwidth):
                write_line(terminalreporter, line)
        for message in self._messages:
            terminalreporter.write_line(message)

    def _layout(self, run: Run, width: int) -> Layout:
        from pytest_memory.report.terminal import Layout

        settings = self._session.settings
        sampled = settings.detail == "sampled"
        return Layout(width, settings.top, settings.verbosity, self._roots(run), sampled)

    def _roots(self, run: Run) -> tuple[str, ...]:
        from pytest_memory.report.frames import project_roots

        root = self._config.rootpath
        files = {record.nodeid.partition("::")[0] for record in run.records}
        return project_roots(str(root), (str((root / file).resolve()) for file in files))


class BrokenLimits:
    """Says which tests failed for a limit."""

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """``M`` and ``MEMORY PROBLEMS`` for them, counted as pytest counts their phase."""
        if report.failed and getattr(report, BROKEN_KEY, False):
            return "failed" if report.when == "call" else "error", "M", ("MEMORY PROBLEMS", {"red": True})
        return None


def write_line(terminalreporter: Any, line: Line) -> None:
    """Write a line in its styles; pytest leaves the colours out where there is no terminal."""
    for span in line:
        markup = {_MARKUP.get(span.style, span.style): True} if span.style else {}
        terminalreporter.write(span.text, **markup)
    terminalreporter.line("")


_MARKUP = {"dim": "light"}
