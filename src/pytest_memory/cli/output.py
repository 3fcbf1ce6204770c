"""Where a comparison goes: stdout in one of three formats, and a CSV file beside it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.cli.streams import emit, emit_pieces, remark, wants_colour
from pytest_memory.report.drawing import draw
from pytest_memory.report.markdown import render_markdown
from pytest_memory.report.separated import render_csv
from pytest_memory.report.table import Sheet
from pytest_memory.report.tables_json import render_tables_json
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.documents import write_text
from pytest_memory.store.lineup import Lineup

FORMATS = ("table", "md", "json")


class Output:
    """Writes tables and rows.

    Args:
        format: One of ``FORMATS``.
        csv: The file for raw numbers, or ``None``.

    Raises:
        WrongUsage: There is no such format.
    """

    def __init__(self, format: str, csv: Path | None) -> None:
        if format not in FORMATS:
            raise WrongUsage(f"unknown --format {format!r}", f"choose from {', '.join(FORMATS)}")
        self.format = format
        self.csv = csv

    def show(self, sheet: Sheet) -> None:
        """Write tables to stdout; colours and folding are for terminals alone.

        Raises:
            CommandFailed: There is nothing to show.
        """
        if not sheet.tables:
            raise CommandFailed("no benchmarks in these runs have what was asked for", "see --columns and --where")
        if self.format == "json":
            emit_pieces(render_tables_json(sheet))
        elif self.format == "md":
            emit(render_markdown(sheet))
        else:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            colour = wants_colour()
            emit_pieces(draw(sheet, width=width, colour=colour).pieces())

    def save_csv(self, rows: Callable[[], Sequence[Sequence[object]]]) -> None:
        """Write raw numbers, if they were asked for; they are not computed otherwise.

        Raises:
            UnwritableFile: The file cannot be written.
        """
        if self.csv is not None:
            write_text(self.csv, render_csv(rows()))

    def refuse_without(self, lineup: Lineup, metric: Metric, where: Sequence[tuple[str, str]]) -> None:
        """Say which runs lack a metric among the benchmarks for which these conditions hold.

        Raises:
            CommandFailed: All of them do.
        """
        empty = [label for label, column in zip(lineup.labels, lineup.metrics[metric], strict=True) if not column]
        if len(empty) == len(lineup.labels):
            conditions = "".join(f" and {name}={value}" for name, value in where)
            advice = "measure it with --benchmark-memory or --memory-report" if metric != "time" else ""
            if where and not any(lineup.present):
                advice = "--where leaves none over"
            raise CommandFailed(f"no benchmarks with {metric}{conditions} in {', '.join(empty)}", advice)
        for label in empty:
            remark(f"no benchmark of {label} has {metric}")
