"""Tables as JSON: one object per row, raw numbers, nothing scaled or rounded.

``json`` indents in Python alone, for which a wide comparison is too large: it writes the names and the numbers, column
by column, and what stands around them is put there as printf does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_memory.report.table import Body, Column, Raw, Sheet

FORMAT = "pytest-memory-comparison"

VERSION = 1
# Version history
# 1  The first: tables with columns, rows, totals and notes.

_ROW_DEPTH = 4  # of the braces around a row, in blanks


def render_tables_json(sheet: Sheet) -> Iterator[str]:
    """Write tables as one JSON document; sizes in bytes, times in seconds, ``null`` where there is nothing.

    Returns:
        The document in pieces, a table each.

    Raises:
        ValueError: A number is not finite; of one below a line it is raised when its table is asked for.
    """
    members = {"format": json.dumps(FORMAT), "version": json.dumps(VERSION)}
    if not sheet.tables:
        return iter((_object(members | {"tables": "[]"}, 0),))
    mark = "\x00"  # stands in no JSON
    head, tail = _object(members | {"tables": _array([mark], 1)}, 0).split(mark)
    return _between(head, _tables(sheet, _written_columns(sheet.columns)), tail)


def _between(head: str, tables: Iterable[str], tail: str) -> Iterator[str]:
    before = head
    for table in tables:
        yield before + table
        before = _separator(1)
    yield tail


def _tables(sheet: Sheet, written: Sequence[Sequence[str]]) -> Iterator[str]:
    titles = _written([table.title for table in sheet.tables])
    template = _object(dict.fromkeys(("title", "rows", "totals", "notes"), "%s"), 2)
    rows: dict[int, _RowTemplate] = {}
    for table, title in zip(sheet.tables, titles, strict=True):
        row = rows.get(id(table.header))
        if row is None:
            row = rows[id(table.header)] = _RowTemplate(table.header.columns)
        totals = [_written([cell.raw for cell in cells]) for cells in table.totals]
        body = _array(row.rows([column[table.rows] for column in written]), 3)
        last = _array(row.rows(list(zip(*totals, strict=True))), 3)
        yield template % (title, body, last, _array(map(json.dumps, table.notes), 3))


class _RowTemplate:
    """A row as printf makes it of the values of its columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._positions: list[int] = []
        members: dict[str, Any] = {}
        for position, column in enumerate(columns):
            place = members.setdefault(column.under, {}) if column.under else members
            place[column.key] = position
        self._text = self._written(members, _ROW_DEPTH)

    def rows(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Rows of written values, which are given by the column."""
        text = self._text
        return (
            [text % row for row in zip(*[columns[position] for position in self._positions], strict=True)]
            if columns
            else []
        )

    def _written(self, members: Mapping[str, Any], depth: int) -> str:
        written = {}
        for name, place in members.items():
            if isinstance(place, int):
                self._positions.append(place)
                written[name.replace("%", "%%")] = "%s"
            else:
                written[name.replace("%", "%%")] = self._written(place, depth + 1)
        return _object(written, depth)


def _written_columns(columns: Sequence[Body]) -> list[list[str]]:
    """Every value of every column as JSON; columns that are one and the same are written once."""
    raws = [column.raws() for column in columns]
    written = {id(column): _written(column) for column in {id(one): one for one in raws}.values()}
    return [written[id(column)] for column in raws]


def _written(values: Sequence[Raw]) -> list[str]:
    """Each value as JSON; all are written at once, since a line end is nowhere else in what is written."""
    return json.dumps(values, allow_nan=False, separators=("\n", ":"))[1:-1].split("\n") if values else []


def _object(members: Mapping[str, str], depth: int) -> str:
    """Written members by name, as ``json`` indents them by one blank for each level."""
    return _lines("{}", [f"{json.dumps(name)}: {value}" for name, value in members.items()], depth)


def _array(values: Iterable[str], depth: int) -> str:
    return _lines("[]", list(values), depth)


def _lines(brackets: str, lines: Sequence[str], depth: int) -> str:
    if not lines:
        return brackets
    end = "\n" + " " * depth
    return f"{brackets[0]}{end} {_separator(depth).join(lines)}{end}{brackets[1]}"


def _separator(depth: int) -> str:
    """What stands between the members of what is at some depth."""
    return ",\n" + " " * (depth + 1)
