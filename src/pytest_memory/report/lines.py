"""Lines of styled text: what a report for the terminal is made of, before anybody writes it anywhere."""

from __future__ import annotations

from typing import Literal

from pytest_memory.values import NamedTuple

Style = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]

GAP = "  "
"""What stands between two columns."""


class Span(NamedTuple):
    """A piece of text in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]


def line(*spans: Span | str) -> Line:
    """A line of spans; plain text needs no wrapping."""
    return tuple(Span(span) if isinstance(span, str) else span for span in spans)


def plain(text: Line) -> str:
    """A line without its styles."""
    return "".join(span.text for span in text)


def shorten_left(text: str, width: int) -> str:
    """Cut text to a width at its beginning, where a node id or a path says least."""
    if len(text) <= width:
        return text
    return "…" + text[len(text) - width + 1 :] if width > 1 else text[-width:]
