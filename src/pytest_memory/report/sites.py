"""The call stacks of a test in the terminal summary: one line each, with the frame that its reader recognises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_memory.model import AllocationSite
from pytest_memory.report.frames import describe_frame, own_frame
from pytest_memory.report.lines import GAP, Line, Span, line, shorten_left
from pytest_memory.units import human_bytes

if TYPE_CHECKING:
    from pytest_memory.report.terminal import Layout

_SITES_SHOWN = 3


def site_lines(sites: Sequence[AllocationSite], layout: Layout, margin: str) -> Iterator[Line]:
    """The largest of them; all of them, and each for itself, where everything is to be shown.

    Args:
        sites: Those of one test.
        layout: How much to show, and in how much room.
        margin: What stands to the left of each line.
    """
    shown = sites if layout.verbosity >= 2 else _merge(sites, layout.roots)[:_SITES_SHOWN]
    width = max((len(_site_size(site, layout)) for site in shown), default=0)
    for site in shown:
        yield _site_line(site, layout, margin, width)


def _merge(sites: Sequence[AllocationSite], roots: tuple[str, ...]) -> list[AllocationSite]:
    """Sites with the same frame of the reader's own become one line: they differ only further in."""
    merged: dict[object, AllocationSite] = {}
    for site in sites:
        frame = own_frame(site.frames, roots)
        before = merged.get(frame)
        merged[frame] = (
            site
            if before is None
            else AllocationSite(before.bytes + site.bytes, before.count + site.count, before.frames)
        )
    return sorted(merged.values(), key=lambda site: site.bytes, reverse=True)


def _site_line(site: AllocationSite, layout: Layout, margin: str, width: int) -> Line:
    frame = own_frame(site.frames, layout.roots)
    function, where = describe_frame(frame, layout.roots) if frame is not None else ("<unknown>", "")
    size = _site_size(site, layout).rjust(width)
    room = layout.width - len(margin) - len(size) - len(function) - 2 * len(GAP)
    return line(margin, Span(size, "dim"), f"{GAP}{function}{GAP}", Span(shorten_left(where, max(room, 16)), "dim"))


def _site_size(site: AllocationSite, layout: Layout) -> str:
    return f"~{human_bytes(site.bytes)}" if layout.sampled else human_bytes(site.bytes)
