"""Tables as Markdown, for pull requests and job summaries."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.report.table import Cell, Table


def render_markdown(tables: Sequence[Table]) -> str:
    """Draw tables as pipe tables under headings; notes become paragraphs."""
    return "\n\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    positions = table.shown()
    columns = [table.columns[position] for position in positions]
    lines = [f"#### {_escape(table.title)}", ""] if table.title else []
    lines.append(_line([column.title.replace("\n", " ") for column in columns]))
    lines.append("| " + " | ".join(":---" if column.text else "---:" for column in columns) + " |")
    lines += [_line([row[position].text for position in positions]) for row in table.rows]
    lines += [_line([_strong(row[position]) for position in positions]) for row in table.totals]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines)


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escape, texts)) + " |"


def _strong(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.text else ""


def _escape(text: str) -> str:
    # An underscore inside a word is left alone by every Markdown that knows pipe tables.
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("~", "\\~")
