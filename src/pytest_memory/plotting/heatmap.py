"""Many runs at once: each benchmark's ratio to the first run, as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.points import Measured, Point
from pytest_memory.plotting.style import (
    GREEN_TO_RED,
    colour_bound,
    dress,
    height_for,
    short_names,
    shown,
    shown_change,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_CELL_TEXTS = 600
_LEAST_RATIO = 1 / 1024


def sweep_figure(measured: Measured, *, clip: float | None) -> tuple[Figure, int]:
    """Draw a heat map: one row per benchmark, one column per run, coloured by the ratio to the first run.

    Raises:
        InvalidValue: No benchmark of the first run is above 0, or a clip that is not above 1.
    """
    first = measured.snapshots[0]
    rows = [point for point in first.by_id.values() if point.value > 0]
    if not rows:
        raise InvalidValue(f"nothing to plot: no benchmark of {first.label!r} is above 0")
    if clip is not None and not clip > 1:
        raise InvalidValue(f"clip {clip!r} is not a factor above 1", "clip=2 ends the colours at half and double")
    columns = [snapshot.by_id for snapshot in measured.snapshots]
    rows.sort(key=lambda point: _last_ratio(point, columns))
    ratios = [[_ratio(column.get(point.id), point) for column in columns] for point in rows]
    folds = [[None if ratio is None else math.log2(max(ratio, _LEAST_RATIO)) for ratio in row] for row in ratios]
    present = [fold for row in folds for fold in row if fold is not None]
    bound = colour_bound(math.log2(clip) if clip is not None else None, present)
    names = short_names([point.id for point in rows])
    few = len(rows) * len(columns) <= _MOST_CELL_TEXTS
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.add_heatmap(
        x=[escape(snapshot.label) for snapshot in measured.snapshots],
        y=[names[point.id] for point in rows],
        z=folds,
        text=[["" if ratio is None else f"{ratio:.2f}×" for ratio in row] for row in ratios] if few else None,
        texttemplate="%{text}" if few else None,
        hovertext=[_sweep_hovers(point, measured, columns) for point in rows],
        hoverinfo="text",
        colorscale=GREEN_TO_RED,
        zmin=-bound,
        zmax=bound,
        zmid=0,
        xgap=1 if few else 0,
        ygap=1 if few else 0,
        colorbar=_fold_bar(bound),
    )
    figure.update_xaxes(type="category", side="top" if len(rows) > 30 else "bottom")
    figure.update_yaxes(type="category", automargin=True, tickfont={"size": 11})
    dress(
        figure,
        f"{measured.name[0].upper()}{measured.name[1:]} across {len(columns)} runs, relative to {first.label}",
        "One row per benchmark, one column per run, the largest growth of the last run on top. "
        "Red costs more than the first run, green less." + ("" if few else " Zoom in to read the names."),
        height=height_for(len(rows)),
    )
    return figure, len(rows)


def _ratio(point: Point | None, baseline: Point) -> float | None:
    return None if point is None else point.value / baseline.value


def _last_ratio(point: Point, columns: Sequence[dict[str, Point]]) -> float:
    ratios = [ratio for column in columns if (ratio := _ratio(column.get(point.id), point)) is not None]
    return ratios[-1]


def _sweep_hovers(point: Point, measured: Measured, columns: Sequence[dict[str, Point]]) -> list[str]:
    texts = []
    unit, name = measured.unit, f"<b>{escape(point.id)}</b><br>"
    baseline = f"<br>{escape(measured.snapshots[0].label)}: {shown(point.value, unit)}<br>change: "
    for snapshot, column in zip(measured.snapshots, columns, strict=True):
        there = column.get(point.id)
        if there is None:
            texts.append(f"{name}not in {escape(snapshot.label)}")
            continue
        change = shown_change(point.value, there.value, unit)
        texts.append(f"{name}{escape(snapshot.label)}: <b>{shown(there.value, unit)}</b>{baseline}{change}")
    return texts


def _fold_bar(bound: float) -> dict[str, Any]:
    ticks = [-bound, -bound / 2, 0.0, bound / 2, bound]
    return {"title": {"text": "ratio"}, "tickvals": ticks, "ticktext": [f"{2**tick:.2f}×" for tick in ticks]}
