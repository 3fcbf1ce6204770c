"""Puts memory into pytest-benchmark's own table, by writing it down, widening it, and printing the result.

So the timings keep pytest-benchmark's number format, sorting, names, units and colours, whatever its version, and its
histograms, its profiles and its quiet mode keep working: it is pytest-benchmark that makes the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import Any

from pytest_benchmark import session as benchmark_session
from pytest_benchmark.table import TableResults
from pytest_benchmark.utils import report_progress

from pytest_memory.plugin.terminal import write_line
from pytest_memory.report.benchmark_columns import Choice, MemoryRow, caption
from pytest_memory.report.benchmark_table import combined_columns, widen
from pytest_memory.report.lines import Line, Span, Style

RowOf = Callable[[Mapping[str, Any]], MemoryRow]
"""From one of pytest-benchmark's flat benchmarks to its memory; a stored one has its own."""


@contextmanager
def memory_in_table(choice: Choice, versus: str, row_of: RowOf) -> Iterator[None]:
    """Let the tables that pytest-benchmark prints meanwhile have memory columns."""
    module: Any = benchmark_session
    original = module.TableResults
    module.TableResults = partial(MemoryTable, memory=(choice, versus, row_of))
    try:
        yield
    finally:
        module.TableResults = original


class MemoryTable(TableResults):
    """pytest-benchmark's table with memory columns on its right."""

    def __init__(self, *args: Any, memory: tuple[Choice, str, RowOf], **kwargs: Any) -> None:
        base: Any = super()
        base.__init__(*args, **kwargs)
        self._choice, self._versus, self._row_of = memory

    def display(self, tr: Any, groups: Any, progress_reporter: Any = report_progress) -> None:
        """Print one table per group, then the legends."""
        base: Any = super()
        everything: list[MemoryRow] = []
        legend: list[Line] = []
        for group in groups:
            in_order = sorted(group[1], key=itemgetter(self.sort))  # displaying changes the names
            recorder = Recorder(tr)
            base.display(recorder, [group], progress_reporter=progress_reporter)
            rows = [self._row_of(bench) for bench in in_order]
            table, legend = _split_legend(recorder.lines)
            columns = combined_columns(rows, self._choice, self._versus)
            for text in widen(table, rows, columns) or table:
                write_line(tr, text)
            everything += rows
        for text in legend:
            write_line(tr, text)
        tr.write_line("  " + caption(everything, self._choice, timed=True, versus=self._versus))


class Recorder:
    """Takes what is written to a terminal reporter, as lines; progress goes through to the terminal."""

    def __init__(self, terminalreporter: Any) -> None:
        self._terminal = terminalreporter
        self._spans: list[Span] = []
        self.lines: list[Line] = []

    def write(self, text: str, **markup: bool) -> None:
        """Take a piece of a line; a newline ends it."""
        parts = text.split("\n")
        for position, part in enumerate(parts):
            if part:
                self._spans.append(Span(part, _style(markup)))
            if position < len(parts) - 1:
                self.lines.append(tuple(self._spans))
                self._spans = []

    def write_line(self, text: str, **markup: bool) -> None:
        """Take a line."""
        self.write(f"{text}\n", **markup)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)


def _style(markup: Mapping[str, bool]) -> Style:
    styles: tuple[Style, ...] = ("red", "green", "yellow", "cyan", "bold")
    return next((style for style in styles if markup.get(style)), "")


def _split_legend(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The table, and the explanations below it."""
    starts = [position for position, text in enumerate(lines) if text and text[0].text == "Legend:"]
    end = starts[0] if starts else len(lines)
    return list(lines[:end]), list(lines[end:])
