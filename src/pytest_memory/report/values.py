"""The numbers of a wide comparison: which are shown, in which groups and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.scales import change_percent
from pytest_memory.report.table import printable
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.lineup import Lineup

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


class Grid(NamedTuple):
    """The rows of one table.

    Attributes:
        rows: Benchmark and label of each.
        columns: For each field the numbers of these rows.
    """

    rows: Sequence[tuple[str, int]]
    columns: Sequence[Sequence[float | None]]


class Values:
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
        columns = _columns(lineup, fields)
        self.fields = tuple(field for field, column in zip(fields, columns, strict=True) if any(column))
        self.columns = [column for column in columns if any(column)]
        self.keys = sorted(set().union(*chain.from_iterable(columns)))

    def real(self, field: Field, key: str, label: int) -> bool:
        """Whether the first label and another one really differ in a benchmark; true for extras, which are exact."""
        if field.metric is None:
            return True
        columns = self.lineup.metrics[field.metric]
        return columns[0][key].compare(columns[label][key], field.metric, self.alpha).real is True

    def grids(self, groups: Iterable[Sequence[str]]) -> Iterator[Grid]:
        """The rows of each group that have a number."""
        groups = list(groups)
        keys = list(chain.from_iterable(groups))
        rows = [(key, label) for key in keys for label in self._series]
        columns = [_interleaved(column, keys) for column in self.columns]
        end = 0
        for group in groups:
            begin, end = end, end + len(group) * len(self._series)
            yield _without_empty(rows[begin:end], [column[begin:end] for column in columns])


def _columns(lineup: Lineup, fields: Sequence[Field]) -> list[Sequence[Mapping[str, float]]]:
    return [
        [series.column(field.stat) for series in lineup.metrics[field.metric]]
        if field.metric
        else lineup.extras[field.extra]
        for field in fields
    ]


def _interleaved(column: Sequence[Mapping[str, float]], keys: Sequence[str]) -> list[float | None]:
    """The numbers of each benchmark under one label after the other."""
    return list(chain.from_iterable(zip(*[map(numbers.get, keys) for numbers in column], strict=True)))


def _without_empty(rows: Sequence[tuple[str, int]], numbers: Sequence[Sequence[float | None]]) -> Grid:
    if not all(None in column for column in numbers):
        return Grid(rows, numbers)
    kept = [row for row, found in enumerate(zip(*numbers, strict=True)) if found.count(None) < len(found)]
    return Grid([rows[row] for row in kept], [[column[row] for row in kept] for column in numbers])


def grouped_rows(lineup: Lineup, view: GroupedView) -> list[list[object]]:
    """Raw numbers for CSV: one row per benchmark by id, columns ``<metric>:<stat>:<label>``."""
    values = Values(lineup, view.fields, view.alpha)
    header: list[object] = ["id", *(f"{field.key}:{label}" for field in values.fields for label in values.labels)]
    columns = [numbers for column in values.columns for numbers in column]
    body: list[list[object]] = [[key, *(numbers.get(key) for numbers in columns)] for key in values.keys]
    return [header, *body]


def groups_of(values: Values, view: GroupedView) -> dict[str, list[str]]:
    """Titles of the tables and the benchmarks of each in their order; none if nothing was measured."""
    if not values.fields:
        return {}
    groups = _groups(values.lineup, values.keys, view.group_by)
    return {title: _sorted(values, keys, view.sort) for title, keys in groups.items()}


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


def _sorted(values: Values, keys: list[str], sort: str) -> list[str]:
    if sort == "name":
        return keys
    first, last = values.columns[0][0], values.columns[0][-1]

    def rank(key: str) -> tuple[bool, float]:
        value = change_percent(first.get(key), last.get(key)) if sort == "change" else last.get(key)
        return (value is None, -(value or 0))

    return sorted(keys, key=rank)
