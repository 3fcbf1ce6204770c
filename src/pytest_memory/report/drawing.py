"""Tables as text.

Rich could draw them, at a hundred microseconds a cell: a comparison of 20,000 benchmarks would take a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from pytest_memory.report.table import BAR, Header, Sheet, Table, Tone, is_narrow, text_width

_STYLES: dict[Tone, str] = {"good": "32", "bad": "31", "title": "1", "quiet": "2"}
_NARROWEST_NAME = 24

# What is ASCII alone is put together and encoded in a third of the time. These are in no printable text, and no blanks.
_BAR_MARK, _RULE_MARK = "\x01", "\x02"
_PIECE = 500  # lines that are encoded at once; the memory that they take serves the next ones


class Drawing(NamedTuple):
    """Tables as text, in which marks hold the places of the lines around the cells.

    Attributes:
        lines: The text with its marks; that of a folded name has several lines in one.
        rule: The line that goes across.
        end: What comes behind the last line.
    """

    lines: Sequence[str]
    rule: str
    end: str = ""

    def __str__(self) -> str:
        return self._marked.replace(_BAR_MARK, BAR).replace(_RULE_MARK, self.rule)

    def encode(self, encoding: str, errors: str) -> bytes:
        """The text in an encoding in which ASCII stays what it is.

        Raises:
            UnicodeEncodeError: See :meth:`str.encode`.
        """
        encoded = self._marked.encode(encoding, errors)
        for mark, line in ((_BAR_MARK, BAR), (_RULE_MARK, self.rule)):
            encoded = encoded.replace(mark.encode(), line.encode(encoding, errors))
        return encoded

    def pieces(self, size: int = _PIECE) -> Iterator[Drawing]:
        """The same in pieces of so many lines, of which there may be megabytes in all."""
        for start in range(0, len(self.lines), size):
            lines = self.lines[start : start + size]
            yield Drawing(lines, self.rule, "\n" if start + size < len(self.lines) else self.end)

    @property
    def _marked(self) -> str:
        return "\n".join(self.lines) + self.end


def draw(sheet: Sheet, *, width: int | None = None, colour: bool = False) -> Drawing:
    """Draw tables under each other, the columns of all in the same places.

    Args:
        sheet: What to draw.
        width: Columns of the terminal: names are folded to fit, numbers never. Nothing is folded without it.
        colour: Whether to paint with ANSI colours.
    """
    if not sheet.tables:
        return Drawing((), "")
    shown = sheet.tables[0].header.shown
    columns = [sheet.columns[position] for position in shown]
    texts = _measured([column.texts() for column in columns])
    totals = [[row[position] for table in sheet.tables for row in table.totals] for position in shown]
    below = _measured([[cell.text for cell in column] for column in totals])
    headers = {id(table.header): table.header for table in sheet.tables}
    widths = _widths(list(headers.values()), [texts, below], width)
    painter = _Painter(sheet.tables[0].header, widths, colour)
    titles = {key: painter.title_lines(header) for key, header in headers.items()}
    lines = painter.lines(texts, [column.tones() for column in columns] if colour else None)
    last = iter(painter.lines(below, [[cell.tone for cell in column] for column in totals] if colour else None))
    drawn: list[str] = []
    for table in sheet.tables:
        ends = list(islice(last, len(table.totals)))
        drawn += painter.framed(table, titles[id(table.header)], lines[table.rows], ends)
        drawn.append("")
    return Drawing(drawn[:-1], painter.rule)


class _Texts:
    """The texts of a column; several columns of a wide comparison may be one and the same.

    Args:
        texts: From the top.

    Attributes:
        texts: The same.
        narrow: Whether each of their characters takes one column of a terminal.
        needed: How many columns of it the widest takes.
    """

    __slots__ = ("narrow", "needed", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.narrow = is_narrow("".join(texts))
        self.needed = max(map(len if self.narrow else text_width, texts), default=0)


def _measured(columns: Sequence[Sequence[str]]) -> list[_Texts]:
    distinct = {id(texts): texts for texts in columns}
    measured = {key: _Texts(texts) for key, texts in distinct.items()}
    return [measured[id(texts)] for texts in columns]


def _widths(headers: Sequence[Header], blocks: Sequence[Sequence[_Texts]], width: int | None) -> list[int]:
    """What each column needs; the names get what is left of the terminal's width."""
    needed = [*[header.widths for header in headers], *[[texts.needed for texts in columns] for columns in blocks]]
    widths = list(map(max, zip(*needed, strict=True)))
    if width is not None:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - sum(widths[1:]) - headers[0].gap_width))
    return widths


class _Painter:
    """Pads cells to their columns and joins them to lines.

    Attributes:
        rule: A line as wide as the tables.
    """

    def __init__(self, header: Header, widths: Sequence[int], colour: bool) -> None:
        gaps = [gap.replace(BAR, _BAR_MARK) for gap in header.gaps]
        self._places = list(zip(gaps, header.sides, widths, strict=True))
        self._name_width = widths[0]
        self._colour = colour
        self.rule = "─" * (sum(widths) + header.gap_width)

    def title_lines(self, header: Header) -> list[str]:
        """The titles of the columns, one text for each of their lines."""
        tones: list[list[Tone]] | None = [["title"]] * len(self._places) if self._colour else None
        return [line for level in header.levels for line in self.lines(_measured([[one] for one in level]), tones)]

    def framed(self, table: Table, titles: Sequence[str], body: Sequence[str], totals: Sequence[str]) -> list[str]:
        """A table's lines with all that is around them."""
        parts = [_painted(table.title, "title") if self._colour else table.title] if table.title else []
        parts += [*titles, _RULE_MARK, *body]
        if totals:
            parts += [_RULE_MARK, *totals]
        return [*parts, *table.notes]

    def lines(self, columns: Sequence[_Texts], tones: Sequence[Sequence[Tone]] | None) -> list[str]:
        """One text for each row; that of a row whose name is folded has several lines.

        Args:
            columns: The texts of all rows by column.
            tones: Their colours, or ``None`` where nothing is painted.
        """
        names, *others = columns
        if names.needed <= self._name_width:
            return self._unfolded(columns, tones)
        folded = [_fold(name, self._name_width) for name in names.texts]
        lines = self._unfolded([_Texts([first for first, *_ in folded]), *others], tones)
        return ["\n".join([line, *more]) for line, (_, *more) in zip(lines, folded, strict=True)]

    def _unfolded(self, columns: Sequence[_Texts], tones: Sequence[Sequence[Tone]] | None) -> list[str]:
        row = _Row()
        if tones is None:
            for (texts, place), alike in groupby(zip(columns, self._places, strict=True)):
                row.add(texts, place, len(list(alike)))
        else:
            for texts, place, colours in zip(columns, self._places, tones, strict=True):
                row.add_painted(texts, place, colours)
        return row.lines()


class _Row:
    """What all rows have in common, as printf writes it, and the columns of what they have not."""

    def __init__(self) -> None:
        self._template = ""
        self._columns: list[Sequence[str]] = []

    def add(self, texts: _Texts, place: tuple[str, str, int], times: int) -> None:
        """Add a column, or several of the same texts in the same layout.

        Args:
            texts: Its texts.
            place: The gap before it, the side on which its texts stand, and its width.
            times: How often it stands there.
        """
        gap, side, width = place
        cell = f"{gap}%{side}{width}s"
        if not texts.narrow:
            for _ in range(times):
                self.add_painted(texts, place, ())
        elif times == 1:
            self._template += cell
            self._columns.append(texts.texts)
        else:
            written = {text: cell % text * times for text in set(texts.texts)}
            self._template += "%s"
            self._columns.append([written[text] for text in texts.texts])

    def add_painted(self, texts: _Texts, place: tuple[str, str, int], tones: Sequence[Tone]) -> None:
        """Add a column in colours, or of texts in which printf cannot count what a terminal makes of a character."""
        gap, side, width = place
        measure = len if texts.narrow else text_width
        painted = _painted_column(texts.texts, tones)
        blanks = [" " * (width - measure(text)) for text in texts.texts]
        self._template += f"{gap}%s"
        self._columns.append(list(map(str.__add__, painted, blanks) if side else map(str.__add__, blanks, painted)))

    def lines(self) -> list[str]:
        """The rows."""
        template = self._template
        return [(template % row).rstrip() for row in zip(*self._columns, strict=True)]


def _painted_column(texts: Sequence[str], tones: Sequence[Tone]) -> Sequence[str]:
    """Texts in their colours; the very same texts where there is none."""
    return list(map(_painted, texts, tones)) if any(tones) else texts


def _painted(text: str, tone: Tone) -> str:
    return f"\x1b[{_STYLES[tone]}m{text}\x1b[0m" if tone and text else text


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
