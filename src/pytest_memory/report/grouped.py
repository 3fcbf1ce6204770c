"""The wide comparison: any metrics and statistics as columns, one row per benchmark and run, in groups.

With ``--diff`` there is one row per benchmark and metric instead, and one column of changes per later run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.comparison import NOISE_MARK, extremes, names_of, tone_of
from pytest_memory.report.scales import Scale, change_percent, change_text, scale_for
from pytest_memory.report.table import Cell, Column, Table, printable
from pytest_memory.stats import geometric_mean
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.lineup import Lineup

_FACTOR_SHOWN = 1000
_FACTOR_BEYOND = " (>1000.0)"
_NODE_KEYS = ("func", "group", "module", "class")
GROUP_KEYS = ("fullname", "name", *_NODE_KEYS, "param:NAME")


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the wide table.

    Attributes:
        metric: Which metric, or ``None`` for an extra.
        stat: Which statistic, or ``None`` for the headline.
        extra: Name of a dim whose number is shown instead.
    """

    metric: Metric | None
    stat: str | None = None
    extra: str = ""

    @property
    def key(self) -> str:
        """Its name in CSV and JSON: ``time:min``, ``peak``, ``extra:size``."""
        if self.metric is None:
            return f"extra:{self.extra}"
        return f"{self.metric}:{self.stat}" if self.stat else self.metric


@dataclass(frozen=True, slots=True)
class GroupedView:
    """What of a lineup is shown.

    Attributes:
        fields: The columns, in order.
        group_by: Keys that make up a group, of ``GROUP_KEYS``; none makes one table.
        sort: ``name``, ``value`` or ``change``, by the first column.
        alpha: A difference is real if its p is below this.
    """

    fields: tuple[Field, ...]
    group_by: tuple[str, ...] = ("fullname",)
    sort: str = "name"
    alpha: float = 0.05

    @property
    def needs_dims(self) -> bool:
        """Whether groups are made of more than the ids."""
        return any(key not in ("fullname", "name") for key in self.group_by)


class _Values:
    """Numbers of a lineup, each computed once; fields that hold none are left out.

    Attributes:
        fields: The fields that hold numbers.
        columns: For each of them one mapping of benchmarks to numbers per label.
        keys: Every benchmark that has one, sorted.
    """

    def __init__(self, lineup: Lineup, fields: Sequence[Field], alpha: float) -> None:
        self.lineup = lineup
        self.alpha = alpha
        self.labels = lineup.labels
        self._series = range(len(lineup.labels))
        columns = [[_numbers(lineup, field, label) for label in self._series] for field in fields]
        self.fields = tuple(field for field, column in zip(fields, columns, strict=True) if any(column))
        self.columns = [column for column in columns if any(column)]
        self.keys = sorted({key for column in columns for numbers in column for key in numbers})

    def real(self, field: Field, key: str, label: int) -> bool:
        """Whether the first label and another one really differ in a benchmark; true for extras, which are exact."""
        if field.metric is None:
            return True
        columns = self.lineup.metrics[field.metric]
        return columns[0][key].compare(columns[label][key], field.metric, self.alpha).real is True

    def rows(self, keys: Sequence[str]) -> list[tuple[str, int, list[float | None]]]:
        """Benchmark, label and one number per field, where there is any."""
        rows = []
        for key in keys:
            for label in self._series:
                numbers = [column[label].get(key) for column in self.columns]
                if numbers.count(None) < len(numbers):
                    rows.append((key, label, numbers))
        return rows


def _numbers(lineup: Lineup, field: Field, label: int) -> Mapping[str, float]:
    if field.metric is None:
        return lineup.extras[field.extra][label]
    stat = field.stat
    return {
        key: value
        for key, measured in lineup.metrics[field.metric][label].items()
        if (value := measured.value(stat)) is not None
    }


def grouped_tables(lineup: Lineup, view: GroupedView) -> list[Table]:
    """One table per group; none if nothing was measured."""
    return _tables(lineup, view, _table)


def diff_tables(lineup: Lineup, view: GroupedView) -> list[Table]:
    """One table per group: the value under the first label, then the change of each later one."""
    return _tables(lineup, view, _diff)


def grouped_rows(lineup: Lineup, view: GroupedView) -> list[list[object]]:
    """Raw numbers for CSV: one row per benchmark by id, columns ``<metric>:<stat>:<label>``."""
    values = _Values(lineup, view.fields, view.alpha)
    header: list[object] = ["id", *(f"{field.key}:{label}" for field in values.fields for label in values.labels)]
    columns = [numbers for column in values.columns for numbers in column]
    body: list[list[object]] = [[key, *(numbers.get(key) for numbers in columns)] for key in values.keys]
    return [header, *body]


def _tables(lineup: Lineup, view: GroupedView, draw: Callable[[str, Sequence[str], _Values], Table]) -> list[Table]:
    values = _Values(lineup, view.fields, view.alpha)
    if not values.fields:
        return []
    groups = _groups(lineup, values.keys, view.group_by)
    return [draw(title, _sorted(values, keys, view.sort), values) for title, keys in groups.items()]


def _groups(lineup: Lineup, keys: Sequence[str], group_by: Sequence[str]) -> dict[str, list[str]]:
    if not group_by:
        return {"comparison": list(keys)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for key in keys:
        groups.setdefault(tuple(_part(lineup, key, part) for part in group_by), []).append(key)
    titled: dict[str, list[str]] = {}
    for parts in sorted(groups):
        title = printable(" ".join(part for part in parts if part)) or "comparison"
        titled.setdefault(title, []).extend(groups[parts])
    return titled


def _part(lineup: Lineup, key: str, part: str) -> str:
    if part == "fullname":
        return key
    if part == "name":
        return short_id(key)
    name = f"node.{part}" if part in _NODE_KEYS else part.removeprefix("param:")
    return str(lineup.dims.get(key, {}).get(name, ""))


def _sorted(values: _Values, keys: list[str], sort: str) -> list[str]:
    if sort == "name":
        return keys
    first, last = values.columns[0][0], values.columns[0][-1]

    def rank(key: str) -> tuple[bool, float]:
        value = change_percent(first.get(key), last.get(key)) if sort == "change" else last.get(key)
        return (value is None, -(value or 0))

    return sorted(keys, key=rank)


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


def _table(title: str, keys: Sequence[str], values: _Values) -> Table:
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


def _geomeans(values: _Values, keys: Sequence[str], scales: Sequence[Scale]) -> list[list[Cell]]:
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


def _diff(title: str, keys: Sequence[str], values: _Values) -> Table:
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
    columns = (
        Column("id", "name", text=True),
        Column("metric", "metric", text=True, machine=not several),
        Column("base", printable(first) if several else f"{printable(first)}\n{values.fields[0].key}"),
        *(Column(label, printable(label), under="change_pct") for label in later),
    )
    return Table(title, columns, rows)


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
