"""Tables as text.

Rich could draw them, at a hundred microseconds a cell: a comparison of 20,000 benchmarks would take a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from pytest_memory.report.table import Header, Sheet, Table, Tone, is_narrow, text_width

_STYLES: dict[Tone, str] = {"good": "32", "bad": "31", "title": "1", "quiet": "2"}
_NARROWEST_NAME = 24


def render_text(sheet: Sheet, *, width: int | None = None, colour: bool = False) -> str:
    """Draw tables under each other, the columns of all in the same places.

    Args:
        sheet: What to draw.
        width: Columns of the terminal: names are folded to fit, numbers never. Nothing is folded without it.
        colour: Whether to paint with ANSI colours.
    """
    if not sheet.tables:
        return ""
    shown = sheet.tables[0].header.shown
    columns = [sheet.columns[position] for position in shown]
    texts = [column.texts() for column in columns]
    totals = [[row[position] for table in sheet.tables for row in table.totals] for position in shown]
    below = [[cell.text for cell in column] for column in totals]
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
    return "\n".join(drawn[:-1])


def _widths(headers: Sequence[Header], blocks: Sequence[Sequence[Sequence[str]]], width: int | None) -> list[int]:
    """What each column needs; the names get what is left of the terminal's width."""
    needed = [*[header.widths for header in headers], *[map(_needed, columns) for columns in blocks]]
    widths = list(map(max, zip(*needed, strict=True)))
    if width is not None:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - sum(widths[1:]) - headers[0].gap_width))
    return widths


def _needed(texts: Sequence[str]) -> int:
    return max(map(_measure_of(texts), texts), default=0)


def _measure_of(texts: Sequence[str]) -> Callable[[str], int]:
    return len if is_narrow("".join(texts)) else text_width


class _Painter:
    """Pads cells to their columns and joins them to lines."""

    def __init__(self, header: Header, widths: Sequence[int], colour: bool) -> None:
        self._gaps = header.gaps
        self._sides = header.sides
        self._widths = widths
        self._colour = colour
        self._rule = "─" * (sum(widths) + header.gap_width)

    def title_lines(self, header: Header) -> list[str]:
        """The titles of the columns, one text for each of their lines."""
        tones: list[list[Tone]] | None = [["title"]] * len(self._widths) if self._colour else None
        return [line for level in header.levels for line in self.lines([[title] for title in level], tones)]

    def framed(self, table: Table, titles: Sequence[str], body: Sequence[str], totals: Sequence[str]) -> list[str]:
        """A table's lines with all that is around them."""
        parts = [_painted(table.title, "title") if self._colour else table.title] if table.title else []
        parts += [*titles, self._rule, *body]
        if totals:
            parts += [self._rule, *totals]
        return [*parts, *table.notes]

    def lines(self, columns: Sequence[Sequence[str]], tones: Sequence[Sequence[Tone]] | None) -> list[str]:
        """One text for each row; that of a row whose name is folded has several lines.

        Args:
            columns: The texts of all rows by column.
            tones: Their colours, or ``None`` where nothing is painted.
        """
        names, *others = columns
        if _needed(names) <= self._widths[0]:
            return self._unfolded(columns, tones)
        folded = [_fold(name, self._widths[0]) for name in names]
        lines = self._unfolded([[first for first, *_ in folded], *others], tones)
        return ["\n".join([line, *more]) for line, (_, *more) in zip(lines, folded, strict=True)]

    def _unfolded(self, columns: Sequence[Sequence[str]], tones: Sequence[Sequence[Tone]] | None) -> list[str]:
        template, cells = "", []
        for position, texts in enumerate(columns):
            gap, side, width = self._gaps[position], self._sides[position], self._widths[position]
            painted = texts if tones is None else _painted_column(texts, tones[position])
            measure = _measure_of(texts)
            if painted is texts and measure is len:
                template += f"{gap}%{side}{width}s"
                cells.append(texts)
            else:  # printf counts characters, not what a terminal makes of them
                template += f"{gap}%s"
                blanks = [" " * (width - measure(text)) for text in texts]
                cells.append(list(map(str.__add__, painted, blanks) if side else map(str.__add__, blanks, painted)))
        return [(template % row).rstrip() for row in zip(*cells, strict=True)]


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
