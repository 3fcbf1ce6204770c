"""The change of each benchmark from one run to another, as bars."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.pairs import Pair, paired
from pytest_memory.plotting.points import Measured, Snapshot
from pytest_memory.plotting.style import (
    GREEN_TO_RED,
    Facets,
    colour_bound,
    dress,
    height_for,
    scale_for,
    short_names,
    shown_change,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_BARS = 1_000
_MOST_BAR_TEXTS = 120
_ROOM_FOR_TEXT = 0.14


@dataclass(frozen=True, slots=True)
class _Bar:
    pair: Pair
    change: float  # in percent, or in the unit of the axis


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
    pairs = _comparable(old, new, sort)
    scale = scale_for([pair.difference for pair in pairs], measured.unit)
    bars = [_Bar(pair, pair.percent if sort == "relative" else pair.difference / scale.divisor) for pair in pairs]
    bound = colour_bound(clip, [bar.change for bar in bars])
    drawn = sorted(bars, key=lambda bar: abs(bar.change))[-_MOST_BARS:]
    drawn.sort(key=lambda bar: bar.change)
    facets = Facets.of(facet, [bar.pair.old for bar in drawn])
    # Each panel has benchmarks of its own.
    own = free_axes if facet is None else {"": "y", "x": "both"}.get(free_axes, free_axes)
    figure = facets.figure(free_axes=own, spacing=0.14)
    names = short_names([bar.pair.old.id for bar in drawn])
    written = len(drawn) <= _MOST_BAR_TEXTS and facet is None
    for row, column in facets.places:
        inside = [bar for bar in drawn if facets.place(bar.pair.old) == (row, column)]
        figure.add_bar(
            orientation="h",
            y=[names[bar.pair.old.id] for bar in inside],
            x=[bar.change for bar in inside],
            marker={
                "color": [bar.change for bar in inside],
                "coloraxis": "coloraxis",
                "line": {"color": "#999", "width": 0.5 if len(drawn) <= 200 else 0},
            },
            text=[_written(bar.pair, measured.unit) for bar in inside] if written else None,
            textposition="outside",
            cliponaxis=False,
            hovertext=[bar.pair.hover(measured.unit, old.label, new.label) for bar in inside],
            hoverinfo="text",
            showlegend=False,
            row=row,
            col=column,
        )
    figure.update_layout(
        coloraxis={"colorscale": GREEN_TO_RED, "cmid": 0, "cmin": -bound, "cmax": bound, "showscale": False}
    )
    facets.title_x(figure, "change (%)" if sort == "relative" else scale.titled("change"))
    if not free_axes:
        figure.update_xaxes(range=_padded([bar.change for bar in drawn]))
    figure.update_yaxes(automargin=True, tickfont={"size": 11})
    dress(
        figure,
        f"Change in {measured.name}: {old.label} → {new.label}",
        _subtitle(old, new, len(bars), len(drawn)),
        height=height_for(math.ceil(len(drawn) / facets.columns)),
        bargap=0.25,
        meta={"notes": _one_sided(old, new)},
    )
    return figure, len(bars)


def _comparable(old: Snapshot, new: Snapshot, sort: str) -> list[Pair]:
    pairs = paired(old, new)
    if not pairs:
        raise InvalidValue(f"no ids in common between {old.label!r} and {new.label!r}")
    if sort == "relative":
        pairs = [pair for pair in pairs if pair.old.value > 0]
        if not pairs:
            raise InvalidValue(f"no benchmark of {old.label!r} is above 0, so that there are no percentages")
    return pairs


def _first_two(measured: Measured) -> tuple[Snapshot, Snapshot]:
    if len(measured.snapshots) < 2 or measured.snapshots[0].label == measured.snapshots[1].label:
        raise InvalidValue("a comparison needs two distinct snapshots", "name two runs with different labels")
    return measured.snapshots[0], measured.snapshots[1]


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


def _subtitle(old: Snapshot, new: Snapshot, count: int, drawn: int) -> str:
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


def _written(pair: Pair, unit: str) -> str:
    return f" {shown_change(pair.old.value, pair.new.value, unit)} "
