"""Interactive figures of benchmark runs (plotly, imported when the first figure is made).

Each function takes one path or a sequence of paths to JSON runs (of pytest-benchmark, or of ``--memory-report``) and
returns ``(figure, n)``: a ``plotly.graph_objects.Figure`` and the number of points, ids or rows in it. Benchmarks of
several runs are paired by their node id.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.compare import compare_figure
from pytest_memory.plotting.heatmap import sweep_figure
from pytest_memory.plotting.lines import RUN
from pytest_memory.plotting.page import page_html, write_image, write_page
from pytest_memory.plotting.points import Paths, pivoted, read_points, require_plotly
from pytest_memory.plotting.scaling import Axes, scaling_figure
from pytest_memory.plotting.scatter import scatter_figure
from pytest_memory.plotting.timeline import plot_timeline
from pytest_memory.plotting.timeline_page import timeline_html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = [
    "RUN",
    "Axes",
    "page_html",
    "plot_compare",
    "plot_scaling",
    "plot_scatter",
    "plot_sweep",
    "plot_timeline",
    "timeline_html",
    "write_image",
    "write_page",
]


def plot_scaling(
    snapshots: Paths,
    *,
    metric: str = "time",
    x: str | None = None,
    color: str | None = None,
    facet: str | None = None,
    log: bool | Literal["auto"] = "auto",
    labels: Sequence[str] | None = None,
    stat: str | None = None,
    where: Sequence[tuple[str, str]] = (),
    axes: Axes | None = None,
) -> tuple[Figure, int]:
    """Draw cost over an input size, with the fitted order of growth of each line.

    Args:
        snapshots: Runs; only the first is drawn, unless ``color`` is ``"run"``.
        metric: ``time``, ``peak`` (or ``memory``), ``allocated``, ``allocations``, ``rss``.
        x: The numeric dim on the x axis; by default the only one there is.
        color: The dim that colours the lines; by default the first that tells lines apart.
        facet: The dim with a panel per value; by default the next.
        log: Both axes logarithmic: ``"auto"`` where every size is positive, ``True`` or ``False``.
        labels: Names of the runs; by default their file stems.
        stat: Another statistic than the headline: ``min``, ``max``, ``mean``, ``median``, ``stddev``.
        where: Pairs of a dim and the text it must equal.
        axes: Each axis by itself, in place of ``log``.

    Returns:
        The figure and the number of points.

    Raises:
        InvalidValue: An unknown metric, statistic or dim; none or several numeric dims and no ``x``; nothing left to
            draw (a ``ValueError``).
        UnreadableFile: A file is not a run (a ``ValueError``).
        ToolUnavailable: plotly is not installed (a ``RuntimeError``).
    """
    require_plotly()
    if log not in ("auto", True, False):
        raise InvalidValue(f"log {log!r} is neither True nor False nor 'auto'")
    forced = None if log == "auto" else bool(log)
    wanted, names = (snapshots, labels) if color == RUN else _first(snapshots, labels, 1)
    measured = read_points(wanted, metric=metric, stat=stat, labels=names, where=where)
    return scaling_figure(measured, x=x, color=color, facet=facet, axes=axes or Axes(log_x=forced, log_y=forced))


def plot_scatter(
    snapshots: Paths,
    *,
    metric: str = "time",
    facet: str | None = None,
    clip: float | None = None,
    labels: Sequence[str] | None = None,
    stat: str | None = None,
    where: Sequence[tuple[str, str]] = (),
    free_axes: str = "",
    pivot: str | None = None,
) -> tuple[Figure, int]:
    """Draw each benchmark's ratio to the first run over its cost there; more than two runs are animated.

    Args:
        snapshots: At least two runs, the baseline first.
        metric: See :func:`plot_scaling`.
        facet: The dim with a panel per value.
        clip: Where the colours end, in the unit of the colour bar; by default the 95th percentile of the changes.
        labels: See :func:`plot_scaling`.
        stat: See :func:`plot_scaling`.
        where: See :func:`plot_scaling`.
        free_axes: ``x``, ``y`` or ``both``: which axes each panel has for itself.
        pivot: A dim of a single run whose values take the place of runs.

    Returns:
        The figure and the number of distinct benchmarks.

    Raises:
        InvalidValue: As in :func:`plot_scaling`; fewer than two runs; nothing in common.
        UnreadableFile: See :func:`plot_scaling`.
        ToolUnavailable: See :func:`plot_scaling`.
    """
    require_plotly()
    measured = read_points(snapshots, metric=metric, stat=stat, labels=labels, where=where)
    measured = measured if pivot is None else pivoted(measured, pivot)
    return scatter_figure(measured, facet=facet, clip=clip, free_axes=free_axes)


def plot_compare(
    snapshots: Paths,
    *,
    metric: str = "time",
    sort: Literal["absolute", "relative"] = "absolute",
    facet: str | None = None,
    clip: float | None = None,
    labels: Sequence[str] | None = None,
    stat: str | None = None,
    where: Sequence[tuple[str, str]] = (),
    free_axes: str = "",
    pivot: str | None = None,
) -> tuple[Figure, int]:
    """Draw the change of each benchmark from the first run to the second, the largest growth on top.

    Benchmarks that only one run has are left out; ``figure.layout.meta["notes"]`` names them.

    Args:
        snapshots: Two runs; more are ignored.
        metric: See :func:`plot_scaling`.
        sort: ``absolute``: bars in the metric's unit; ``relative``: in percent.
        facet: See :func:`plot_scatter`.
        clip: See :func:`plot_scatter`.
        labels: See :func:`plot_scaling`.
        stat: See :func:`plot_scaling`.
        where: See :func:`plot_scaling`.
        free_axes: See :func:`plot_scatter`.
        pivot: See :func:`plot_scatter`.

    Returns:
        The figure and the number of benchmarks in common.

    Raises:
        InvalidValue: As in :func:`plot_scatter`; two runs with one label.
        UnreadableFile: See :func:`plot_scaling`.
        ToolUnavailable: See :func:`plot_scaling`.
    """
    require_plotly()
    wanted, names = (snapshots, labels) if pivot is not None else _first(snapshots, labels, 2)
    measured = read_points(wanted, metric=metric, stat=stat, labels=names, where=where)
    measured = measured if pivot is None else pivoted(measured, pivot)
    return compare_figure(measured, sort=sort, facet=facet, clip=clip, free_axes=free_axes)


def plot_sweep(
    snapshots: Paths,
    *,
    metric: str = "time",
    clip: float | None = None,
    labels: Sequence[str] | None = None,
    stat: str | None = None,
    where: Sequence[tuple[str, str]] = (),
) -> tuple[Figure, int]:
    """Draw a heat map of every benchmark's ratio to the first run, a column per run.

    Args:
        snapshots: Runs, oldest first.
        metric: See :func:`plot_scaling`.
        clip: The factor at which the colours end; by default the 95th percentile.
        labels: See :func:`plot_scaling`.
        stat: See :func:`plot_scaling`.
        where: See :func:`plot_scaling`.

    Returns:
        The figure and the number of rows: the benchmarks of the first run.

    Raises:
        InvalidValue: As in :func:`plot_scaling`.
        UnreadableFile: See :func:`plot_scaling`.
        ToolUnavailable: See :func:`plot_scaling`.
    """
    require_plotly()
    measured = read_points(snapshots, metric=metric, stat=stat, labels=labels, where=where)
    return sweep_figure(measured, clip=clip)


def _first(snapshots: Paths, labels: Sequence[str] | None, count: int) -> tuple[Paths, Sequence[str] | None]:
    """The runs that are drawn, so that no other is read; a wrong number of labels is left to be told."""
    runs = [snapshots] if isinstance(snapshots, (str, os.PathLike)) else list(snapshots)
    if labels is not None and len(labels) == len(runs):
        return runs[:count], labels[:count]
    return (runs[:count] if labels is None else runs), labels
