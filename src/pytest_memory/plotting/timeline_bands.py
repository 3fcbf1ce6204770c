"""Tests as coloured bands behind a line: one heat map per panel, because twenty thousand shapes would crawl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pytest_memory.model import Series, Span
from pytest_memory.units import format_seconds, human_bytes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from pytest_memory.model import ResidentUsage

_MOST_PHASES = 6_000
_TINTS = ("#cfe3f3", "#fbdcc8", "#c9ead9", "#f2dbe8", "#fbecc3", "#dcd9f2")
_PALE = ("#e8f2fa", "#fdefe5", "#e6f5ee", "#f9eef4", "#fdf6e2", "#eeedf9")


@dataclass(frozen=True, slots=True)
class Band:
    """One attempt at one test in one process; times in seconds since the session began.

    Attributes:
        nodeid: The test.
        start: When its first phase began.
        end: When its last ended.
        phases: Its phases with their beginnings and ends; one without a name where only the test is known.
        peak: Exact resident peak in bytes, or ``None``.
        peak_at: Where to draw it: at the highest sample of the test, as the kernel does not say when it was.
        told: What is known of it, as lines of HTML.
    """

    nodeid: str
    start: float
    end: float
    phases: tuple[tuple[str, float, float], ...]
    peak: int | None
    peak_at: float
    told: str


def bands_of(
    spans: Sequence[Span], series: Series, origin: float, peaks: Mapping[tuple[str, str | None], list[int]]
) -> tuple[Band, ...]:
    """Gather the phases of each attempt at a test.

    Args:
        spans: Those of one process.
        series: Its samples.
        origin: The session's start.
        peaks: Exact peaks of each test's attempts from a saved run, for spans that have none.
    """
    last = series.times[-1]
    taken: dict[str, int] = {}
    bands = []
    cursor = 0
    attempts = list(_attempts(sorted(spans, key=lambda span: span.start)))
    for number, phases in enumerate(attempts):
        nodeid = phases[0].nodeid
        attempt = taken[nodeid] = taken.get(nodeid, -1) + 1
        start, end = phases[0].start, max(last if span.end is None else span.end for span in phases)
        cursor, highest = _highest_sample(series, cursor, start, end)
        saved = peaks.get((nodeid, series.worker), ())
        exact = [span.resident.peak for span in phases if span.resident is not None and span.resident.peak is not None]
        peak = max(exact) if exact else (saved[attempt] if attempt < len(saved) else None)
        bands.append(
            Band(
                nodeid=nodeid,
                start=start - origin,
                end=end - origin,
                phases=tuple(
                    (s.activity, s.start - origin, (last if s.end is None else s.end) - origin) for s in phases
                ),
                peak=peak,
                peak_at=(series.times[highest] if highest is not None else (start + end) / 2) - origin,
                told=_told(
                    nodeid,
                    phases,
                    end - start,
                    peak,
                    series.resident[highest] if highest is not None else None,
                    attempts[number + 1][0].resident if number + 1 < len(attempts) else None,
                ),
            )
        )
    return tuple(bands)


def add_bands(figure: Figure, bands: Sequence[Band], row: int, ceiling: float) -> None:
    """Draw the bands of one panel from 0 to ``ceiling`` (in the unit of its axis)."""
    if not bands:
        return
    whole = sum(len(band.phases) for band in bands) > _MOST_PHASES
    edges: list[float] = [bands[0].start]
    colours: list[int | None] = []
    texts: list[str] = []

    def brick(end: float, colour: int | None, text: str) -> None:
        if end > edges[-1]:
            edges.append(round(end, 4))
            colours.append(colour)
            texts.append(text)

    for number, band in enumerate(bands):
        tint = number % len(_TINTS)
        for phase, start, end in (("", band.start, band.end),) if whole else band.phases:
            brick(start, None, "")
            pale = phase in ("setup", "teardown")
            brick(end, tint + (len(_TINTS) if pale else 0), f"{band.told}{f'<br>in its {phase}' if phase else ''}")
    figure.add_heatmap(
        x=edges,
        y=[0, ceiling],
        z=[colours],
        colorscale=_steps(),
        zmin=-0.5,
        zmax=2 * len(_TINTS) - 0.5,
        showscale=False,
        hovertext=[texts],
        hoverinfo="text",
        hoverongaps=False,
        row=row,
        col=1,
    )


def _attempts(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Runs of phases of one test; a rerun begins with another setup."""
    attempt: list[Span] = []
    for span in spans:
        again = attempt and (span.nodeid != attempt[-1].nodeid or span.activity in ("", "setup"))
        if again:
            yield attempt
            attempt = []
        attempt.append(span)
    if attempt:
        yield attempt


def _steps() -> list[tuple[float, str]]:
    """A colour scale of flat steps."""
    colours = (*_TINTS, *_PALE)
    return [(n / len(colours), c) for i, c in enumerate(colours) for n in (i, i + 1)]


def _highest_sample(series: Series, cursor: int, start: float, end: float) -> tuple[int, int | None]:
    """Where the search for the next test goes on, and the position of the highest sample within this one."""
    times = series.times
    while cursor < len(times) and times[cursor] < start:
        cursor += 1
    highest = None
    position = cursor
    while position < len(times) and times[position] < end:
        if highest is None or series.resident[position] > series.resident[highest]:
            highest = position
        position += 1
    return cursor, highest


def _told(
    nodeid: str,
    phases: Sequence[Span],
    seconds: float,
    peak: int | None,
    sample: int | None,
    following: ResidentUsage | None,
) -> str:
    lines = [f"<b>{escape(nodeid)}</b>", f"took {format_seconds(seconds)}"]
    named = [f"{s.activity} {format_seconds(s.end - s.start)}" for s in phases if s.activity and s.end is not None]
    if named:
        lines[1] += f" ({', '.join(named)})"
    if peak is not None:
        lines.append(f"exact peak of resident memory: {human_bytes(peak)}")
    if sample is not None:
        lines.append(f"highest sample: {human_bytes(sample)}")
    resident = [span.resident for span in phases if span.resident is not None]
    if resident:
        end = resident[-1].end
        if following is not None:  # pytest has let go of the fixtures' values by then
            end = min(end, following.start)
        growth = end - resident[0].start
        lines.append(f"grew by {human_bytes(growth)}" if growth >= 0 else f"shrank by {human_bytes(-growth)}")
    heap = [span.heap_peak for span in phases if span.heap_peak is not None]
    if heap:
        lines.append(f"heap peak: {human_bytes(max(heap))}")
    return "<br>".join(lines)
