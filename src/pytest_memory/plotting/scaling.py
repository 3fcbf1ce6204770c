"""Cost over input size, with the order of growth that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from pytest_memory.complexity import Fit, fit_complexity
from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.points import Measured, Point, Snapshot, dims_among, is_numeric, require_dim
from pytest_memory.plotting.style import COLOURS, Facets, dress, log_axis, scale_for, short_names, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RUN = "run"
"""Given as ``color``: one colour per run, and every run is drawn."""

_MOST_LINES = 40
_MOST_PANELS = 9
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


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    colour: str
    points: tuple[Point, ...]
    sizes: tuple[float, ...]
    fit: Fit | None

    @property
    def order(self) -> str:
        return (self.fit.order or "") if self.fit is not None else ""


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
    everything = [point for snapshot in drawn for point in snapshot.points]
    size = _size_dim(x, everything)
    points = [point for point in everything if is_numeric(point.dims.get(size))]
    if not points:
        raise InvalidValue(f"x {size!r} is not a numeric dim of any benchmark", _numeric_advice(everything))
    runs = {id(point): snapshot.label for snapshot in drawn for point in snapshot.points}
    colour_dim, facet_dim = _grouping(points, size, color, facet)
    telling = [*_splitting(points, size), *(dim for dim in (colour_dim, facet_dim) if dim is not None)]
    lines = _lines(points, size, dict.fromkeys(telling), colour_dim, runs if color == RUN else {})
    facets = Facets.of(facet_dim, points)
    figure = facets.figure(free_axes=axes.free)
    _draw(figure, lines, facets, measured.unit, axes)
    _finish(figure, measured, drawn, points, size, facets, axes, _subtitle(measured.name, size, lines))
    return figure, len(points)


def _size_dim(x: str | None, points: Sequence[Point]) -> str:
    if x is not None:
        return require_dim(x, points, "x")
    numeric = _numeric_dims(points)
    if len(numeric) != 1:
        found = f"there are {len(numeric)}: {', '.join(numeric)}" if numeric else "there is none"
        raise InvalidValue(
            f"a scaling plot needs one numeric dim as x axis, and {found}",
            "choose one with x (--x)" if numeric else "parametrize the benchmarks by size, or choose another view",
        )
    return numeric[0]


def _numeric_dims(points: Sequence[Point]) -> list[str]:
    return [
        name
        for name in dims_among(points)
        if not name.startswith("node.") and all(is_numeric(p.dims[name]) for p in points if name in p.dims)
    ]


def _numeric_advice(points: Sequence[Point]) -> str:
    return f"numeric dims here: {', '.join(_numeric_dims(points)) or 'none'}"


def _grouping(
    points: Sequence[Point], size: str, color: str | None, facet: str | None
) -> tuple[str | None, str | None]:
    """The dims for colours and panels: those asked for, else those that tell lines apart."""
    splitting = [name for name in _splitting(points, size) if name != facet]
    if color is None:
        several = len({point.dims.get("node.func") for point in points}) > 1
        color = splitting.pop(0) if splitting else ("node.func" if several else None)
    elif color != RUN:
        require_dim(color, points, "color")
        splitting = [name for name in splitting if name != color]
    if facet is None:
        few = [name for name in splitting if len({point.dims.get(name) for point in points}) <= _MOST_PANELS]
        facet = few[0] if few else None
    return (None if color == RUN else color), facet


def _splitting(points: Sequence[Point], size: str) -> list[str]:
    """The dims that make different lines: texts that vary, and numbers that vary at one size of one test.

    A number that follows from the size (an extra such as the number of edges) must not tear a line into its points.
    """
    names = []
    for name in dims_among(points):
        if name == size or name.startswith("node."):
            continue
        values: dict[tuple[str, object], set[object]] = {}
        for point in points:
            value = point.dims.get(name)
            at = (_family(point), point.dims[size]) if is_numeric(value) else ("", None)
            values.setdefault(at, set()).add(value)
        if any(len(different) > 1 for different in values.values()):
            names.append(name)
    return names


def _lines(
    points: Sequence[Point], size: str, telling: Iterable[str], colour_dim: str | None, runs: dict[int, str]
) -> list[_Line]:
    """One line per test and per combination of everything but the size."""
    families = short_names(list(dict.fromkeys(_family(point) for point in points)))
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        rest = tuple((name, point.dims[name]) for name in telling if name in point.dims)
        groups.setdefault((_family(point), runs.get(id(point), ""), rest), []).append(point)
    colours: dict[str, str] = {}
    lines = []
    for (family, run, rest), members in groups.items():
        ordered = tuple(sorted(members, key=lambda point: point.dims[size]))
        key = run or (str(ordered[0].dims.get(colour_dim, "—")) if colour_dim is not None else "")
        colour = colours.setdefault(key, COLOURS[len(colours) % len(COLOURS)])
        named = [families[family]] if len(families) > 1 else []
        named += [escape(run)] if run else []
        named += [f"{escape(k)}={escape(str(v))}" for k, v in rest if not k.startswith("node.")]
        sizes = tuple(float(point.dims[size]) for point in ordered)
        lines.append(_Line(", ".join(named) or families[family], colour, ordered, sizes, _fit(sizes, ordered)))
    return lines


def _family(point: Point) -> str:
    return point.id.partition("[")[0]


def _fit(sizes: Sequence[float], points: Sequence[Point]) -> Fit | None:
    try:
        return fit_complexity(sizes, [point.value for point in points])
    except InvalidValue:
        return None  # too few sizes to tell an order: the points speak for themselves


def _draw(figure: Figure, lines: Sequence[_Line], facets: Facets, unit: str, axes: Axes) -> None:
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


def _draw_many(figure: Figure, lines: Sequence[_Line], facets: Facets, unit: str) -> None:
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


def _draw_curve(figure: Figure, line: _Line, number: int, place: tuple[int, int]) -> None:
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


def _whiskers(line: _Line, axes: Axes) -> dict[str, Any] | None:
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


def _hovers(line: _Line, unit: str) -> list[str]:
    return [
        f"<b>{line.name}</b><br>size {size:,g}: <b>{shown(point.value, unit)}</b>{_explained(line, size, unit)}"
        f"<br><span style='color:#777'>{escape(point.id)}</span>"
        for point, size in zip(line.points, line.sizes, strict=True)
    ]


def _explained(line: _Line, size: float, unit: str) -> str:
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


def _subtitle(name: str, size: str, lines: Sequence[_Line]) -> str:
    text = f"How {name} grows with {escape(size)}, one line per test"
    if len(lines) <= _MOST_LINES:
        return f"{text}; dotted: the fitted order of growth."
    counts = Counter(line.order or "no clear order" for line in lines)
    return f"{text}: {', '.join(f'{count:,} × {order}' for order, count in counts.most_common())}."


def _finish(
    figure: Figure,
    measured: Measured,
    drawn: Sequence[Snapshot],
    points: Sequence[Point],
    size: str,
    facets: Facets,
    axes: Axes,
    subtitle: str,
) -> None:
    values = [point.value for point in points]
    log_x = axes.log_x if axes.log_x is not None else all(point.dims[size] > 0 for point in points)  # type: ignore[operator]
    log_y = axes.log_y if axes.log_y is not None else log_x and all(value > 0 for value in values)
    labels = ", ".join(dict.fromkeys(snapshot.label for snapshot in drawn))
    dress(
        figure,
        f"Scaling: {measured.titled} vs {size} ({labels})",
        subtitle + (" On two logarithmic axes a straight line is a power of the size." if log_x and log_y else ""),
        height=max(560, 120 + 380 * facets.rows),
        legend={"title": {"text": "test and its order"}, "tracegroupgap": 4},
        hovermode="closest",
    )
    figure.update_xaxes(title=escape(size), **({"type": "log", "exponentformat": "SI"} if log_x else {}))
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
