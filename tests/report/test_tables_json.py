"""Tables as JSON are what ``json`` itself makes of the same tables, blank for blank."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.report.table import Cell, Column, Header, Sheet, Table, by_column
from pytest_memory.report.tables_json import FORMAT, VERSION, render_tables_json

names = st.text('ab%\n"\\é', max_size=4)
raws = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names


@st.composite
def sheets(draw):
    keys = draw(st.lists(st.tuples(names, st.sampled_from(["", "under", "%s"])), min_size=1, max_size=4, unique=True))
    header = Header([Column(key, "title", under=under) for key, under in keys])
    row = st.lists(raws.map(lambda raw: Cell("text", raw)), min_size=len(keys), max_size=len(keys))
    rows = draw(st.lists(row, max_size=6))
    middle = draw(st.integers(0, len(rows)))
    tables = [
        Table(draw(names), header, part, draw(st.lists(row, max_size=2)), tuple(draw(st.lists(names, max_size=2))))
        for part in draw(st.sampled_from([[], [slice(0, middle), slice(middle, len(rows))]]))
    ]
    return keys, rows, Sheet(by_column(rows, header), tables)


def plain_row(keys, row):
    members = {}
    for (key, under), cell in zip(keys, row, strict=True):
        (members.setdefault(under, {}) if under else members)[key] = cell.raw
    return members


@given(sheets())
def test_json_is_indented_as_json_does_it(drawn):
    keys, rows, sheet = drawn
    tables = [
        {
            "title": table.title,
            "rows": [plain_row(keys, row) for row in rows[table.rows]],
            "totals": [plain_row(keys, row) for row in table.totals],
            "notes": list(table.notes),
        }
        for table in sheet.tables
    ]
    expected = json.dumps({"format": FORMAT, "version": VERSION, "tables": tables}, indent=1)
    assert "".join(render_tables_json(sheet)) == expected


def test_tables_come_one_by_one():
    """None is written before the one before it was taken."""
    header = Header([Column("a", "a")])
    sheet = Sheet(
        by_column([[Cell("1", 1)], [Cell("2", 2)]], header), [Table("t", header, slice(n, n + 1)) for n in (0, 1)]
    )
    pieces = list(render_tables_json(sheet))
    assert [piece.count('"title"') for piece in pieces] == [1, 1, 0]


def test_what_json_cannot_hold_is_refused():
    header = Header([Column("a", "a")])
    sheet = Sheet(by_column([[Cell("inf", float("inf"))]], header), [Table("t", header, slice(1))])
    with pytest.raises(ValueError, match="JSON"):
        render_tables_json(sheet)
