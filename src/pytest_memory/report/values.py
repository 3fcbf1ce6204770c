"""The numbers of a wide comparison: which are shown, in which groups and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.scales import change_percent
from pytest_memory.report.table import Table, printable
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.lineup import Lineup
from pytest_memory.store.measured import column_of

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

    def grid(self, keys: Sequence[str]) -> tuple[list[tuple[str, int]], list[list[float | None]]]:
        """Benchmark and label of each row that has a number, and the numbers of these rows for each field."""
        rows = [(key, label) for key in keys for label in self._series]
        grid = [[numbers.get(key) for key in keys for numbers in column] for column in self.columns]
        if not all(None in column for column in grid):
            return rows, grid
        kept = [row for row, numbers in enumerate(zip(*grid, strict=True)) if numbers.count(None) < len(numbers)]
        return [rows[row] for row in kept], [[column[row] for row in kept] for column in grid]


def _numbers(lineup: Lineup, field: Field, label: int) -> Mapping[str, float]:
    if field.metric is None:
        return lineup.extras[field.extra][label]
    return column_of(lineup.metrics[field.metric][label], field.stat)


def grouped_rows(lineup: Lineup, view: GroupedView) -> list[list[object]]:
    """Raw numbers for CSV: one row per benchmark by id, columns ``<metric>:<stat>:<label>``."""
    values = Values(lineup, view.fields, view.alpha)
    header: list[object] = ["id", *(f"{field.key}:{label}" for field in values.fields for label in values.labels)]
    columns = [numbers for column in values.columns for numbers in column]
    body: list[list[object]] = [[key, *(numbers.get(key) for numbers in columns)] for key in values.keys]
    return [header, *body]


def draw_groups(lineup: Lineup, view: GroupedView, draw: Callable[[str, Sequence[str], Values], Table]) -> list[Table]:
    """Make one table per group; none if nothing was measured.

    Args:
        lineup: What was measured.
        view: What is shown of it.
        draw: Makes a table of a title, the benchmarks of a group in their order, and the numbers.
    """
    values = Values(lineup, view.fields, view.alpha)
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


def _sorted(values: Values, keys: list[str], sort: str) -> list[str]:
    if sort == "name":
        return keys
    first, last = values.columns[0][0], values.columns[0][-1]

    def rank(key: str) -> tuple[bool, float]:
        value = change_percent(first.get(key), last.get(key)) if sort == "change" else last.get(key)
        return (value is None, -(value or 0))

    return sorted(keys, key=rank)
