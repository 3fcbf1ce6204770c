"""The page of a timeline: the figure with a search for a test above it, drawn anew in detail when one zooms in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_memory.plotting.page import asset, page_html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def timeline_html(figure: Figure) -> str:
    """A timeline as a standalone page.

    ``#test=NAME`` behind its address opens it at the largest test with that in its name.

    Args:
        figure: As :func:`pytest_memory.plotting.plot_timeline` makes it.
    """
    return page_html(
        figure,
        title="Memory of the test session over time",
        body=asset("timeline.html"),
        style=asset("timeline.css"),
        script=asset("timeline.js"),
        scroll_zoom=True,
    )
