"""The wide comparison: any metrics and statistics as columns, one row per benchmark and run, in groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import chain, repeat

from pytest_memory.report.comparison import extremes, names_of, tone_of
from pytest_memory.report.scales import MISSING, Scale, scales_for
from pytest_memory.report.table import Body, Cell, Column, Header, Raw, Sheet, Table, Tone, printable
from pytest_memory.report.values import Field, GroupedView, Stack, Values, groups_of
from pytest_memory.stats import geometric_mean
from pytest_memory.store.aligned import Numbers
from pytest_memory.store.lineup import Lineup

_FACTOR_SHOWN = 1000
_FACTOR_BEYOND = " (>1000.0)"
_NO_FACTOR = float("nan")  # neither equals a number nor is less than one

# Seconds as Scale writes them; printf's formats take a sixth less than f-strings, and there may be a million numbers.
_SECONDS = "%.4g"
_LEAST_SECONDS = "%.4g (1.0)"
_MORE_SECONDS = "%.4g (%.2f)"
_FAR_MORE_SECONDS = f"{_SECONDS}{_FACTOR_BEYOND}"


def grouped_sheet(lineup: Lineup, view: GroupedView) -> Sheet:
    """One table per group; none if nothing was measured."""
    values = Values(lineup, view.fields, view.alpha)
    groups = groups_of(values, view)
    stack = values.stacked(groups.values())
    numbers = _number_columns(values.fields, stack)
    columns: list[Body] = [_Names(stack, values.labels, groups.values()), _Runs(stack, values.labels), *numbers]
    headers: dict[tuple[str, ...], Header] = {}
    tables = []
    scales = zip(*[column.scales for column in numbers], strict=True)
    for (title, keys), rows, scale in zip(groups.items(), stack.parts, scales, strict=True):
        units = tuple([one.unit for one in scale])
        header = headers.get(units)
        if header is None:
            header = headers[units] = Header(_header_columns(values.fields, units))
        tables.append(Table(title, header, rows, _geomeans(values, keys, scale)))
    return Sheet(columns, tables)


def _header_columns(fields: Sequence[Field], units: Sequence[str]) -> list[Column]:
    columns = [Column("id", "name", text=True), Column("run", "", machine=True)]
    for position, (field, unit) in enumerate(zip(fields, units, strict=True)):
        turns = position > 0 and (fields[position - 1].metric == "time") != (field.metric == "time")
        title = f"{field.metric} ({unit})\n{field.stat or ''}".rstrip() if field.metric else printable(field.extra)
        columns.append(Column(field.key, title, opens_section=turns))
    return columns


class _Names:
    """The column that names the rows, by benchmark and run; by run alone in a group of one benchmark."""

    def __init__(self, stack: Stack, labels: Sequence[str], groups: Collection[Sequence[str]]) -> None:
        self._stack = stack
        self._labels = [f"({printable(label)})" for label in labels]
        self._groups = groups
        self._tones: list[Tone] = [""] * len(stack.keys)

    def texts(self) -> list[str]:
        return self._texts

    def raws(self) -> Sequence[str]:
        return self._stack.keys

    def tones(self) -> list[Tone]:
        return self._tones

    @cached_property
    def _texts(self) -> list[str]:
        stack = self._stack
        texts = [self._labels[label] for label in stack.labels]
        for keys, part in zip(self._groups, stack.parts, strict=True):
            if len(keys) > 1:
                names = names_of(keys)
                texts[part] = [f"{names[key]} {run}" for key, run in zip(stack.keys[part], texts[part], strict=True)]
        return texts


class _Runs:
    """The label of each row, for machines."""

    def __init__(self, stack: Stack, labels: Sequence[str]) -> None:
        self._labels = [labels[label] for label in stack.labels]
        self._nothing: list[Tone] = [""] * len(stack.labels)

    def texts(self) -> Sequence[str]:
        return self._nothing

    def raws(self) -> list[str]:
        return self._labels

    def tones(self) -> list[Tone]:
        return self._nothing


class _Numbers:
    """One column: each table's unit suits its smallest positive number, of which every number says how often it is it.

    Args:
        field: What they are.
        numbers: From the top.
        stack: All rows.

    Attributes:
        scales: The unit of each table.
    """

    def __init__(self, field: Field, numbers: Sequence[float | None], stack: Stack) -> None:
        self._field = field
        self._numbers = numbers
        self._parts = stack.parts
        self._tables = stack.cut(numbers)
        self._least = self._smallest()
        self.scales = self._suitable()

    def texts(self) -> list[str]:
        return self._texts

    def raws(self) -> Sequence[Raw]:
        return self._numbers

    def tones(self) -> list[Tone]:
        return self._tones

    def _smallest(self) -> list[float]:
        """The smallest number of each table, or 0."""
        tables = self._tables
        if None in self._numbers:
            tables = [[number for number in table if number is not None] or [0] for table in tables]
        return list(map(min, tables))  # type: ignore[arg-type]

    def _suitable(self) -> list[Scale]:
        if self._field.metric is None:
            return [Scale("count")] * len(self._parts)
        positive = [
            least if least > 0 else min((one for one in table if one is not None and one > 0), default=0)
            for least, table in zip(self._least, self._tables, strict=True)
        ]
        return scales_for(self._field.metric, positive)

    @cached_property
    def _texts(self) -> list[str]:
        bases = self._bases()
        if self._field.metric == "time":
            sizes = [part.stop - part.start for part in self._parts]
            return _seconds_texts(self._numbers, chain.from_iterable(map(repeat, bases, sizes)))
        return _multiples(self._tables, self.scales, bases)

    def _bases(self) -> list[float]:
        """What the numbers of each table are multiples of."""
        if self._field.metric is None:
            return [_NO_FACTOR] * len(self._parts)
        return [
            least if least > 0 and part.stop - part.start > 1 else _NO_FACTOR
            for least, part in zip(self._least, self._parts, strict=True)
        ]

    @cached_property
    def _tones(self) -> list[Tone]:
        tones: list[Tone] = []
        for table in self._tables:
            ends = extremes(table)
            tones += [""] * len(table) if ends is None else [tone_of(number, ends) for number in table]
        return tones


def _number_columns(fields: Sequence[Field], stack: Stack) -> list[_Numbers]:
    columns: list[_Numbers] = []
    metric = None
    for field, numbers in zip(fields, stack.columns, strict=True):
        before = columns[-1] if columns and field.metric == metric else None
        if before is not None and before.raws() is numbers:  # bytes repeat exactly: nearly all statistics are the same
            columns.append(before)
        else:
            columns.append(_Numbers(field, numbers, stack))
        metric = field.metric
    return columns


def _multiples(tables: Iterable[Sequence[float | None]], scales: Iterable[Scale], bases: Iterable[float]) -> list[str]:
    """The numbers of each table as text, with their scale and what they are multiples of.

    Bytes repeat exactly: nearly all runs have one number, and all deviations are 0. Each is written once.
    """
    texts: list[str] = []
    steady: dict[tuple[float | None, str] | float, str] = {}
    for table, scale, base in zip(tables, scales, bases, strict=True):
        first, count = table[0], len(table)
        if table.count(first) == count:
            key = base if first == base else (first, scale.unit)  # the unit follows from a base
            if key not in steady:
                steady[key] = scale.text(first) + _factor(first, base)
            texts += [steady[key]] * count
        else:
            numbers = list(dict.fromkeys(table))
            factors = [_factor(number, base) for number in numbers]
            written = dict(zip(numbers, map(str.__add__, scale.texts(numbers), factors), strict=True))
            texts += [written[number] for number in table]
    return texts


def _seconds_texts(numbers: Iterable[float | None], bases: Iterable[float]) -> list[str]:
    """All numbers of a column at once, each as ``Scale`` and ``_factor`` write it."""
    return [
        _MORE_SECONDS % (number, number / base)
        if number is not None and base < number <= base * _FACTOR_SHOWN
        else _LEAST_SECONDS % number
        if number == base
        else _FAR_MORE_SECONDS % number
        if number is not None and number / base > _FACTOR_SHOWN
        else _odd_seconds(number, base)
        for number, base in zip(numbers, bases, strict=True)
    ]


def _odd_seconds(number: float | None, base: float) -> str:
    return MISSING if number is None else _SECONDS % number + _factor(number, base)


def _factor(number: float | None, base: float) -> str:
    """How many times the base a number is; nothing without a base."""
    if number == base:
        return " (1.0)"
    if number is None or base != base:
        return ""
    factor = number / base
    return _FACTOR_BEYOND if factor > _FACTOR_SHOWN else f" ({factor:.2f})"


def _geomeans(values: Values, keys: Sequence[str], scales: Sequence[Scale]) -> list[list[Cell]]:
    """One row per label over the benchmarks that every label has, if there are several of them."""
    if len(keys) < 2:
        return []
    cells: list[Sequence[Cell]] = []
    known: dict[tuple[int, ...], Sequence[float | None]] = {}
    nothing = [Cell("")] * len(values.labels)
    for field, column, scale in zip(values.fields, values.columns, scales, strict=True):
        identity = tuple(map(id, column))  # the very same numbers have the same means
        if identity not in known:
            known[identity] = _geomeans_of(column, keys) if field.metric else []
        means = known[identity]
        cells.append(list(map(Cell, scale.texts(means), means)) if means else nothing)
    if not any(known.values()):
        return []
    names = [[Cell(f"geomean ({printable(name)})", "geomean"), Cell("", name)] for name in values.labels]
    return [[*name, *row] for name, row in zip(names, zip(*cells, strict=True), strict=True)]


def _geomeans_of(column: Sequence[Numbers], keys: Sequence[str]) -> Sequence[float | None]:
    columns = [numbers.pick(keys) for numbers in column]
    if not all(map(_all_positive, columns)):
        columns = list(map(list, zip(*filter(_all_positive, zip(*columns, strict=True)), strict=True)))
    return [geometric_mean(numbers) for numbers in columns] if columns and len(columns[0]) > 1 else []  # type: ignore[arg-type]


def _all_positive(numbers: Sequence[float | None]) -> bool:
    return None not in numbers and min(numbers) > 0  # type: ignore[type-var, operator]
