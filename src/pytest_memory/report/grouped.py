"""The wide comparison: any metrics and statistics as columns, one row per benchmark and run, in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pytest_memory.report.comparison import extremes, names_of, tone_of
from pytest_memory.report.scales import Scale, scale_for
from pytest_memory.report.table import Cell, Column, Table, printable
from pytest_memory.report.values import Field, GroupedView, Values, draw_groups
from pytest_memory.stats import geometric_mean
from pytest_memory.store.lineup import Lineup

_FACTOR_SHOWN = 1000
_FACTOR_BEYOND = " (>1000.0)"


def grouped_tables(lineup: Lineup, view: GroupedView) -> list[Table]:
    """One table per group; none if nothing was measured."""
    return draw_groups(lineup, view, _table)


@lru_cache(maxsize=4096)  # thousands of groups, few sets of units
def _columns(fields: tuple[Field, ...], scales: tuple[Scale, ...]) -> list[Column]:
    columns = []
    for position, (field, scale) in enumerate(zip(fields, scales, strict=True)):
        turns = position > 0 and (fields[position - 1].metric == "time") != (field.metric == "time")
        title = (
            f"{field.metric} ({scale.unit})\n{field.stat or ''}".rstrip() if field.metric else printable(field.extra)
        )
        columns.append(Column(field.key, title, opens_section=turns))
    return columns


def _table(title: str, keys: Sequence[str], values: Values) -> Table:
    found = values.rows(keys)
    names = dict.fromkeys(keys, "") if len(keys) == 1 else names_of(keys)
    labels = [f"({printable(label)})" for label in values.labels]
    columns = [
        [Cell(f"{names[key]} {labels[label]}".lstrip(), key) for key, label, _ in found],
        [Cell("", values.labels[label]) for _, label, _ in found],
    ]
    scales = []
    for field, numbers in zip(values.fields, zip(*(row for _, _, row in found), strict=True), strict=True):
        scale, cells = _column(numbers, field)
        scales.append(scale)
        columns.append(cells)
    header = (Column("id", "name", text=True), Column("run", "", machine=True))
    return Table(
        title,
        (*header, *_columns(values.fields, tuple(scales))),
        list(zip(*columns, strict=True)),
        _geomeans(values, keys, scales),
    )


def _column(numbers: Sequence[float | None], field: Field) -> tuple[Scale, list[Cell]]:
    """One column: its unit suits its smallest positive number, beside each number stands how often it is the smallest.

    A number that comes again is written once: bytes repeat exactly in nearly every run.
    """
    present = [number for number in numbers if number is not None]
    best = min(present, default=0)
    smallest = best if best > 0 else min((number for number in present if number > 0), default=0)
    scale = Scale("count") if field.metric is None else scale_for(field.metric, smallest)
    ends = extremes(present)
    factors = field.metric is not None and best > 0 and len(numbers) > 1
    cells = {}
    for number in set(numbers):
        text = scale.text(number)
        if factors and number is not None:
            factor = number / best
            text += " (1.0)" if factor == 1 else f" ({factor:.2f})" if factor <= _FACTOR_SHOWN else _FACTOR_BEYOND
        cells[number] = Cell(text, number, tone_of(number, ends))
    return scale, [cells[number] for number in numbers]


def _geomeans(values: Values, keys: Sequence[str], scales: Sequence[Scale]) -> list[list[Cell]]:
    """One row per label over the benchmarks that every label has, if there are several of them."""
    if len(keys) < 2:
        return []
    means = [
        _geomeans_of(column, keys) if field.metric else []
        for field, column in zip(values.fields, values.columns, strict=True)
    ]
    if not any(means):
        return []
    rows = []
    for label, name in enumerate(values.labels):
        cells = [Cell(f"geomean ({printable(name)})", "geomean"), Cell("", name)]
        for scale, column in zip(scales, means, strict=True):
            cells.append(Cell(scale.text(column[label]), column[label]) if column else Cell(""))
        rows.append(cells)
    return rows


def _geomeans_of(column: Sequence[Mapping[str, float]], keys: Sequence[str]) -> list[float | None]:
    common = [key for key in keys if all(numbers.get(key, 0) > 0 for numbers in column)]
    return [geometric_mean(numbers[key] for key in common) for numbers in column] if len(common) > 1 else []
