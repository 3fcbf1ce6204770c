"""Tables as Markdown, for pull requests and job summaries."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.report.table import Cell, Sheet, Table


def render_markdown(sheet: Sheet) -> str:
    """Draw tables as pipe tables under headings; notes become paragraphs."""
    if not sheet.tables:
        return ""
    texts = [sheet.columns[position].texts() for position in sheet.tables[0].header.shown]
    lines = _lines(texts)
    return "\n\n".join([_table(table, lines[table.rows]) for table in sheet.tables])


def _table(table: Table, body: Sequence[str]) -> str:
    header = table.header
    columns = [header.columns[position] for position in header.shown]
    lines = [f"#### {_escape(table.title)}", ""] if table.title else []
    lines.append(_line([column.title.replace("\n", " ") for column in columns]))
    lines.append("| " + " | ".join(":---" if column.text else "---:" for column in columns) + " |")
    lines += body
    lines += [_line([_strong(row[position]) for position in header.shown]) for row in table.totals]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines)


def _lines(columns: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells that are given by the column; few columns have a cell that must be escaped."""
    escaped = [list(map(_escape, texts)) if _must_escape("".join(texts)) else texts for texts in columns]
    return [f"| {' | '.join(row)} |" for row in zip(*escaped, strict=True)]


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, texts))} |"


def _strong(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.text else ""


def _must_escape(text: str) -> bool:
    return any(special in text for special in "\\|<~")


def _escape(text: str) -> str:
    # An underscore inside a word is left alone by every Markdown that knows pipe tables.
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("~", "\\~")
