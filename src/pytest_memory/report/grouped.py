"""The wide comparison: any metrics and statistics as columns, one row per benchmark and run, in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_memory.report.comparison import extremes, names_of, tone_of
from pytest_memory.report.scales import Scale, scale_for
from pytest_memory.report.table import Cell, Column, Header, Raw, Table, Tone, printable
from pytest_memory.report.values import Field, Grid, GroupedView, Values, groups_of
from pytest_memory.stats import geometric_mean
from pytest_memory.store.lineup import Lineup

_FACTOR_SHOWN = 1000
_FACTOR_BEYOND = " (>1000.0)"


def grouped_tables(lineup: Lineup, view: GroupedView) -> list[Table]:
    """One table per group; none if nothing was measured."""
    values = Values(lineup, view.fields, view.alpha)
    groups = groups_of(values, view)
    drawer = _Drawer(values)
    grids = values.grids(groups.values())
    return [drawer.table(title, keys, grid) for (title, keys), grid in zip(groups.items(), grids, strict=True)]


class _Drawer:
    """Makes the tables; what thousands of them share is made once."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._labels = [f"({printable(label)})" for label in values.labels]
        self._headers: dict[tuple[str, ...], Header] = {}

    def table(self, title: str, keys: Sequence[str], grid: Grid) -> Table:
        values, rows = self._values, grid.rows
        body: list[_Numbers] = []
        for field, numbers in zip(values.fields, grid.columns, strict=True):
            # The statistics of bytes that repeat exactly are one number.
            same = body and body[-1].numbers == numbers and body[-1].field.metric == field.metric
            body.append(body[-1] if same else _Numbers(numbers, field))
        scales = [column.scale for column in body]
        units = tuple([scale.unit for scale in scales])
        header = self._headers.get(units)
        if header is None:
            header = self._headers[units] = Header(_columns(values.fields, scales))
        names = _Names(rows, self._labels, {} if len(keys) == 1 else names_of(keys))
        return Table(title, header, [names, _Runs(rows, values.labels), *body], _geomeans(values, keys, scales))


def _columns(fields: Sequence[Field], scales: Sequence[Scale]) -> list[Column]:
    columns = [Column("id", "name", text=True), Column("run", "", machine=True)]
    for position, (field, scale) in enumerate(zip(fields, scales, strict=True)):
        turns = position > 0 and (fields[position - 1].metric == "time") != (field.metric == "time")
        title = (
            f"{field.metric} ({scale.unit})\n{field.stat or ''}".rstrip() if field.metric else printable(field.extra)
        )
        columns.append(Column(field.key, title, opens_section=turns))
    return columns


class _Names:
    """The column that names the rows, by benchmark and run; by run alone in a group of one benchmark."""

    def __init__(self, rows: Sequence[tuple[str, int]], labels: Sequence[str], names: Mapping[str, str]) -> None:
        self._rows = rows
        self._labels = labels
        self._names = names

    def texts(self) -> list[str]:
        if not self._names:
            return [self._labels[label] for _, label in self._rows]
        return [f"{self._names[key]} {self._labels[label]}" for key, label in self._rows]

    def raws(self) -> list[str]:
        return [key for key, _ in self._rows]

    def tones(self) -> list[Tone]:
        return [""] * len(self._rows)


class _Runs:
    """The label of each row, for machines."""

    def __init__(self, rows: Sequence[tuple[str, int]], labels: Sequence[str]) -> None:
        self._rows = rows
        self._labels = labels

    def texts(self) -> list[str]:
        return [""] * len(self._rows)

    def raws(self) -> list[str]:
        return [self._labels[label] for _, label in self._rows]

    def tones(self) -> list[Tone]:
        return [""] * len(self._rows)


class _Numbers:
    """One column: its unit suits its smallest positive number, beside each number stands how often it is the smallest.

    Attributes:
        numbers: From the top.
        field: What they are.
        scale: Their unit.
    """

    __slots__ = ("_best", "_texts", "field", "numbers", "scale")

    def __init__(self, numbers: Sequence[float | None], field: Field) -> None:
        self.numbers = numbers
        self.field = field
        present: Sequence[float] = [one for one in numbers if one is not None] if None in numbers else numbers  # type: ignore[assignment]
        self._best = best = min(present, default=0)
        if field.metric is None:
            self.scale = Scale("count")
        else:
            self.scale = scale_for(field.metric, best if best > 0 else min((n for n in present if n > 0), default=0))
        self._texts: list[str] | None = None

    def texts(self) -> list[str]:
        if self._texts is None:
            self._texts = self._written()
        return self._texts

    def raws(self) -> Sequence[Raw]:
        return self.numbers

    def tones(self) -> list[Tone]:
        ends = extremes(self.numbers)
        return [tone_of(number, ends) for number in self.numbers]

    def _written(self) -> list[str]:
        numbers, best = self.numbers, self._best
        if self._is_regular:  # nearly all of a million
            return [f"{n:.4g} (1.0)" if n == best else f"{n:.4g} ({n / best:.2f})" for n in numbers]  # type: ignore[operator]
        texts = self.scale.texts(numbers)
        if self.field.metric is None or best <= 0 or len(numbers) == 1:
            return texts
        return [text + _factor(number, best) for text, number in zip(texts, numbers, strict=True)]

    @property
    def _is_regular(self) -> bool:
        """Whether these are several times, none of which is missing or far from the others."""
        numbers, best = self.numbers, self._best
        if self.field.metric != "time" or best <= 0 or len(numbers) == 1 or None in numbers:
            return False
        return max(numbers) <= best * _FACTOR_SHOWN  # type: ignore[type-var, operator]


def _factor(number: float | None, best: float) -> str:
    if number is None:
        return ""
    factor = number / best
    if factor > _FACTOR_SHOWN:
        return _FACTOR_BEYOND
    return " (1.0)" if number == best else f" ({factor:.2f})"


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
