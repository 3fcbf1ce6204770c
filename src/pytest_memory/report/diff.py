"""The changes of several runs against the first: one row per benchmark and metric, one column per later run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, compress
from typing import TypeVar

from pytest_memory.report.comparison import NOISE_MARK, names_of
from pytest_memory.report.scales import MISSING, Scale, change_percents, change_texts, is_visible, scales_for
from pytest_memory.report.table import Body, Column, Header, Raw, Sheet, Table, Tone, printable
from pytest_memory.report.values import Field, GroupedView, Values, groups_of
from pytest_memory.store.benchmark_json import unit_of
from pytest_memory.store.lineup import Lineup

_Member = TypeVar("_Member")


def diff_sheet(lineup: Lineup, view: GroupedView) -> Sheet:
    """One table per group: the value under the first label, then the change of each later one."""
    values = Values(lineup, view.fields, view.alpha)
    header = _header(values)
    groups = groups_of(values, view)
    keys = list(chain.from_iterable(groups.values()))
    names = [name for group in groups.values() for name in names_of(group).values()]
    fields = range(len(values.fields))
    columns: list[Body] = [
        _Interleaved([_Words(names, keys)] * len(fields)),
        _Interleaved([_Words(words, words) for words in ([field.key] * len(keys) for field in values.fields)]),
        _Interleaved([_Bases(values, position, keys) for position in fields]),
    ]
    for label in range(1, len(values.labels)):
        columns.append(_Interleaved([_Changes(values, position, label, keys) for position in fields]))
    ends = list(accumulate([len(group) * len(fields) for group in groups.values()], initial=0))
    rows = map(slice, ends, ends[1:])
    return Sheet(columns, [Table(title, header, part) for title, part in zip(groups, rows, strict=True)])


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


class _Interleaved:
    """One column of the cells of each field, those of a benchmark under each other."""

    def __init__(self, fields: Sequence[Body]) -> None:
        self._fields = fields

    def texts(self) -> list[str]:
        return _interleave([field.texts() for field in self._fields])

    def raws(self) -> list[Raw]:
        return _interleave([field.raws() for field in self._fields])

    def tones(self) -> list[Tone]:
        return _interleave([field.tones() for field in self._fields])


def _interleave(columns: Iterable[Sequence[_Member]]) -> list[_Member]:
    return list(chain.from_iterable(zip(*columns, strict=True)))


class _Words:
    """What names the rows, for people and for machines."""

    def __init__(self, texts: Sequence[str], raws: Sequence[str]) -> None:
        self._texts = texts
        self._raws = raws

    def texts(self) -> Sequence[str]:
        return self._texts

    def raws(self) -> Sequence[str]:
        return self._raws

    def tones(self) -> Sequence[Tone]:
        return [""] * len(self._texts)


class _Bases:
    """The numbers under the first label, each with the unit that suits it."""

    def __init__(self, values: Values, position: int, keys: Sequence[str]) -> None:
        self._field = values.fields[position]
        self._numbers = values.columns[position][0].pick(keys)

    def texts(self) -> Sequence[str]:
        return _with_units(self._numbers, self._field)

    def raws(self) -> Sequence[float | None]:
        return self._numbers

    def tones(self) -> Sequence[Tone]:
        return [""] * len(self._numbers)


class _Changes:
    """Growth in percent from the first label to a later one; a mark where it is not real."""

    def __init__(self, values: Values, position: int, label: int, keys: Sequence[str]) -> None:
        numbers = values.columns[position]
        self._percents = change_percents(numbers[0].pick(keys), numbers[label].pick(keys))
        self._noise = [False] * len(keys)
        if any(self._percents):
            known = [percent is not None for percent in self._percents]
            real = iter(
                values.real(values.fields[position], keys if all(known) else list(compress(keys, known)), label)
            )
            self._noise = [percent is not None and not next(real) and bool(percent) for percent in self._percents]

    def texts(self) -> Sequence[str]:
        texts = change_texts(self._percents, plain_zero=True)
        if not any(self._noise):  # bytes repeat exactly
            return texts
        return [f"{text} {NOISE_MARK}" if noise else text for text, noise in zip(texts, self._noise, strict=True)]

    def raws(self) -> Sequence[float | None]:
        return self._percents

    def tones(self) -> Sequence[Tone]:
        return [
            "" if noise or percent is None or not is_visible(percent) else "bad" if percent > 0 else "good"
            for percent, noise in zip(self._percents, self._noise, strict=True)
        ]


def _with_units(numbers: Sequence[float | None], field: Field) -> list[str]:
    if field.metric is None or not unit_of(field.metric):
        return Scale("count").texts(numbers)
    if field.metric == "time" and None not in numbers:
        return [f"{text} s" for text in Scale("s").texts(numbers)]
    scales = scales_for(field.metric, [number or 0 for number in numbers])
    return [
        MISSING if number is None else f"{scale.text(number)} {scale.unit}"
        for number, scale in zip(numbers, scales, strict=True)
    ]
