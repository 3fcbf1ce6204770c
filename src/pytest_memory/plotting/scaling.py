"""Cost over input size, with the order of growth that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from pytest_memory.plotting.lines import RUN, Line, Lines, lines_of
from pytest_memory.plotting.points import Measured
from pytest_memory.plotting.style import Facets, dress, log_axis, scale_for, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_LINES = 40
_CURVE_POINTS = 40


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes of a scaling plot are like; ``None`` lets the data decide.

    Attributes:
        log_x: A logarithmic size axis; by default if every size is positive.
        log_y: A logarithmic cost axis; by default if the size axis is one and every cost is positive.
        y_zero: Let a linear cost axis begin at 0.
        free: ``x``, ``y`` or ``both``: which axes each panel has for itself.
        band: Draw the range from the smallest to the largest round or pass: ``auto`` (where there is one),
            ``minmax`` or ``none``.
    """

    log_x: bool | None = None
    log_y: bool | None = None
    y_zero: bool = False
    free: str = ""
    band: Literal["auto", "minmax", "none"] = "none"


def scaling_figure(
    measured: Measured, *, x: str | None, color: str | None, facet: str | None, axes: Axes
) -> tuple[Figure, int]:
    """Draw cost over size.

    Args:
        measured: Only the first run is drawn, unless ``color`` is ``run``.
        x: The numeric dim; by default the only one there is.
        color: A dim, or ``run``; by default the first that varies.
        facet: A dim for panels; by default the next that varies.
        axes: What the axes are like.

    Returns:
        The figure, and the number of points.

    Raises:
        InvalidValue: No or several numeric dims and no ``x``, an unknown dim, nothing left to draw.
    """
    drawn = measured.snapshots if color == RUN else measured.snapshots[:1]
    found = lines_of(drawn, x=x, color=color, facet=facet)
    facets = Facets.of(found.facet, found.points)
    figure = facets.figure(free_axes=axes.free)
    _draw(figure, found.lines, facets, measured.unit, axes)
    _set_axes(figure, measured, found, axes)
    facets.title_x(figure, escape(found.size))
    labels = ", ".join(dict.fromkeys(snapshot.label for snapshot in drawn))
    dress(
        figure,
        f"Scaling: {measured.titled} vs {found.size} ({labels})",
        _subtitle(measured.name, found),
        height=max(560, 120 + 380 * facets.rows),
        legend={"title": {"text": "test and its order"}, "tracegroupgap": 4},
        hovermode="closest",
    )
    return figure, len(found.points)


def _draw(figure: Figure, lines: Sequence[Line], facets: Facets, unit: str, axes: Axes) -> None:
    if len(lines) > _MOST_LINES:
        _draw_many(figure, lines, facets, unit)
        return
    for number, line in enumerate(lines):
        row, column = facets.place(line.points[0])
        label = f"{line.name}  <b>{line.order}</b>" if line.order else line.name
        figure.add_scatter(
            x=line.sizes,
            y=[point.value for point in line.points],
            mode="lines+markers",
            name=label,
            legendgroup=str(number),
            line={"color": line.colour},
            marker={"size": 8},
            error_y=_whiskers(line, axes),
            hovertext=_hovers(line, unit),
            hoverinfo="text",
            row=row,
            col=column,
        )
        if line.fit is not None and line.order:
            _draw_curve(figure, line, number, (row, column))


def _draw_many(figure: Figure, lines: Sequence[Line], facets: Facets, unit: str) -> None:
    """One trace per panel and colour, with gaps: thousands of traces would make the page crawl."""
    traces: dict[tuple[tuple[int, int], str], tuple[list[Any], list[Any], list[Any]]] = {}
    for line in lines:
        xs, ys, texts = traces.setdefault((facets.place(line.points[0]), line.colour), ([], [], []))
        xs += [*line.sizes, None]
        ys += [*(point.value for point in line.points), None]
        texts += [*_hovers(line, unit), None]
    for ((row, column), colour), (xs, ys, texts) in traces.items():
        figure.add_scatter(
            x=xs,
            y=ys,
            mode="lines",
            line={"color": colour, "width": 1},
            opacity=0.6,
            hovertext=texts,
            hoverinfo="text",
            showlegend=False,
            row=row,
            col=column,
        )


def _draw_curve(figure: Figure, line: Line, number: int, place: tuple[int, int]) -> None:
    assert line.fit is not None
    low, high = line.sizes[0], line.sizes[-1]
    # Equal ratios, not equal steps: the curve stays smooth on a logarithmic axis, where most are drawn.
    sizes = [low * (high / low) ** (step / _CURVE_POINTS) for step in range(_CURVE_POINTS + 1)]
    figure.add_scatter(
        x=sizes,
        y=[line.fit.best.predict(size) for size in sizes],
        mode="lines",
        line={"color": line.colour, "dash": "dot", "width": 1.5},
        opacity=0.7,
        legendgroup=str(number),
        showlegend=False,
        hoverinfo="skip",
        row=place[0],
        col=place[1],
    )


def _whiskers(line: Line, axes: Axes) -> dict[str, Any] | None:
    ranges = [(p.low if p.low is not None else p.value, p.high if p.high is not None else p.value) for p in line.points]
    if axes.band == "none" or (axes.band == "auto" and all(low == high for low, high in ranges)):
        return None
    values = [point.value for point in line.points]
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high - value) for (_, high), value in zip(ranges, values, strict=True)],
        "arrayminus": [max(0.0, value - low) for (low, _), value in zip(ranges, values, strict=True)],
        "thickness": 1,
        "width": 4,
    }


def _hovers(line: Line, unit: str) -> list[str]:
    return [
        f"<b>{line.name}</b><br>size {size:,g}: <b>{shown(point.value, unit)}</b>{_explained(line, size, unit)}"
        f"<br><span style='color:#777'>{escape(point.id)}</span>"
        for point, size in zip(line.points, line.sizes, strict=True)
    ]


def _explained(line: Line, size: float, unit: str) -> str:
    if line.fit is None or not line.order:
        return ""
    best = line.fit.best
    terms = [shown(best.constant, unit)] if best.constant else []
    if best.order != "O(1)":
        terms.append(f"{_factor(best.factor, unit)} × {best.order[2:-1]}")
    return (
        f"<br>{best.order}: ≈ {' + '.join(terms) or '0'}, off by {100 * best.error:.0f}% (at 2 × the size: "
        f"{shown(best.predict(2 * size), unit)})"
    )


def _factor(value: float, unit: str) -> str:
    if unit == "B":
        return shown(value, unit) if value >= 100 else f"{value:.3g} B"
    return f"{value * 1e9:.3g} ns" if unit == "s" and value < 1e-6 else (shown(value, unit) if unit else f"{value:.3g}")


def _subtitle(name: str, found: Lines) -> str:
    text = f"How {name} grows with {escape(found.size)}, one line per test"
    if len(found.lines) <= _MOST_LINES:
        return (
            f"{text}; dotted: the fitted order of growth. Where both axes are logarithmic a power is a straight line."
        )
    counts = Counter(line.order or "no clear order" for line in found.lines)
    return f"{text}: {', '.join(f'{count:,} × {order}' for order, count in counts.most_common())}."


def _set_axes(figure: Figure, measured: Measured, found: Lines, axes: Axes) -> None:
    values = [point.value for point in found.points]
    log_x = axes.log_x if axes.log_x is not None else all(size > 0 for line in found.lines for size in line.sizes)
    log_y = axes.log_y if axes.log_y is not None else log_x and all(value > 0 for value in values)
    figure.update_xaxes(**({"type": "log", "exponentformat": "SI"} if log_x else {}))
    if log_y:
        figure.update_yaxes(**log_axis(values, measured.unit))
        figure.update_yaxes(title=measured.name, col=1)
        return
    scale = scale_for(values, measured.unit)
    for trace in figure.data:
        trace.y = [None if value is None else value / scale.divisor for value in trace.y]
        if trace.error_y.array is not None:
            trace.error_y.array = scale.of(trace.error_y.array)
            trace.error_y.arrayminus = scale.of(trace.error_y.arrayminus)
    figure.update_yaxes(rangemode="tozero" if axes.y_zero else "normal")
    figure.update_yaxes(title=scale.titled(measured.name), col=1)
