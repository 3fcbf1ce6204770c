"""What changed, over what it cost to begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.pairs import Pair, paired
from pytest_memory.plotting.points import Measured
from pytest_memory.plotting.style import GREEN_TO_RED, Facets, colour_bound, dress, log_axis, scale_for

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_NARROW_RANGE = 2.0
_LEAST_RATIO = 1 / 1024  # where a benchmark that costs nothing any more is drawn on a logarithmic axis


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
    pairs = {each.label: [pair for pair in paired(baseline, each) if pair.old.value > 0] for each in others}
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
    for trace, place in zip(frames[first], facets.places, strict=True):
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
    costs = [pair.old.value for pair in everything]
    figure.update_xaxes(**log_axis(costs, measured.unit, ticks=9 if facets.columns == 1 else 4))
    facets.title_x(figure, f"{measured.name} in {escape(baseline.label)}")
    figure.update_yaxes(**_ratio_axis([max(pair.new.value / pair.old.value, _LEAST_RATIO) for pair in everything]))
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


def _ratio_axis(ratios: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis; over more than a few percent its ticks are powers of 2, where plotly writes 5 for 0.5."""
    low, high = math.floor(math.log2(min(*ratios, 1))), math.ceil(math.log2(max(*ratios, 1)))
    if max(*ratios, 1) / min(*ratios, 1) < _NARROW_RANGE:
        return {"type": "log"}
    step = max(1, math.ceil((high - low) / 10))
    places = [2.0**power for power in range(low - low % step, high + 1, step)]
    return {"type": "log", "tickvals": places, "ticktext": [f"{place:.3g}×" for place in places]}


def _scatter_traces(
    pairs: Sequence[Pair], facets: Facets, unit: str, divisor: float, labels: tuple[str, str]
) -> list[Any]:
    from plotly.graph_objects import Scatter, Scattergl

    # WebGL from some thousand points on; below, SVG looks better and prints.
    kind = Scattergl if len(pairs) > 10_000 else Scatter
    traces = []
    for place in facets.places:
        inside = [pair for pair in pairs if facets.place(pair.old) == place]
        traces.append(
            kind(
                x=[pair.old.value for pair in inside],
                y=[max(pair.new.value / pair.old.value, _LEAST_RATIO) for pair in inside],
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
    exponents = [math.log10(ratio) for traces in frames.values() for trace in traces for ratio in trace.y]
    low, high = min(*exponents, 0), max(*exponents, 0)
    margin = 0.05 * (high - low or 1)
    figure.update_yaxes(range=[low - margin, high + margin])
