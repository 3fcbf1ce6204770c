"""The memory columns of a benchmark table: one per metric, or one per metric and statistic; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_memory.model.benchmark import SERIES_KEYS, BenchmarkMetric, MemoryResult
from pytest_memory.report.lines import Style
from pytest_memory.report.scales import change_percent, change_text, scale_for
from pytest_memory.stats import summarise

_NAMES: dict[BenchmarkMetric, str] = {
    "peak": "peak",
    "allocated": "allocated",
    "allocations": "allocs",
    "rss": "rss",
}


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One benchmark.

    Attributes:
        name: As the table shows it.
        result: Its passes, or ``None`` without memory.
        base: Headline peak of the stored run in bytes, or ``None``.
    """

    name: str
    result: MemoryResult | None
    base: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryColumn:
    """A column as text.

    Attributes:
        header: With the unit of its cells.
        cells: One per row.
        styles: One per row.
    """

    header: str
    cells: tuple[str, ...]
    styles: tuple[Style, ...]

    @property
    def width(self) -> int:
        """Characters of the widest cell, header included."""
        return max(map(len, (self.header, *self.cells)))


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader wants to see.

    Attributes:
        metrics: In order; ``None`` for the peak, and the resident peak where there is one.
        stats: For benchmarks of several passes.
    """

    metrics: tuple[BenchmarkMetric, ...] | None
    stats: tuple[str, ...]

    def shown(self, rows: Sequence[MemoryRow]) -> list[BenchmarkMetric]:
        """The metrics that get a column: those chosen that somebody measured."""
        wanted = self.metrics or ("peak", "rss")
        return [metric for metric in wanted if any(_series(row, metric) for row in rows)]

    def hidden(self, rows: Sequence[MemoryRow]) -> list[str]:
        """The metrics that were measured and get none, by the names that the flag takes."""
        shown = self.shown(rows)
        rest = [metric for metric in SERIES_KEYS if metric not in shown]
        return [_NAMES[metric] for metric in rest if any(_series(row, metric) for row in rows)]


def memory_columns(rows: Sequence[MemoryRow], choice: Choice) -> list[MemoryColumn]:
    """The columns of each chosen metric, spread into statistics if any row has several passes.

    The smallest value of a column is green and the largest red; each column's bytes share one unit.
    """
    spread = any(row.result is not None and row.result.repeats > 1 for row in rows)
    columns: list[MemoryColumn] = []
    for metric in choice.shown(rows):
        if spread:
            columns += _spread_columns(rows, metric, choice.stats)
        else:
            columns += _columns(metric, [(_NAMES[metric], [_headline(row, metric) for row in rows])])
    return columns


def compare_columns(rows: Sequence[MemoryRow], change: str) -> list[MemoryColumn]:
    """The stored headline peak, and the change from it.

    Args:
        rows: The benchmarks.
        change: Header of the second column.
    """
    base = [row.base for row in rows]
    changes = [change_percent(row.base, _headline(row, "peak")) for row in rows]
    [column] = _columns("peak", [("base", base)], tint=False)
    return [
        column,
        MemoryColumn(change, tuple(map(change_text, changes)), tuple(map(_direction, changes))),
    ]


def caption(rows: Sequence[MemoryRow], choice: Choice, *, timed: bool, versus: str = "") -> str:
    """The line below a table.

    Args:
        rows: The benchmarks.
        choice: What the reader sees of them.
        timed: The table has timings on its left.
        versus: Label of the stored run, if the table has a column with the change.
    """
    parts = ["memory (right of │): a separate, untimed pass, not the timed rounds"] if timed else []
    hidden = choice.hidden(rows)
    if hidden:
        parts.append(f"also available via --benchmark-memory-columns: {', '.join(hidden)}")
    if versus and timed:
        parts.append(f"Δ peak vs {versus}")
    return "  •  ".join(parts)


def _spread_columns(rows: Sequence[MemoryRow], metric: BenchmarkMetric, stats: Sequence[str]) -> list[MemoryColumn]:
    series = [_series(row, metric) for row in rows]
    return _columns(
        metric,
        [
            (f"{_NAMES[metric]}·{stat}", [summarise(values, stat) if values else None for values in series])
            for stat in stats
        ],
    )


def _columns(
    metric: BenchmarkMetric, columns: Iterable[tuple[str, Sequence[float | None]]], *, tint: bool = True
) -> list[MemoryColumn]:
    """Columns that share a unit, named in the header of the first."""
    columns = list(columns)
    scale = scale_for(metric, max((value for _, values in columns for value in values if value is not None), default=0))
    unit = "" if metric == "allocations" else f" ({scale.unit})"
    return [
        MemoryColumn(
            header if position else header + unit,
            tuple(map(scale.text, values)),
            _best_and_worst(values) if tint else _untinted(values),
        )
        for position, (header, values) in enumerate(columns)
    ]


def _best_and_worst(values: Sequence[float | None]) -> tuple[Style, ...]:
    known = [value for value in values if value is not None]
    if len(known) < 2 or min(known) == max(known):
        return _untinted(values)
    colours: dict[float, Style] = {min(known): "green", max(known): "red"}
    return tuple("" if value is None else colours.get(value, "") for value in values)


def _untinted(values: Sequence[float | None]) -> tuple[Style, ...]:
    return tuple("" for _ in values)


def _direction(percent: float | None) -> Style:
    if not percent:
        return ""
    return "red" if percent > 0 else "green"


def _series(row: MemoryRow, metric: BenchmarkMetric) -> tuple[int, ...]:
    return row.result.series(metric) if row.result is not None else ()


def _headline(row: MemoryRow, metric: BenchmarkMetric) -> int | None:
    return row.result.value(metric) if row.result is not None else None
