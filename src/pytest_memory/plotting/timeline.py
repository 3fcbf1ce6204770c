"""The picture of a whole session: memory as lines, tests as coloured bands, exact peaks as markers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from operator import add
from typing import TYPE_CHECKING, Any

from pytest_memory.errors import InvalidValue
from pytest_memory.model import CONTROLLER, Death, Run, Series, Span, Timeline
from pytest_memory.plotting.downsample import keep_extremes
from pytest_memory.plotting.points import require_plotly
from pytest_memory.plotting.style import COLOURS, Scale, dress, scale_for
from pytest_memory.plotting.timeline_bands import Band, add_bands, bands_of
from pytest_memory.units import KIB, format_counted, format_seconds, human_bytes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_POINTS = 12_000
_FEWEST_POINTS = 2_000
_MOST_DETAIL = 250_000
_MOST_MARKERS = 4_000
_MOST_LARGE_MARKERS = 150
_WIDEST_NAME = 100
_PANEL = 190
_SINGLE_PANEL = 640


@dataclass(frozen=True, slots=True)
class _Panel:
    series: Series
    bands: tuple[Band, ...]
    row: int
    ceiling: float  # bytes, a little above the highest that is drawn

    @property
    def name(self) -> str:
        return self.series.worker or "tests"


def plot_timeline(timeline: Timeline, run: Run | None = None) -> tuple[Figure, int]:
    """Draw a session over time.

    Every process has a panel; several also share one on top, stacked, that shows what the machine had to hold. Of very
    many samples each panel keeps those that shape its line, never losing a peak.

    Args:
        timeline: The session's samples and tests.
        run: The saved run of the same session: its exact peaks are drawn where the timeline itself has none.

    Returns:
        The figure, and the number of tests in it; ``figure.layout.meta["tests"]`` lists them for the page's search.

    Raises:
        InvalidValue: There are no samples.
        ToolUnavailable: plotly is not installed.
    """
    require_plotly()
    sampled = [series for series in timeline.series if len(series.times)]
    if not sampled:
        raise InvalidValue("there are no samples to draw", "was the session shorter than --memlog-interval?")
    from plotly.subplots import make_subplots

    together = len(sampled) > 1
    peaks = _exact_peaks(run)
    panels = []
    for row, series in enumerate(sampled, 2 if together else 1):
        bands = bands_of(_spans_of(timeline, series), series, timeline.origin, peaks)
        panels.append(_Panel(series, bands, row, _ceiling(series, bands)))
    scale = scale_for([panel.ceiling for panel in panels], "B")
    figure = make_subplots(
        rows=len(panels) + together,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.05, 0.3 / len(panels)),
        subplot_titles=["all processes together"] * together + [panel.name for panel in panels] if together else None,
    )
    if together:
        _add_together(figure, sampled, timeline.origin, scale)
    details = []
    for panel in panels:
        add_bands(figure, panel.bands, panel.row, panel.ceiling / scale.divisor)
        details.append(_add_line(figure, panel, timeline.origin, scale, len(panels)))
        _add_markers(figure, panel, scale)
    for death in timeline.deaths:
        _add_death(figure, death, panels, timeline.origin)
    count = sum(len(panel.bands) for panel in panels)
    _finish(figure, timeline, panels, scale, count)
    figure.layout.meta["details"] = [detail for detail in details if detail is not None]
    return figure, count


def _spans_of(timeline: Timeline, series: Series) -> list[Span]:
    """The tests of one process, with the one that it died in, which never reported its end."""
    ended = [span for span in timeline.spans if span.worker == series.worker]
    dying = [
        Span(death.nodeid, death.activity, death.worker, death.test_since, death.time)
        for death in timeline.deaths
        if death.worker == series.worker and death.nodeid and death.activity != "collection"
    ]
    return [*ended, *dying]


def _exact_peaks(run: Run | None) -> dict[tuple[str, str | None], list[int]]:
    """Resident peaks of each test's attempts, in the order in which they ended."""
    peaks: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for record in run.records if run is not None else ():
        exact = [
            p.resident.peak for p in record.phases.values() if p.resident is not None and p.resident.peak is not None
        ]
        if exact:
            peaks[record.nodeid, record.worker].append(max(exact))
    return peaks


def _ceiling(series: Series, bands: Sequence[Band]) -> float:
    sampled: int = max(map(add, series.resident, series.children))
    return 1.06 * max(sampled, max((band.peak or 0 for band in bands), default=0), 1)


def _add_line(figure: Figure, panel: _Panel, origin: float, scale: Scale, panels: int) -> dict[str, Any] | None:
    """Draw what the whole session needs, and give what the page draws from when one zooms in, if there is more.

    Those are whole milliseconds and KiB, each as the difference to the one before: small once compressed.
    """
    series = panel.series
    budget = max(_FEWEST_POINTS, _MOST_POINTS // panels)
    kept = keep_extremes(series.resident, budget)
    _add_samples(figure, panel, kept, [series.resident[i] for i in kept], origin, scale, "#0b3d66", "")
    if any(series.children):
        tree = list(map(add, series.resident, series.children))
        kept = keep_extremes(tree, budget)
        sizes = [tree[i] if series.children[i] else None for i in kept]  # no second line where there are no children
        _add_samples(figure, panel, kept, sizes, origin, scale, COLOURS[1], " with its children")
    if len(series.times) <= budget:
        return None
    kept = keep_extremes(series.resident, _MOST_DETAIL // panels)
    times = [round(1000 * (series.times[i] - origin)) for i in kept]
    sizes_in_kib = [series.resident[i] // KIB for i in kept]
    line = len(figure.data) - (2 if any(series.children) else 1)
    return {"line": line, "panel": panel.name, "times": _differences(times), "sizes": _differences(sizes_in_kib)}


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]


def _add_samples(
    figure: Figure,
    panel: _Panel,
    kept: Sequence[int],
    sizes: Sequence[int | None],
    origin: float,
    scale: Scale,
    colour: str,
    which: str,
) -> None:
    series = panel.series
    figure.add_scatter(
        x=[round(series.times[i] - origin, 4) for i in kept],
        y=[None if size is None else round(size / scale.divisor, 4) for size in sizes],
        mode="lines",
        line={"color": colour, "width": 1.5},
        name=f"resident memory{which}",
        legendgroup=which,
        showlegend=panel.row <= 2,
        hovertext=[
            f"<b>{human_bytes(size or 0)}</b>{which} at {series.times[i] - origin:.2f} s<br>{_running(series, i)}"
            for i, size in zip(kept, sizes, strict=True)
        ],
        hoverinfo="text",
        row=panel.row,
        col=1,
    )


def _running(series: Series, position: int) -> str:
    activity = series.activities[position]
    return (escape(series.tests[position]) or "between tests") + (f" ({activity})" if activity else "")


def _add_markers(figure: Figure, panel: _Panel, scale: Scale) -> None:
    exact = sorted((band for band in panel.bands if band.peak is not None), key=lambda band: -(band.peak or 0))
    if not exact:
        return
    drawn = exact[:_MOST_MARKERS]
    few = len(drawn) <= _MOST_LARGE_MARKERS
    figure.add_scattergl(
        x=[round(band.peak_at, 4) for band in drawn],
        y=[round((band.peak or 0) / scale.divisor, 4) for band in drawn],
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 7 if few else 4,
            "color": "#D55E00",
            "line": {"color": "white", "width": 0.5 if few else 0},
        },
        name="exact peak of a test",
        legendgroup="peak",
        showlegend=panel.row <= 2,
        hovertext=[f"<b>{human_bytes(band.peak or 0)}</b>, exact peak<br>{escape(band.nodeid)}" for band in drawn],
        hoverinfo="text",
        row=panel.row,
        col=1,
    )


def _add_together(figure: Figure, sampled: Sequence[Series], origin: float, scale: Scale) -> None:
    """Stack the processes; they are sampled in the same ticks, and one that is gone counts 0."""
    by_time: dict[float, list[int]] = {}
    for position, series in enumerate(sampled):
        for time, own, below in zip(series.times, series.resident, series.children, strict=True):
            by_time.setdefault(time, [0] * len(sampled))[position] = own + below
    times = sorted(by_time)
    kept = [times[i] for i in keep_extremes([sum(by_time[time]) for time in times], _MOST_POINTS // len(sampled))]
    for position, series in enumerate(sampled):
        name = series.worker or f"process {series.pid}"
        figure.add_scatter(
            x=[round(time - origin, 4) for time in kept],
            y=[round(by_time[time][position] / scale.divisor, 4) for time in kept],
            mode="lines",
            line={"width": 0.5, "color": COLOURS[position % len(COLOURS)]},
            stackgroup="all",
            name=escape(name),
            hovertemplate=f"{escape(name)}: %{{y:.1f}} {scale.unit} at %{{x:.2f}} s<extra></extra>",
            row=1,
            col=1,
        )


def _time_of(death: Death, panel: _Panel) -> float:
    return panel.series.times[-1] if death.time is None else death.time


def _add_death(figure: Figure, death: Death, panels: Sequence[_Panel], origin: float) -> None:
    panel = next((panel for panel in panels if panel.series.worker == death.worker), panels[0])
    when = _time_of(death, panel) - origin
    where = f" in {death.nodeid}" if death.nodeid else ""
    figure.add_vline(
        x=when,
        line={"color": "#d73027", "width": 2},
        annotation={"text": escape(f"died{where}"), "font": {"color": "#d73027"}, "xanchor": "right"},
        row=panel.row,
        col=1,
    )


def _finish(figure: Figure, timeline: Timeline, panels: Sequence[_Panel], scale: Scale, count: int) -> None:
    rows = max(panel.row for panel in panels)
    dress(
        figure,
        "Memory of the test session over time",
        _subtitle(timeline, panels, count),
        height=_SINGLE_PANEL if rows == 1 else 160 + _PANEL * rows,
        hovermode="closest",
        dragmode="zoom",
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
        meta={
            "kib": KIB / scale.divisor,
            "rows": {panel.name: panel.row for panel in panels},
            "tests": [
                [band.nodeid, round(band.start, 4), round(band.end, 4), panel.name, band.peak]
                for panel in panels
                for band in panel.bands
            ],
        },
    )
    figure.update_layout(margin={"t": 150})
    figure.update_xaxes(showgrid=False, zeroline=False, exponentformat="none", separatethousands=True)
    figure.for_each_annotation(lambda title: title.update(x=0, xanchor="left"), {"xref": "paper"})
    first = min(panel.series.times[0] for panel in panels) - timeline.origin
    last = max([p.series.times[-1] for p in panels] + [_time_of(d, panels[-1]) for d in timeline.deaths])
    last = max(1.005 * (last - timeline.origin), first + 1e-3)
    figure.update_xaxes(range=[min(0.0, first), last])
    figure.update_xaxes(title="seconds since the session began", row=rows)
    figure.update_yaxes(rangemode="tozero", zeroline=False, showgrid=False)
    figure.update_yaxes(title=scale.titled("resident memory"), row=(rows + 1) // 2)
    for panel in panels:
        figure.update_yaxes(range=[0, panel.ceiling / scale.divisor], row=panel.row)


def _subtitle(timeline: Timeline, panels: Sequence[_Panel], count: int) -> str:
    highest = max(panels, key=lambda panel: max(panel.series.resident)).series
    position = max(range(len(highest.resident)), key=highest.resident.__getitem__)
    seconds = max(panel.series.times[-1] for panel in panels) - timeline.origin
    samples = sum(len(panel.series.times) for panel in panels)
    name = highest.tests[position]
    where = (
        f"in {escape(name if len(name) <= _WIDEST_NAME else f'…{name[-_WIDEST_NAME:]}')}" if name else "between tests"
    )
    text = (
        f"{format_counted(count, 'test')} and {format_counted(samples, 'sample')} in {_duration(seconds)}. "
        f"The highest is {human_bytes(highest.resident[position])}, {where}."
    )
    more = ["Bands are tests: hover for names, drag to zoom, double-click to return."]
    if any(panel.series.worker == CONTROLLER for panel in panels):
        more.append("The controller runs no tests.")
    if not timeline.ended:
        more.insert(0, "<b>The session did not end in order.</b>")
    return "<br>".join([text, " ".join(more), *(escape(note) for note in timeline.notes[:2])])


def _duration(seconds: float) -> str:
    if seconds < 120:
        return format_seconds(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
