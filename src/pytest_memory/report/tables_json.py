"""Tables as JSON: one object per row, raw numbers, nothing scaled or rounded.

``json`` indents in Python alone, for which a wide comparison is too large: it writes the names and the numbers, column
by column, and what stands around them is put there as printf does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_memory.report.table import Body, Column, Raw, Sheet, Table

FORMAT = "pytest-memory-comparison"

VERSION = 1
# Version history
# 1  The first: tables with columns, rows, totals and notes.

_ROW_DEPTH = 4  # of the braces around a row, in blanks


def render_tables_json(sheet: Sheet) -> str:
    """Write tables as one JSON document; sizes in bytes, times in seconds, ``null`` where there is nothing.

    Raises:
        ValueError: A number is not finite.
    """
    written = _written_columns(sheet.columns)
    templates: dict[int, _RowTemplate] = {}
    tables = []
    for table in sheet.tables:
        template = templates.get(id(table.header))
        if template is None:
            template = templates[id(table.header)] = _RowTemplate(table.header.columns)
        tables.append(_table(table, template, written))
    members = {"format": json.dumps(FORMAT), "version": json.dumps(VERSION), "tables": _array(tables, 1)}
    return _object(members, 0)


def _table(table: Table, template: _RowTemplate, written: Sequence[Sequence[str]]) -> str:
    totals = [_written([cell.raw for cell in row]) for row in table.totals]
    members = {
        "title": json.dumps(table.title),
        "rows": _array(template.rows([column[table.rows] for column in written]), 3),
        "totals": _array(template.rows(list(zip(*totals, strict=True))), 3),
        "notes": _array(map(json.dumps, table.notes), 3),
    }
    return _object(members, 2)


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
    return f"{brackets[0]}{end} {f',{end} '.join(lines)}{end}{brackets[1]}"
