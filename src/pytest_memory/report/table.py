"""A table as a value, and its rendering as text.

Rich could draw it, at a hundred microseconds a cell: a comparison of 20,000 benchmarks would take a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

Tone = Literal["", "good", "bad", "title", "quiet"]

_STYLES: dict[Tone, str] = {"good": "32", "bad": "31", "title": "1", "quiet": "2"}
_GAP = "  "
_SECTION_GAP = " │ "
_NARROWEST_NAME = 24


class Cell(NamedTuple):
    """One cell; a named tuple because there may be a million.

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
    depth = max(map(len, headers))
    headers = [[""] * (depth - len(header)) + header for header in headers]
    body = [[row[position] for position in positions] for row in (*table.rows, *table.totals)]
    texts = zip(*([cell.text for cell in row] for row in body), strict=True) if body else [()] * len(columns)
    widths = [_width((*header, *column)) for header, column in zip(headers, texts, strict=True)]
    if width is not None:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - sum(widths[1:]) - _gaps(columns)))
    painter = _Painter(columns, widths, colour)
    rule = "─" * (sum(widths) + _gaps(columns))
    lines = [painter.paint(table.title, "title")] if table.title else []
    lines += [painter.line([Cell(text, tone="title") for text in level]) for level in zip(*headers, strict=True)]
    lines += [rule, *painter.lines(body[: len(table.rows)])]
    if table.totals:
        lines += [rule, *painter.lines(body[len(table.rows) :])]
    return "\n".join([*lines, *table.notes])


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if text.isascii() else _wide_width(text)


def _width(texts: Sequence[str]) -> int:
    return max(map(len if "".join(texts).isascii() else text_width, texts))


@lru_cache(maxsize=65536)
def _wide_width(text: str) -> int:
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
        gaps = ["" if not n else _SECTION_GAP if column.opens_section else _GAP for n, column in enumerate(columns)]
        sides = ["<" if column.text else ">" for column in columns]
        self._frame = list(zip(gaps, widths, sides, strict=True))
        self._template = "".join(f"{gap}{{:{side}{width}}}" for gap, width, side in self._frame)
        self._name_width = widths[0]
        self._colour = colour

    def paint(self, text: str, tone: Tone) -> str:
        return f"\x1b[{_STYLES[tone]}m{text}\x1b[0m" if self._colour and tone and text else text

    def lines(self, rows: Sequence[Sequence[Cell]]) -> list[str]:
        lines = []
        for row in rows:
            name = row[0]
            if text_width(name.text) <= self._name_width:
                lines.append(self.line(row))
            else:
                first, *others = _fold(name.text, self._name_width)
                lines += [self.line([Cell(first, tone=name.tone), *row[1:]]), *others]
        return lines

    def line(self, row: Sequence[Cell]) -> str:
        texts = [cell.text for cell in row]
        if not self._colour and "".join(texts).isascii():
            return self._template.format(*texts).rstrip()
        parts = []
        for (gap, width, side), (text, _, tone) in zip(self._frame, row, strict=True):
            blank, painted = " " * (width - text_width(text)), self.paint(text, tone)
            parts.append(f"{gap}{painted}{blank}" if side == "<" else f"{gap}{blank}{painted}")
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
