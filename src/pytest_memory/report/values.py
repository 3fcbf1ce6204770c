"""The numbers of a wide comparison: which are shown, in which groups and in which order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import NamedTuple

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.scales import change_percent
from pytest_memory.report.table import printable
from pytest_memory.store.aligned import Numbers, sorted_keys
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.dims import node_dims
from pytest_memory.store.lineup import Lineup

_ID_KEYS = ("func", "module", "class")  # what they mean stands in a benchmark's id, whatever its dims are called
GROUP_KEYS = ("fullname", "name", "func", "group", "module", "class", "param:NAME")


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
        return any(key not in ("fullname", "name", *_ID_KEYS) for key in self.group_by)


class Stack(NamedTuple):
    """The rows of many tables, those of one after those of another.

    Attributes:
        keys: The benchmark of each row.
        labels: The position of its label.
        columns: For each field the numbers of these rows; one list for fields that have the very same.
        parts: Which rows each table has.
    """

    keys: Sequence[str]
    labels: Sequence[int]
    columns: Sequence[Sequence[float | None]]
    parts: Sequence[slice]

    def cut(self, column: Sequence[float | None]) -> Sequence[Sequence[float | None]]:
        """A column's numbers by table."""
        sizes = {part.stop - part.start for part in self.parts}
        if len(sizes) == 1:  # as nearly always, and then it takes a third of the time
            return list(zip(*[iter(column)] * sizes.pop(), strict=True))
        return [column[part] for part in self.parts]


class Values:
    """Numbers of a lineup, each computed once; fields that hold none are left out.

    Attributes:
        fields: The fields that hold numbers.
        columns: For each of them the numbers under each label.
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
        self.keys = sorted_keys(numbers.ids for column in self.columns for numbers in column)

    def real(self, field: Field, keys: Sequence[str], label: int) -> list[bool]:
        """Whether the first label and another really differ in each of some benchmarks; extras are exact."""
        if field.metric is None:
            return [True] * len(keys)
        columns = self.lineup.metrics[field.metric]
        return columns[0].differ(columns[label], keys, field.metric, self.alpha)

    def stacked(self, groups: Iterable[Sequence[str]]) -> Stack:
        """The rows of all groups that have a number."""
        groups = list(groups)
        keys = list(chain.from_iterable(groups))
        labels = list(self._series) * len(keys)
        columns = self._interleaved(keys)
        ends = list(accumulate([len(group) * len(self._series) for group in groups], initial=0))
        keys = [key for key in keys for _ in self._series]
        if all(None in column for column in columns):
            kept = [row for row, found in enumerate(zip(*columns, strict=True)) if found.count(None) < len(found)]
            keys, labels = [keys[row] for row in kept], [labels[row] for row in kept]
            shortened = {id(column): [column[row] for row in kept] for column in columns}
            columns = [shortened[id(column)] for column in columns]
            ends = [bisect_left(kept, end) for end in ends]
        return Stack(keys, labels, columns, list(map(slice, ends, ends[1:])))

    def _interleaved(self, keys: Sequence[str]) -> list[list[float | None]]:
        """The columns; those of the very same numbers, like smallest and largest peaks, are one list."""
        found: dict[tuple[int, ...], list[float | None]] = {}
        columns = []
        for column in self.columns:
            identity = tuple(map(id, column))
            if identity not in found:
                found[identity] = _interleaved(column, keys)
            columns.append(found[identity])
        return columns


def _columns(lineup: Lineup, fields: Sequence[Field]) -> list[Sequence[Numbers]]:
    return [
        [series.column(field.stat) for series in lineup.metrics[field.metric]]
        if field.metric
        else lineup.extras[field.extra]
        for field in fields
    ]


def _interleaved(column: Sequence[Numbers], keys: Sequence[str]) -> list[float | None]:
    """The numbers of each benchmark under one label after the other."""
    interleaved: list[float | None] = [None] * (len(column) * len(keys))
    for label, numbers in enumerate(column):
        interleaved[label :: len(column)] = numbers.pick(keys)
    return interleaved


def grouped_rows(lineup: Lineup, view: GroupedView) -> list[list[object]]:
    """Raw numbers for CSV: one row per benchmark by id, columns ``<metric>:<stat>:<label>``."""
    values = Values(lineup, view.fields, view.alpha)
    header: list[object] = ["id", *(f"{field.key}:{label}" for field in values.fields for label in values.labels)]
    columns = [numbers for column in values.columns for numbers in column]
    body: list[list[object]] = list(
        map(list, zip(values.keys, *[one.pick(values.keys) for one in columns], strict=True))
    )
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
    if part in _ID_KEYS:
        return node_dims(key).get(f"node.{part}", "")
    name = "node.group" if part == "group" else part.removeprefix("param:")
    return str(lineup.dims.get(key, {}).get(name, ""))


def _sorted(values: Values, keys: list[str], sort: str) -> list[str]:
    if sort == "name":
        return keys
    first, last = values.columns[0][0], values.columns[0][-1]

    def rank(key: str) -> tuple[bool, float]:
        value = change_percent(first.get(key), last.get(key)) if sort == "change" else last.get(key)
        return (value is None, -(value or 0))

    return sorted(keys, key=rank)
