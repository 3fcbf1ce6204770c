"""A table as a value, and its rendering as text.

Rich could draw it, at a hundred microseconds a cell: a comparison of 20,000 benchmarks would take a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

Tone = Literal["", "good", "bad", "title", "quiet"]
Raw = float | str | bool | None

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
    raw: Raw = None
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


class Header:
    """The columns of a table; one may serve thousands of tables, so that what follows from it is found once.

    Args:
        columns: At least one; the first names the rows.

    Attributes:
        shown: Positions of the columns that people see.
        levels: Their titles by line, from the top.
        widths: What the titles need.
        narrow: Whether each of their characters takes one column of a terminal.
        gaps: What is drawn before each column.
        gap_width: How wide all gaps are.
        sides: Where the text of each column goes, as printf writes it: ``-`` for left.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.shown = [position for position, column in enumerate(self.columns) if not column.machine]
        titles = [self.columns[position].title.split("\n") for position in self.shown]
        height = max(map(len, titles))
        padded = [[""] * (height - len(title)) + title for title in titles]
        self.levels = list(zip(*padded, strict=True))
        self.widths = [max(map(text_width, title)) for title in padded]
        self.narrow = all(map(_is_narrow, (line for title in padded for line in title)))
        seen = [self.columns[position] for position in self.shown]
        self.gaps = ["", *(_SECTION_GAP if column.opens_section else _GAP for column in seen[1:])]
        self.gap_width = sum(map(len, self.gaps))
        self.sides = ["-" if column.text else "" for column in seen]


class Body(Protocol):
    """The cells of one column."""

    def texts(self) -> Sequence[str]:
        """What people read."""

    def raws(self) -> Sequence[Raw]:
        """What machines read."""

    def tones(self) -> Sequence[Tone]:
        """The colours on terminals."""


class Cells:
    """A column whose cells are made one by one."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells

    def texts(self) -> Sequence[str]:
        """What people read."""
        return [cell.text for cell in self._cells]

    def raws(self) -> Sequence[Raw]:
        """What machines read."""
        return [cell.raw for cell in self._cells]

    def tones(self) -> Sequence[Tone]:
        """The colours on terminals."""
        return [cell.tone for cell in self._cells]


def by_column(rows: Sequence[Sequence[Cell]], header: Header) -> list[Cells]:
    """Rows of cells as the columns that a table wants."""
    return [Cells(cells) for cells in zip(*rows, strict=True)] if rows else [Cells(())] * len(header.columns)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of cells under a header.

    Attributes:
        title: What is shown, and in which unit.
        header: What the columns are.
        body: One for each of them, all equally long.
        totals: Rows below a line, one cell for each column.
        notes: Sentences below the table.
    """

    title: str
    header: Header
    body: Sequence[Body]
    totals: Sequence[Sequence[Cell]] = ()
    notes: tuple[str, ...] = field(default=())


def render_text(tables: Sequence[Table], *, width: int | None = None, colour: bool = False) -> str:
    """Draw tables under each other, the columns of all in the same places.

    Args:
        tables: What to draw; all have as many columns.
        width: Columns of the terminal: names are folded to fit, numbers never. Nothing is folded without it.
        colour: Whether to paint with ANSI colours.
    """
    texts = [_texts(table) for table in tables]
    narrow = all(each.narrow for each in texts)
    headers = {id(table.header): table.header for table in tables}.values()
    needed = [*[header.widths for header in headers], *[each.widths for each in texts]]
    widths = list(map(max, zip(*needed, strict=True)))
    if width is not None:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - sum(widths[1:]) - tables[0].header.gap_width))
    painters: dict[int, _Painter] = {}
    drawn = []
    for table, (columns, *_) in zip(tables, texts, strict=True):
        painter = painters.get(id(table.header))
        if painter is None:
            painter = painters[id(table.header)] = _Painter(table.header, widths, colour)
        plain = narrow and width is None and not colour
        lines = painter.plain_lines(columns) if plain else painter.lines(columns, _tones(table))
        drawn.append(painter.framed(table, lines))
    return "\n\n".join(drawn)


class _Texts(NamedTuple):
    """What people see of a table.

    Attributes:
        columns: The body's cells and the totals' below them, by column.
        widths: What they need.
        narrow: Whether each of their characters takes one column of a terminal.
    """

    columns: list[Sequence[str]]
    widths: list[int]
    narrow: bool


def _texts(table: Table) -> _Texts:
    shown = table.header.shown
    columns = [table.body[position].texts() for position in shown]
    if table.totals:
        totals = [[row[position].text for row in table.totals] for position in shown]
        columns = [[*cells, *below] for cells, below in zip(columns, totals, strict=True)]
    narrow = _is_narrow("".join(map("".join, columns)))
    measure = len if narrow else text_width
    return _Texts(columns, [max(map(measure, column), default=0) for column in columns], narrow)


def _tones(table: Table) -> list[Sequence[Tone]]:
    return [[*table.body[at].tones(), *[row[at].tone for row in table.totals]] for at in table.header.shown]


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if _is_narrow(text) else _wide_width(text)


def _is_narrow(text: str) -> bool:
    return text.isascii() or text.replace("—", "").isascii()


@lru_cache(maxsize=65536)
def _wide_width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


@lru_cache(maxsize=65536)
def printable(text: str) -> str:
    """Text without line ends, escape sequences and other characters that would act on a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class _Painter:
    """Pads cells to their columns and joins them to lines."""

    def __init__(self, header: Header, widths: Sequence[int], colour: bool) -> None:
        self._header = header
        self._widths = widths
        self._colour = colour
        frame = zip(header.gaps, header.sides, widths, strict=True)
        self._template = "".join([f"{gap}%{side}{width}s" for gap, side, width in frame])
        self._rule = "─" * (sum(widths) + header.gap_width)
        self._titles = self._title_lines()

    def paint(self, text: str, tone: Tone) -> str:
        return f"\x1b[{_STYLES[tone]}m{text}\x1b[0m" if self._colour and tone and text else text

    def framed(self, table: Table, lines: Sequence[str]) -> str:
        """A table's lines, one text a row, with all that is around them."""
        body, totals = lines[: len(lines) - len(table.totals)], lines[len(lines) - len(table.totals) :]
        parts = [self.paint(table.title, "title")] if table.title else []
        parts += [*self._titles, self._rule, *body]
        if totals:
            parts += [self._rule, *totals]
        return "\n".join([*parts, *table.notes])

    def _title_lines(self) -> list[str]:
        if self._header.narrow and not self._colour:
            return [(self._template % level).rstrip() for level in self._header.levels]
        return [self._line(level, ["title"] * len(level)) for level in self._header.levels]

    def plain_lines(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Lines of characters that are one column wide each, without colour and folds."""
        template = self._template
        return [(template % row).rstrip() for row in zip(*columns, strict=True)]

    def lines(self, columns: Sequence[Sequence[str]], tones: Sequence[Sequence[Tone]]) -> list[str]:
        lines = []
        for row, painted in zip(zip(*columns, strict=True), zip(*tones, strict=True), strict=True):
            first, *others = _fold(row[0], self._widths[0])
            lines.append("\n".join([self._line((first, *row[1:]), painted), *others]))
        return lines

    def _line(self, texts: Sequence[str], tones: Sequence[Tone]) -> str:
        parts = []
        header = self._header
        for gap, side, width, text, tone in zip(header.gaps, header.sides, self._widths, texts, tones, strict=True):
            blank, painted = " " * (width - text_width(text)), self.paint(text, tone)
            parts.append(f"{gap}{painted}{blank}" if side else f"{gap}{blank}{painted}")
        return "".join(parts).rstrip()


def _fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; those after the first are indented."""
    if text_width(text) <= width:
        return [text]
    lines, line, indent = [], "", ""
    for character in text:
        if text_width(line + character) > width:
            lines.append(line)
            line = indent = "  "
        line += character
    return [*lines, line] if line != indent else lines
