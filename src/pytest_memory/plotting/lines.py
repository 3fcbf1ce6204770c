"""Which points of a scaling plot belong to one line, and the order of growth of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pytest_memory.complexity import Fit, fit_complexity
from pytest_memory.errors import InvalidValue, UnknownName
from pytest_memory.plotting.points import Point, Snapshot, dims_among, is_numeric, require_dim
from pytest_memory.plotting.style import COLOURS, short_names
from pytest_memory.store.dims import Dim

RUN = "run"
"""Given as ``color``: one colour per run, and every run is drawn."""

_MOST_PANELS = 9


@dataclass(frozen=True, slots=True)
class Line:
    """One test (and one value of everything but the size) over its sizes.

    Attributes:
        name: What tells it from the other lines, as HTML.
        colour: Its colour.
        points: Its points, the smallest size first.
        sizes: Their sizes.
        fit: The order of growth, or ``None`` if there are too few sizes to tell.
    """

    name: str
    colour: str
    points: tuple[Point, ...]
    sizes: tuple[float, ...]
    fit: Fit | None

    @property
    def order(self) -> str:
        """The order's name, or nothing if it has none."""
        return (self.fit.order or "") if self.fit is not None else ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Everything that a scaling plot draws.

    Attributes:
        size: The dim on the x axis.
        facet: The dim of the panels, or ``None``.
        lines: The lines.
    """

    size: str
    facet: str | None
    lines: tuple[Line, ...]

    @property
    def points(self) -> list[Point]:
        """The points of all lines."""
        return [point for line in self.lines for point in line.points]


def lines_of(snapshots: Sequence[Snapshot], *, x: str | None, color: str | None, facet: str | None) -> Lines:
    """Make lines of points.

    Args:
        snapshots: The runs to draw; they are told apart only if ``color`` is ``run``.
        x: The numeric dim; by default the only one there is.
        color: A dim, or ``run``; by default the first that tells lines apart.
        facet: A dim for panels; by default the next.

    Raises:
        InvalidValue: No or several numeric dims and no ``x``, an unknown dim, or no point that has the size.
    """
    everything = [point for snapshot in snapshots for point in snapshot.points]
    size = _size_dim(x, everything)
    rows = [
        (snapshot.label if color == RUN else "", point)
        for snapshot in snapshots
        for point in snapshot.points
        if is_numeric(point.dims.get(size))
    ]
    if not rows:
        numeric = ", ".join(_numeric_dims(everything)) or "none"
        raise UnknownName(f"x {size!r} is not a numeric dim of any benchmark", f"numeric dims here: {numeric}")
    splitting = dict.fromkeys(name for snapshot in snapshots for name in _splitting(snapshot.points, size))
    colour_dim, facet_dim = _grouping([point for _, point in rows], list(splitting), color, facet)
    telling = dict.fromkeys([*splitting, *(dim for dim in (colour_dim, facet_dim) if dim is not None)])
    return Lines(size, facet_dim, tuple(_lines(rows, size, list(telling), colour_dim)))


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
            at = (_family(point), point.dims.get(size)) if is_numeric(value) else ("", None)
            values.setdefault(at, set()).add(value)
        if any(len(different) > 1 for different in values.values()):
            names.append(name)
    return names


def _grouping(
    points: Sequence[Point], splitting: Sequence[str], color: str | None, facet: str | None
) -> tuple[str | None, str | None]:
    """The dims for colours and panels: those asked for, else those that tell lines apart."""
    free = [name for name in splitting if name not in (color, facet)]
    if color == RUN:
        color = None
    elif color is not None:
        require_dim(color, points, "color")
    elif free:
        color = free.pop(0)
    elif len({point.dims.get("node.func") for point in points}) > 1:
        color = "node.func"
    if facet is None:
        few = (name for name in free if len({point.dims.get(name) for point in points}) <= _MOST_PANELS)
        facet = next(few, None)
    return color, facet


def _lines(rows: Sequence[tuple[str, Point]], size: str, telling: Sequence[str], colour_dim: str | None) -> list[Line]:
    families = short_names(list(dict.fromkeys(_family(point) for _, point in rows)))
    groups: dict[tuple[str, str, tuple[tuple[str, Dim], ...]], list[Point]] = {}
    for run, point in rows:
        rest = tuple((name, point.dims[name]) for name in telling if name in point.dims)
        groups.setdefault((_family(point), run, rest), []).append(point)
    colours: dict[str, str] = {}
    lines = []
    for (family, run, rest), members in groups.items():
        by_size = sorted(((float(point.dims[size]), point) for point in members), key=lambda pair: pair[0])
        sizes, points = tuple(n for n, _ in by_size), tuple(point for _, point in by_size)
        key = run or (str(points[0].dims.get(colour_dim, "—")) if colour_dim is not None else "")
        colour = colours.setdefault(key, COLOURS[len(colours) % len(COLOURS)])
        named = [families[family]] if len(families) > 1 else []
        named += [escape(run)] if run else []
        named += [escape(f"{name}={value}") for name, value in rest if not name.startswith("node.")]
        lines.append(Line(", ".join(named) or families[family], colour, points, sizes, _fit(sizes, points)))
    return lines


def _family(point: Point) -> str:
    """The test without its parameters."""
    return point.id.partition("[")[0]


def _fit(sizes: Sequence[float], points: Sequence[Point]) -> Fit | None:
    try:
        return fit_complexity(sizes, [point.value for point in points])
    except InvalidValue:
        return None  # too few sizes to tell an order: the points speak for themselves
