"""Tables as Markdown, for pull requests and job summaries."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.report.table import Cell, Table


def render_markdown(tables: Sequence[Table]) -> str:
    """Draw tables as pipe tables under headings; notes become paragraphs."""
    return "\n\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    header = table.header
    columns = [header.columns[position] for position in header.shown]
    lines = [f"#### {_escape(table.title)}", ""] if table.title else []
    lines.append(_line([column.title.replace("\n", " ") for column in columns]))
    lines.append("| " + " | ".join(":---" if column.text else "---:" for column in columns) + " |")
    lines += map(_line, zip(*[table.body[position].texts() for position in header.shown], strict=True))
    lines += [_line([_strong(row[position]) for position in header.shown]) for row in table.totals]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines)


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join([text if text.isascii() and text.isalnum() else _escape(text) for text in texts])} |"


def _strong(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.text else ""


def _escape(text: str) -> str:
    # An underscore inside a word is left alone by every Markdown that knows pipe tables.
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("~", "\\~")
