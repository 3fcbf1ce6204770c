"""The changes of several runs against the first: one row per benchmark and metric, one column per later run."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.report.comparison import NOISE_MARK, names_of
from pytest_memory.report.scales import Scale, change_percent, change_text, scale_for
from pytest_memory.report.table import Cell, Column, Header, Table, by_column, printable
from pytest_memory.report.values import Field, GroupedView, Values, groups_of
from pytest_memory.store.lineup import Lineup


def diff_tables(lineup: Lineup, view: GroupedView) -> list[Table]:
    """One table per group: the value under the first label, then the change of each later one."""
    values = Values(lineup, view.fields, view.alpha)
    return [_diff(title, keys, values) for title, keys in groups_of(values, view).items()]


def _diff(title: str, keys: Sequence[str], values: Values) -> Table:
    several = len(values.fields) > 1
    names = names_of(keys)
    rows = []
    for key in keys:
        for field, column in zip(values.fields, values.columns, strict=True):
            base, *others = (numbers.get(key) for numbers in column)
            cells = [Cell(names[key], key), Cell(field.key, field.key), Cell(_with_unit(base, field), base)]
            for label, other in enumerate(others, 1):
                percent = change_percent(base, other)
                real = not percent or values.real(field, key, label)
                cells.append(_change(percent, real))
            rows.append(cells)
    first, *later = values.labels
    header = Header(
        (
            Column("id", "name", text=True),
            Column("metric", "metric", text=True, machine=not several),
            Column("base", printable(first) if several else f"{printable(first)}\n{values.fields[0].key}"),
            *(Column(label, printable(label), under="change_pct") for label in later),
        )
    )
    return Table(title, header, by_column(rows, header))


def _with_unit(value: float | None, field: Field) -> str:
    if value is None or field.metric is None:
        return Scale("count").text(value)
    scale = scale_for(field.metric, value)
    return scale.text(value) if scale.unit == "count" else f"{scale.text(value)} {scale.unit}"


def _change(percent: float | None, real: bool) -> Cell:
    text = change_text(percent, plain_zero=True)
    if not real:
        return Cell(f"{text} {NOISE_MARK}", percent)
    return Cell(text, percent, "" if not percent else "bad" if percent > 0 else "good")
