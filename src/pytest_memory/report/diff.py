"""The changes of several runs against the first: one row per benchmark and metric, one column per later run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain

from pytest_memory.report.comparison import NOISE_MARK, names_of
from pytest_memory.report.scales import Scale, change_percent, change_text, scale_for
from pytest_memory.report.table import Cell, Cells, Column, Header, Sheet, Table, printable
from pytest_memory.report.values import Field, GroupedView, Values, groups_of
from pytest_memory.store.lineup import Lineup


def diff_sheet(lineup: Lineup, view: GroupedView) -> Sheet:
    """One table per group: the value under the first label, then the change of each later one."""
    values = Values(lineup, view.fields, view.alpha)
    header = _header(values)
    groups = groups_of(values, view)
    keys = list(chain.from_iterable(groups.values()))
    names = [name for group in groups.values() for name in names_of(group).values()]
    columns = [_column([Cell(name, key) for name, key in zip(names, keys, strict=True)] for _ in values.fields)]
    columns.append(_column([Cell(field.key, field.key)] * len(keys) for field in values.fields))
    columns.append(_column(_bases(values, position, keys) for position in range(len(values.fields))))
    for label in range(1, len(values.labels)):
        columns.append(_column(_changes(values, position, label, keys) for position in range(len(values.fields))))
    ends = list(accumulate([len(group) * len(values.fields) for group in groups.values()], initial=0))
    rows = map(slice, ends, ends[1:])
    return Sheet(columns, [Table(title, header, part) for title, part in zip(groups, rows, strict=True)])


def _column(cells: Iterable[Sequence[Cell]]) -> Cells:
    """One column of the cells of each field, those of a benchmark under each other."""
    return Cells(list(chain.from_iterable(zip(*cells, strict=True))))


def _header(values: Values) -> Header:
    several = len(values.fields) > 1
    first, *later = values.labels
    base = printable(first) if several else "\n".join([printable(first), *[field.key for field in values.fields]])
    return Header(
        (
            Column("id", "name", text=True),
            Column("metric", "metric", text=True, machine=not several),
            Column("base", base),
            *(Column(label, printable(label), under="change_pct") for label in later),
        )
    )


def _bases(values: Values, position: int, keys: Sequence[str]) -> list[Cell]:
    field, numbers = values.fields[position], map(values.columns[position][0].get, keys)
    return [Cell(_with_unit(number, field), number) for number in numbers]


def _changes(values: Values, position: int, label: int, keys: Sequence[str]) -> list[Cell]:
    field, column = values.fields[position], values.columns[position]
    percents = list(map(change_percent, map(column[0].get, keys), map(column[label].get, keys)))
    return [
        _change(percent, not percent or values.real(field, key, label))
        for percent, key in zip(percents, keys, strict=True)
    ]


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
