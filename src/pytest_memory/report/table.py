"""A table as a value, and its rendering as text.

Rich could draw it, at a hundred microseconds a cell: a comparison of 20,000 benchmarks would take a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

Tone = Literal["", "good", "bad", "title", "quiet"]

_STYLES: dict[Tone, str] = {"good": "32", "bad": "31", "title": "1", "quiet": "2"}
_GAP = "  "
_SECTION_GAP = " │ "
_NARROWEST_NAME = 24


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What people read.
        raw: What machines read: a number without its unit's scale, text, or ``None`` where there is nothing.
        tone: ``good`` and ``bad`` are green and red on terminals.
    """

    text: str
    raw: float | str | bool | None = None
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Its name for machines.
        title: Its header; may have several lines.
        text: Whether it holds text (to the left, foldable) rather than numbers (to the right).
        opens_section: Whether a line is drawn before it.
        machine: Whether only machine-readable formats have it.
        under: Name of the object in which machines find it, empty for the row itself.
    """

    key: str
    title: str
    text: bool = False
    opens_section: bool = False
    machine: bool = False
    under: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Attributes:
        title: What is shown, and in which unit.
        columns: At least one; the first names the rows.
        rows: One cell for each column.
        totals: Rows below a line.
        notes: Sentences below the table.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()
    notes: tuple[str, ...] = field(default=())

    def shown(self) -> list[int]:
        """Positions of the columns that people see."""
        return [position for position, column in enumerate(self.columns) if not column.machine]


def render_text(table: Table, *, width: int | None = None, colour: bool = False) -> str:
    """Draw a table.

    Args:
        table: What to draw.
        width: Columns of the terminal; names are folded to fit. ``None`` for a pipe, where nothing is folded. Numbers
            are never cut, so that a table of very many columns may be wider.
        colour: Whether to write colours.
    """
    positions = table.shown()
    columns = [table.columns[position] for position in positions]
    headers = [column.title.split("\n") for column in columns]
    body = [[row[position] for position in positions] for row in (*table.rows, *table.totals)]
    widths = [
        max([*map(text_width, header), *(text_width(row[index].text) for row in body)])
        for index, header in enumerate(headers)
    ]
    if width is not None:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - sum(widths[1:]) - _gaps(columns)))
    painter = _Painter(columns, widths, colour)
    lines = [painter.paint(table.title, "title")] if table.title else []
    depth = max(map(len, headers))
    padded = [[""] * (depth - len(header)) + header for header in headers]
    lines += [painter.line([Cell(header[level], tone="title") for header in padded]) for level in range(depth)]
    rule = "─" * (sum(widths) + _gaps(columns))
    lines.append(rule)
    for row in body[: len(table.rows)]:
        lines += painter.lines(row)
    if table.totals:
        lines.append(rule)
        for row in body[len(table.rows) :]:
            lines += painter.lines(row)
    return "\n".join([*lines, *table.notes])


@lru_cache(maxsize=65536)
def text_width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


@lru_cache(maxsize=65536)
def printable(text: str) -> str:
    """Text without line ends, escape sequences and other characters that would act on a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _gaps(columns: Sequence[Column]) -> int:
    return sum(len(_SECTION_GAP if column.opens_section else _GAP) for column in columns[1:])


class _Painter:
    """Pads cells to their columns and joins them to lines."""

    def __init__(self, columns: Sequence[Column], widths: Sequence[int], colour: bool) -> None:
        self._frame = [
            ("" if not index else _SECTION_GAP if column.opens_section else _GAP, width, column.text)
            for index, (column, width) in enumerate(zip(columns, widths, strict=True))
        ]
        self._name_width = widths[0]
        self._colour = colour

    def paint(self, text: str, tone: Tone) -> str:
        return f"\x1b[{_STYLES[tone]}m{text}\x1b[0m" if self._colour and tone and text else text

    def lines(self, row: Sequence[Cell]) -> list[str]:
        if text_width(row[0].text) <= self._name_width:
            return [self.line(row)]
        first, *others = _fold(row[0].text, self._name_width)
        return [self.line([Cell(first, tone=row[0].tone), *row[1:]]), *others]

    def line(self, row: Sequence[Cell]) -> str:
        parts = []
        for (gap, width, is_text), cell in zip(self._frame, row, strict=True):
            blank = " " * (width - text_width(cell.text))
            text = self.paint(cell.text, cell.tone)
            parts.append(f"{gap}{text}{blank}" if is_text else f"{gap}{blank}{text}")
        return "".join(parts).rstrip()


def _fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; those after the first are indented."""
    lines, line, indent = [], "", ""
    for character in text:
        if text_width(line + character) > width:
            lines.append(line)
            line = indent = "  "
        line += character
    return [*lines, line] if line != indent else lines
