"""Tables as values; ``drawing.py``, ``markdown.py`` and ``tables_json.py`` write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from pytest_memory.report.lines import GAP

Tone = Literal["", "good", "bad", "title", "quiet"]
Raw = float | str | bool | None

BAR = "│"
_SECTION_GAP = f" {BAR} "


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
        self.narrow = all(map(is_narrow, (line for title in padded for line in title)))
        seen = [self.columns[position] for position in self.shown]
        self.gaps = ["", *(_SECTION_GAP if column.opens_section else GAP for column in seen[1:])]
        self.gap_width = sum(map(len, self.gaps))
        self.sides = ["-" if column.text else "" for column in seen]


class Body(Protocol):
    """The cells of one column; each is asked for as a whole, and may be made at the first question."""

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
    """Rows of cells as the columns that a sheet wants."""
    return [Cells(cells) for cells in zip(*rows, strict=True)] if rows else [Cells(())] * len(header.columns)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a sheet.

    Attributes:
        title: What is shown, and in which unit.
        header: What the columns are.
        rows: Which rows of the sheet are its own.
        totals: Rows below a line, one cell for each column.
        notes: Sentences below the table.
    """

    title: str
    header: Header
    rows: slice
    totals: Sequence[Sequence[Cell]] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Sheet:
    """Tables under each other, each with some rows of columns that run through all of them.

    There may be thousands of tables: what is done for a whole column costs a fraction of what it costs for each.

    Attributes:
        columns: All equally long.
        tables: In the order of their rows; the headers of all differ in titles alone.
    """

    columns: Sequence[Body]
    tables: Sequence[Table]


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if is_narrow(text) else _wide_width(text)


def is_narrow(text: str) -> bool:
    """Whether each character of a text takes one column of a terminal."""
    return text.isascii() or text.replace("—", "").isascii()


@lru_cache(maxsize=65536)
def _wide_width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


@lru_cache(maxsize=65536)
def printable(text: str) -> str:
    """Text without line ends, escape sequences and other characters that would act on a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
