"""Benchmark tables with memory: columns beside pytest-benchmark's own, or a table of memory alone; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.benchmark_columns import (
    Choice,
    MemoryColumn,
    MemoryRow,
    caption,
    compare_columns,
    memory_columns,
)
from pytest_memory.report.lines import GAP, Line, Span, line, plain

_RULE = "│"


def widen(recorded: Sequence[Line], rows: Sequence[MemoryRow], columns: Sequence[MemoryColumn]) -> list[Line] | None:
    """Add memory columns to a table that pytest-benchmark has written.

    Args:
        recorded: Its lines: title, header, rule, one line per benchmark, rule.
        rows: The benchmarks, in the order of their lines.
        columns: What to add.

    Returns:
        The wider table; ``None`` if the lines are not what is expected, so that nothing is shown in the wrong row.
    """
    rules = [position for position, text in enumerate(recorded) if _is_rule(text)]
    if len(rules) != 2 or rules[0] < 2 or rules[1] - rules[0] - 1 != len(rows) or not columns:
        return None
    title, header = rules[0] - 2, rules[0] - 1
    width = max(len(plain(text)) for text in recorded[header : rules[1]])
    added = len(GAP) + len(_RULE) + sum(len(GAP) + column.width for column in columns)
    widened = list(recorded)
    widened[title] = line(Span(plain(recorded[title]).strip("-").center(width + added, "-"), "yellow"))
    widened[header] = _joined(recorded[header], width, [Span(column.header.rjust(column.width)) for column in columns])
    for position in rules:
        widened[position] = line(Span("-" * (width + added), "yellow"))
    for index in range(len(rows)):
        cells = [Span(column.cells[index].rjust(column.width), column.styles[index]) for column in columns]
        widened[rules[0] + 1 + index] = _joined(recorded[rules[0] + 1 + index], width, cells)
    return widened


def combined_columns(rows: Sequence[MemoryRow], choice: Choice, versus: str) -> list[MemoryColumn]:
    """The columns that go beside the timings."""
    columns = memory_columns(rows, choice)
    return columns + compare_columns(rows, "Δ peak") if columns and versus else columns


def split_table(rows: Sequence[MemoryRow], choice: Choice, versus: str = "") -> Iterator[Line]:
    """A table of memory alone, the heaviest benchmark first.

    Args:
        rows: The benchmarks; those without memory are left out.
        choice: What to show of each.
        versus: Label of the stored run to compare with, or nothing.
    """
    measured = sorted(
        (row for row in rows if row.result is not None),
        key=lambda row: row.result.peak_bytes if row.result is not None else 0,
        reverse=True,
    )
    shown = [MemoryRow(short_id(row.name), row.result, row.base) for row in measured]
    columns = memory_columns(shown, choice)
    if versus:
        columns += compare_columns(shown, "change")
    names = max(len("name"), *(len(row.name) for row in shown))
    width = names + sum(len(GAP) + column.width for column in columns)
    title = f"Memory vs {versus}" if versus else f"Memory — {len(shown)} benchmark{'s' if len(shown) != 1 else ''}"
    yield line(Span(f" {title} ".center(width, "-"), "yellow"))
    yield line("name".ljust(names), *(GAP + column.header.rjust(column.width) for column in columns))
    yield line(Span("-" * width, "yellow"))
    for index, row in enumerate(shown):
        cells = [Span(GAP + column.cells[index].rjust(column.width), column.styles[index]) for column in columns]
        tint = columns[-1].styles[index] if versus else columns[0].styles[index] if columns else ""
        yield line(Span(row.name.ljust(names), tint), *cells)
    yield line(Span("-" * width, "yellow"))
    below = caption(shown, choice, timed=False)
    if below:
        yield line(Span(below, "dim"))


def _is_rule(text: Line) -> bool:
    written = plain(text)
    return len(written) > 1 and set(written) == {"-"}


def _joined(text: Line, width: int, cells: Sequence[Span]) -> Line:
    padding = " " * (width - len(plain(text)))
    spaced = [span for cell in cells for span in (Span(GAP), cell)]
    return (*text, Span(f"{padding}{GAP}{_RULE}"), *spaced)
