"""Tables as JSON: one object per row, raw numbers, nothing scaled or rounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_memory.report.table import Column, Raw, Sheet, Table

FORMAT = "pytest-memory-comparison"

VERSION = 1
# Version history
# 1  The first: tables with columns, rows, totals and notes.


def render_tables_json(sheet: Sheet) -> str:
    """Write tables as one JSON document; sizes in bytes, times in seconds, ``null`` where there is nothing."""
    rows = list(zip(*[column.raws() for column in sheet.columns], strict=True))
    tables = [_table(table, rows[table.rows]) for table in sheet.tables]
    document = {"format": FORMAT, "version": VERSION, "tables": tables}
    return json.dumps(document, indent=1, allow_nan=False)


def _table(table: Table, rows: Sequence[Sequence[Raw]]) -> dict[str, Any]:
    columns = table.header.columns
    totals = ([cell.raw for cell in row] for row in table.totals)
    return {
        "title": table.title,
        "rows": [_row(columns, row) for row in rows],
        "totals": [_row(columns, row) for row in totals],
        "notes": list(table.notes),
    }


def _row(columns: Sequence[Column], row: Sequence[Raw]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for column, raw in zip(columns, row, strict=True):
        place = members.setdefault(column.under, {}) if column.under else members
        place[column.key] = raw
    return members
