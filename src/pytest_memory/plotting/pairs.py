"""Two or more runs laid side by side, benchmark by benchmark: scatter, compare and sweep."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.points import Measured, Point, Snapshot
from pytest_memory.plotting.style import (
    GREEN_TO_RED,
    Facets,
    colour_bound,
    dress,
    height_for,
    log_axis,
    scale_for,
    short_names,
    shown,
    shown_change,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_BARS = 1_000
_MOST_BAR_TEXTS = 120
_ROOM_FOR_TEXT = 0.14
_MOST_CELL_TEXTS = 600
_LEAST_RATIO = 1 / 1024


@dataclass(frozen=True, slots=True)
class _Pair:
    old: Point
    new: Point

    @property
    def difference(self) -> float:
        return self.new.value - self.old.value

    @property
    def percent(self) -> float:
        return 100 * self.difference / self.old.value

    def hover(self, unit: str, old_label: str, new_label: str) -> str:
        return (
            f"<b>{escape(self.new.id)}</b>"
            f"<br>{escape(old_label)}: {shown(self.old.value, unit)}"
            f"<br>{escape(new_label)}: <b>{shown(self.new.value, unit)}</b>"
            f"<br>change: {shown_change(self.old.value, self.new.value, unit)}"
        )


def scatter_figure(
    measured: Measured, *, facet: str | None, clip: float | None, free_axes: str = ""
) -> tuple[Figure, int]:
    """Draw each benchmark's ratio to the first run over its cost there; later runs become frames.

    Raises:
        InvalidValue: Fewer than two runs, no benchmark in common with a baseline above 0, a bad facet or clip.
    """
    if len(measured.snapshots) < 2:
        raise InvalidValue("a scatter plot needs at least 2 runs, and there is one", "name the baseline first")
    baseline, *others = measured.snapshots
    pairs = {each.label: [pair for pair in _paired(baseline, each) if pair.old.value > 0] for each in others}
    everything = [pair for each in pairs.values() for pair in each]
    if not everything:
        raise InvalidValue(f"nothing to plot: no benchmark of {baseline.label!r} above 0 is in another run")
    facets = Facets.of(facet, [pair.old for pair in everything])
    scale = scale_for([pair.difference for pair in everything], measured.unit)
    bound = colour_bound(clip, scale.of(pair.difference for pair in everything))
    figure = facets.figure(free_axes=free_axes)
    first = others[0].label
    frames = {
        label: _scatter_traces(each, facets, measured.unit, scale.divisor, (baseline.label, label))
        for label, each in pairs.items()
    }
    for trace, place in zip(frames[first], _places(facets), strict=True):
        figure.add_trace(trace, row=place[0], col=place[1])
    figure.add_hline(y=1, line={"dash": "dash", "color": "#888"})
    figure.update_layout(
        coloraxis={
            "colorscale": GREEN_TO_RED,
            "cmid": 0,
            "cmin": -bound,
            "cmax": bound,
            "colorbar": {"title": {"text": scale.titled("change")}},
        }
    )
    figure.update_xaxes(**log_axis([pair.old.value for pair in everything], measured.unit))
    figure.update_xaxes(title=f"{measured.name} in {escape(baseline.label)}", row=facets.rows)
    figure.update_yaxes(title=f"ratio to {escape(baseline.label)}", ticksuffix="×", col=1)
    if len(frames) > 1:
        _animate(figure, frames)
    count = len({pair.old.id for pair in everything})
    heading = f"{measured.name}: {', '.join(each.label for each in others)} relative to {baseline.label}"
    dress(
        figure,
        heading[0].upper() + heading[1:],
        "One point per benchmark. Above the dashed line it got more expensive, below cheaper; "
        "points far right cost the most to begin with.",
        height=max(620, 140 + 380 * facets.rows),
    )
    return figure, count


def compare_figure(
    measured: Measured,
    *,
    sort: Literal["absolute", "relative"],
    facet: str | None,
    clip: float | None,
    free_axes: str = "",
) -> tuple[Figure, int]:
    """Draw each benchmark's change between the first two runs as a bar, the largest growth on top.

    Raises:
        InvalidValue: Fewer than two runs, equal labels, nothing in common, an unknown sort, a bad facet or clip.
    """
    if sort not in ("absolute", "relative"):
        raise InvalidValue(f"unknown sort {sort!r}", "choose absolute or relative")
    old, new = _first_two(measured)
    pairs = _paired(old, new)
    if not pairs:
        raise InvalidValue(f"no ids in common between {old.label!r} and {new.label!r}")
    if sort == "relative":
        pairs = [pair for pair in pairs if pair.old.value > 0]
        if not pairs:
            raise InvalidValue(f"no benchmark of {old.label!r} is above 0, so that there are no percentages")
    count = len(pairs)
    scale = scale_for([pair.difference for pair in pairs], measured.unit)
    changes = {id(pair): pair.percent if sort == "relative" else pair.difference / scale.divisor for pair in pairs}
    bound = colour_bound(clip, changes.values())
    drawn = sorted(pairs, key=lambda pair: abs(changes[id(pair)]))[-_MOST_BARS:]
    drawn.sort(key=lambda pair: changes[id(pair)])
    facets = Facets.of(facet, [pair.old for pair in drawn])
    figure = facets.figure(free_axes=free_axes if facet is None else {"": "y", "x": "both"}.get(free_axes, free_axes))
    names = short_names([pair.old.id for pair in drawn])
    for place in _places(facets):
        inside = [pair for pair in drawn if facets.place(pair.old) == place]
        figure.add_bar(
            orientation="h",
            y=[names[pair.old.id] for pair in inside],
            x=[changes[id(pair)] for pair in inside],
            marker={
                "color": [changes[id(pair)] for pair in inside],
                "coloraxis": "coloraxis",
                "line": {"color": "#999", "width": 0.5 if len(drawn) <= 200 else 0},
            },
            text=_bar_texts(inside, measured.unit) if len(drawn) <= _MOST_BAR_TEXTS and facet is None else None,
            textposition="outside",
            cliponaxis=False,
            hovertext=[pair.hover(measured.unit, old.label, new.label) for pair in inside],
            hoverinfo="text",
            showlegend=False,
            row=place[0],
            col=place[1],
        )
    axis = "change (%)" if sort == "relative" else scale.titled("change")
    figure.update_layout(
        coloraxis={"colorscale": GREEN_TO_RED, "cmid": 0, "cmin": -bound, "cmax": bound, "showscale": False}
    )
    figure.update_xaxes(title=axis, row=facets.rows)
    if not free_axes:
        figure.update_xaxes(range=_padded(changes.values()))
    figure.update_yaxes(automargin=True, tickfont={"size": 11})
    dress(
        figure,
        f"Change in {measured.name}: {old.label} → {new.label}",
        _compare_subtitle(old, new, count, len(drawn)),
        height=height_for(math.ceil(len(drawn) / facets.columns)),
        bargap=0.25,
        meta={"notes": _one_sided(old, new)},
    )
    return figure, count


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
        text=[["" if ratio is None else f"{ratio:.2f}×" for ratio in row] for row in ratios],
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


def _first_two(measured: Measured) -> tuple[Snapshot, Snapshot]:
    if len(measured.snapshots) < 2 or measured.snapshots[0].label == measured.snapshots[1].label:
        raise InvalidValue("a comparison needs two distinct snapshots", "name two runs with different labels")
    return measured.snapshots[0], measured.snapshots[1]


def _paired(old: Snapshot, new: Snapshot) -> list[_Pair]:
    """Benchmarks of both runs, paired by node id alone: their extras may well differ."""
    after = new.by_id
    return [_Pair(point, after[name]) for name, point in old.by_id.items() if name in after]


def _one_sided(old: Snapshot, new: Snapshot) -> list[str]:
    before, after = old.by_id, new.by_id
    return [
        f"only in {label}: {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
        for label, names in (
            (old.label, [name for name in before if name not in after]),
            (new.label, [name for name in after if name not in before]),
        )
        if names
    ]


def _compare_subtitle(old: Snapshot, new: Snapshot, count: int, drawn: int) -> str:
    text = "Red bars to the right: more expensive than before; green bars to the left: cheaper."
    if drawn < count:
        text += f" The {drawn:,} largest of {count:,} changes."
    alone = len(old.by_id.keys() ^ new.by_id.keys())
    return f"{text} {alone:,} in only one of the runs are left out." if alone else text


def _padded(changes: Collection[float]) -> list[float]:
    """A range around 0 and all changes, with room for what is written beside the bars."""
    low, high = min(0.0, *changes), max(0.0, *changes)
    margin = _ROOM_FOR_TEXT * ((high - low) or 1.0)
    return [low - margin, high + margin]


def _bar_texts(pairs: Sequence[_Pair], unit: str) -> list[str]:
    return [f" {shown_change(pair.old.value, pair.new.value, unit)} " for pair in pairs]


def _places(facets: Facets) -> list[tuple[int, int]]:
    return [(number // facets.columns + 1, number % facets.columns + 1) for number in range(len(facets.values))]


def _scatter_traces(
    pairs: Sequence[_Pair], facets: Facets, unit: str, divisor: float, labels: tuple[str, str]
) -> list[Any]:
    from plotly.graph_objects import Scatter, Scattergl

    # WebGL from some thousand points on; below, SVG looks better and prints.
    kind = Scattergl if len(pairs) > 10_000 else Scatter
    traces = []
    for place in _places(facets):
        inside = [pair for pair in pairs if facets.place(pair.old) == place]
        traces.append(
            kind(
                x=[pair.old.value for pair in inside],
                y=[pair.new.value / pair.old.value for pair in inside],
                mode="markers",
                marker={
                    "color": [pair.difference / divisor for pair in inside],
                    "coloraxis": "coloraxis",
                    "size": 9 if len(pairs) < 500 else 6,
                    "line": {"color": "#666", "width": 0.5},
                },
                hovertext=[pair.hover(unit, *labels) for pair in inside],
                hoverinfo="text",
                showlegend=False,
            )
        )
    return traces


def _animate(figure: Figure, frames: dict[str, list[Any]]) -> None:
    from plotly.graph_objects import Frame

    figure.frames = [
        Frame(name=label, data=traces, traces=list(range(len(traces)))) for label, traces in frames.items()
    ]
    instant = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 300}}
    steps = [{"label": escape(label), "method": "animate", "args": [[label], instant]} for label in frames]
    figure.update_layout(sliders=[{"steps": steps, "currentvalue": {"prefix": "run: "}, "pad": {"t": 50}}])
    # The axes must hold every frame, as the first one alone sets their range.
    ratios = [ratio for traces in frames.values() for trace in traces for ratio in trace.y]
    margin = 0.05 * (max(ratios) - min(ratios) or 1)
    figure.update_yaxes(range=[min(*ratios, 1) - margin, max(*ratios, 1) + margin])


def _ratio(point: Point | None, baseline: Point) -> float | None:
    return None if point is None else point.value / baseline.value


def _last_ratio(point: Point, columns: Sequence[dict[str, Point]]) -> float:
    ratios = [ratio for column in columns if (ratio := _ratio(column.get(point.id), point)) is not None]
    return ratios[-1]


def _sweep_hovers(point: Point, measured: Measured, columns: Sequence[dict[str, Point]]) -> list[str]:
    texts = []
    for snapshot, column in zip(measured.snapshots, columns, strict=True):
        there = column.get(point.id)
        if there is None:
            texts.append(f"<b>{escape(point.id)}</b><br>not in {escape(snapshot.label)}")
            continue
        change = shown_change(point.value, there.value, measured.unit)
        texts.append(
            f"<b>{escape(point.id)}</b><br>{escape(snapshot.label)}: <b>{shown(there.value, measured.unit)}</b>"
            f"<br>{escape(measured.snapshots[0].label)}: {shown(point.value, measured.unit)}<br>change: {change}"
        )
    return texts


def _fold_bar(bound: float) -> dict[str, Any]:
    ticks = [-bound, -bound / 2, 0.0, bound / 2, bound]
    return {"title": {"text": "ratio"}, "tickvals": ticks, "ticktext": [f"{2**tick:.2f}×" for tick in ticks]}
