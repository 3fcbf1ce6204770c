"""What the terminal says when the session ends; writes the reports asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.declaration import SESSION_PLUGIN, Hooks
from pytest_memory.plugin.session import MemorySession

if TYPE_CHECKING:
    from pytest_memory.report.lines import Line


class TerminalReport(Hooks):
    """Tells the user, once, in the process that they see."""

    def __init__(self, config: pytest.Config, session: MemorySession) -> None:
        self._config = config
        self._session = session
        self._messages: list[str] = []
        self._finished = False
        session.collector.when_broken = self._mark_broken_limits

    def _mark_broken_limits(self) -> None:
        """From now on: a session whose limits hold does not ask at every report."""
        manager, name = self._config.pluginmanager, f"{SESSION_PLUGIN}-broken-limits"
        if not manager.has_plugin(name):
            from pytest_memory.plugin.failing import BrokenLimits

            manager.register(BrokenLimits(), name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports asked for, after Ctrl-C and ``-x`` too."""
        if self._config.option.collectonly:
            return
        self._finished = True
        if not self._session.settings.reports:
            return
        from pytest_memory.errors import UnwritableFile
        from pytest_memory.store.runs import write_run

        run = self._session.run()
        for path in self._session.settings.reports:
            try:
                write_run(path, run)
            except UnwritableFile as error:
                self._messages.append(str(error))
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED
            else:
                self._messages.append(f"memory report written to {path}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the section, if it was asked for or has something to say."""
        if not self._finished:
            return
        from pytest_memory.report.terminal import Layout, remark_lines, summary_lines

        settings = self._session.settings
        width: int = terminalreporter._tw.fullwidth  # pytest offers no other way to ask for it
        layout = Layout(width, settings.top, settings.verbosity, sampled=settings.detail == "sampled")
        summary = self._session.summary(layout.tests)
        if any(record.sites or record.around for record in summary.heaviest):
            layout = layout._replace(roots=self._roots())
        if settings.summary and summary.attempts:
            terminalreporter.section("memory")
            for line in summary_lines(summary, layout):
                write_line(terminalreporter, line)
        elif summary.unjudged:
            terminalreporter.section("memory")
            for line in remark_lines(summary, layout.width):
                write_line(terminalreporter, line)
        for message in self._messages:
            terminalreporter.write_line(message)

    def _roots(self) -> tuple[str, ...]:
        from pytest_memory.report.frames import project_roots

        root = self._config.rootpath
        files = {nodeid.partition("::")[0] for nodeid in self._session.collector.tally.nodeids()}
        return project_roots(str(root), (str((root / file).resolve()) for file in files))


def write_line(terminalreporter: Any, line: Line) -> None:
    """Write a line in its styles; pytest leaves the colours out where there is no terminal."""
    for span in line:
        markup = {_MARKUP.get(span.style, span.style): True} if span.style else {}
        terminalreporter.write(span.text, **markup)
    terminalreporter.line("")


_MARKUP = {"dim": "light"}
