"""How all figures look and speak: numbers with units, names short enough to read, colours, axes, facets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting.points import Point, require_dim
from pytest_memory.units import format_count, format_seconds, human_bytes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe and Ito's palette, which people with any colour vision tell apart; without its yellow, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
GREEN_TO_RED = ((0.0, "#1a9850"), (0.25, "#a6d96a"), (0.5, "#f7f7f7"), (0.75, "#fc8d59"), (1.0, "#d73027"))

FACET_COLUMNS = 3
_MOST_FACETS = 36
_WIDEST_NAME = 64
_SHORTEST = 420
_TALLEST = 2600
_SCALES: Mapping[str, tuple[tuple[float, str], ...]] = {
    "B": tuple((1024.0**power, unit) for power, unit in reversed(list(enumerate(("B", "KiB", "MiB", "GiB", "TiB"))))),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "": ((1.0, ""),),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit for one axis: values are divided by ``divisor`` and called ``unit``."""

    divisor: float
    unit: str

    def of(self, values: Iterable[float]) -> list[float]:
        """The values in this unit."""
        return [value / self.divisor for value in values]

    def titled(self, name: str) -> str:
        """An axis title."""
        return f"{name} ({self.unit})" if self.unit else name


def scale_for(values: Iterable[float], unit: str) -> Scale:
    """The largest unit in which the largest magnitude is at least 1."""
    largest = max((abs(value) for value in values), default=0.0)
    for divisor, name in _SCALES[unit]:
        if largest >= divisor:
            return Scale(divisor, name)
    return Scale(*_SCALES[unit][-1])


def shown(value: float, unit: str) -> str:
    """A value for people: ``4.1 MiB``, ``3.4 ms``, ``33,929``."""
    if unit == "B":
        return human_bytes(value)
    if unit == "s":
        return f"-{format_seconds(-value)}" if value < 0 else format_seconds(value)
    return format_count(value)


def shown_change(old: float, new: float, unit: str) -> str:
    """A difference with its percentage: ``+2 MiB (+20.0%)``."""
    difference = new - old
    sign = "+" if difference >= 0 else ""
    percent = f"{100 * difference / old:+.1f}%" if old > 0 else "—"
    return f"{sign}{shown(difference, unit)} ({percent})"


def short_names(ids: Sequence[str]) -> dict[str, str]:
    """Names for axes: what follows the last ``::`` where that tells the ids apart, else without their common folder."""
    tails = [_tail(name) for name in ids]
    if len(set(tails)) == len(set(ids)):
        chosen = tails
    else:
        common = _common_folder(ids)
        chosen = [name[common:] for name in ids]
    shortened = [_clipped(name) for name in chosen]
    if len(set(shortened)) != len(set(ids)):
        shortened = chosen
    return dict(zip(ids, (escape(name) for name in shortened), strict=True))


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile of magnitudes; 1.0 if all are 0, so that it can bound a colour scale."""
    magnitudes = sorted(abs(value) for value in values if math.isfinite(value))
    if not magnitudes or magnitudes[-1] == 0:
        return 1.0
    return magnitudes[max(0, math.ceil(share * len(magnitudes)) - 1)] or magnitudes[-1]


def colour_bound(clip: float | None, magnitudes: Iterable[float]) -> float:
    """Where the colour scale ends: the clip, or the 95th percentile so that one outlier does not bleach the rest.

    Raises:
        InvalidValue: A clip that is not a positive number.
    """
    if clip is None:
        return percentile(magnitudes, 0.95)
    if not math.isfinite(clip) or clip <= 0:
        raise InvalidValue(f"clip {clip!r} is not a positive number")
    return clip


def height_for(rows: int, *, each: int = 24) -> int:
    """Pixels for a figure with one line per id; above some hundred ids they share a bounded height, and one zooms."""
    return max(_SHORTEST, min(_TALLEST, 200 + each * rows))


def dress(figure: Figure, title: str, subtitle: str, **layout: Any) -> None:
    """Give a figure its title, fonts and margins."""
    figure.update_layout(
        template="plotly_white",
        title={
            "text": escape(title),
            "subtitle": {"text": subtitle, "font": {"color": "#555", "size": 13}},
            "x": 0.02,
            "xanchor": "left",
        },
        font={
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
            "size": 13,
        },
        hoverlabel={"align": "left", "bgcolor": "white", "font": {"size": 13}},
        margin={"l": 70, "r": 40, "t": 120, "b": 60},
        **layout,
    )


def log_axis(values: Sequence[float], unit: str, *, ticks: int = 9) -> dict[str, Any]:
    """A logarithmic axis for values in seconds, bytes or calls, with ticks that people read: powers of 2 for bytes."""
    positive = [value for value in values if value > 0]
    if not unit or not positive:
        return {"type": "log", "exponentformat": "SI"}
    base = 2.0 if unit == "B" else 10.0
    low, high = math.floor(math.log(min(positive), base)), math.ceil(math.log(max(positive), base))
    step = max(1, math.ceil((high - low) / ticks))
    places = [base**power for power in range(low, high + step, step)]
    texts = [human_bytes(place) if unit == "B" else _round_time(place) for place in places]
    return {"type": "log", "tickvals": places, "ticktext": texts}


def _round_time(seconds: float) -> str:
    divisor, unit = next((d, u) for d, u in (*_SCALES["s"], (0.0, "ns")) if seconds >= d * (1 - 1e-9))
    return f"{seconds / (divisor or 1e-9):g} {unit}"


@dataclass(frozen=True, slots=True)
class Facets:
    """A grid of panels, one per value of a dim, at most three side by side.

    Attributes:
        dim: The dim, or ``None`` for a single panel.
        values: One per panel, as text.
    """

    dim: str | None
    values: tuple[str, ...]

    @classmethod
    def of(cls, dim: str | None, points: Sequence[Point]) -> Facets:
        """The panels that these points need.

        Raises:
            InvalidValue: No point has the dim, or it has too many values.
        """
        if dim is None:
            return cls(None, ("",))
        require_dim(dim, points, "facet")
        found = sorted(
            {point.dims.get(dim, "—") for point in points}, key=lambda value: (isinstance(value, str), value)
        )
        values = tuple(dict.fromkeys(str(value) for value in found))
        if len(values) > _MOST_FACETS:
            raise InvalidValue(
                f"facet {dim!r} has {len(values)} values, and {_MOST_FACETS} panels are the most",
                "select some of them first, or facet by another dim",
            )
        return cls(dim, values)

    @property
    def columns(self) -> int:
        """Panels side by side."""
        return min(FACET_COLUMNS, len(self.values))

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return math.ceil(len(self.values) / FACET_COLUMNS)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Row and column of every panel, from 1."""
        return [(number // FACET_COLUMNS + 1, number % FACET_COLUMNS + 1) for number in range(len(self.values))]

    def title_x(self, figure: Figure, title: str) -> None:
        """Name the x axis, with its ticks, below the lowest panel of each column."""
        for row, column in self.places[-self.columns :]:
            figure.update_xaxes(title=title, showticklabels=True, row=row, col=column)

    def place(self, point: Point) -> tuple[int, int]:
        """Row and column of a point's panel, from 1."""
        number = self.values.index(str(point.dims.get(self.dim, "—"))) if self.dim is not None else 0
        return self.places[number]

    def figure(self, *, free_axes: str = "", spacing: float = 0.05) -> Figure:
        """An empty figure with these panels.

        Args:
            free_axes: ``x``, ``y`` or ``both``: which axes each panel has for itself.
            spacing: Between panels side by side, as a share of the width.
        """
        from plotly.subplots import make_subplots

        titles = [f"{escape(self.dim)} = {escape(value)}" for value in self.values] if self.dim is not None else None
        return make_subplots(
            rows=self.rows,
            cols=self.columns,
            subplot_titles=titles,
            shared_xaxes=False if free_axes in ("x", "both") else "all",
            shared_yaxes=False if free_axes in ("y", "both") else "all",
            horizontal_spacing=spacing,
            vertical_spacing=min(0.12, 0.4 / self.rows),
        )


def _tail(name: str) -> str:
    """The test's own name; a parameter may contain ``::`` itself."""
    head, bracket, parameters = name.partition("[")
    return head.rpartition("::")[2] + bracket + parameters


def _common_folder(names: Sequence[str]) -> int:
    first, last = min(names), max(names)
    shared = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:shared].rfind("/") + 1


def _clipped(name: str) -> str:
    return name if len(name) <= _WIDEST_NAME else f"{name[: _WIDEST_NAME - 1]}…"
