"""``plot``: an interactive figure of one or several runs."""

from __future__ import annotations

import math
import webbrowser
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.cli.streams import complain, emit, remark
from pytest_memory.errors import InvalidValue, UnknownName
from pytest_memory.store.benchmark_json import Metric, check_stat, discover_runs, resolve_metric

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

VIEWS = ("compare", "scatter", "sweep", "scaling")
SORTS = ("absolute", "relative")
_FOLDER = Path(".benchmarks/plots")
_SHOWN_RUNS = 20


class MetricName(str, Enum):
    """What ``--metric`` takes."""

    time = "time"
    peak = "peak"
    allocated = "allocated"
    allocations = "allocations"
    memory = "memory"
    rss = "rss"


class FreeAxes(str, Enum):
    """What ``--free-axes`` takes."""

    x = "x"
    y = "y"
    both = "both"


class Band(str, Enum):
    """What ``--band`` takes."""

    auto = "auto"
    minmax = "minmax"
    none = "none"


@dataclass(frozen=True, slots=True)
class _Choices:
    """Everything the views choose from."""

    metric: str
    stat: str | None
    labels: list[str] | None
    where: list[tuple[str, str]]
    x: str | None
    color: str | None
    facet: str | None
    clip: float | None
    sort: str
    free_axes: str
    pivot: str | None
    band: str
    log_x: bool | None
    log_y: bool | None
    y_zero: bool


def plot(
    runs: Annotated[
        list[Path], typer.Argument(help="JSON runs, oldest first: of pytest-benchmark or --memory-report.")
    ],
    metric: Annotated[MetricName | None, typer.Option(help="What is plotted.  [default: time]")] = None,
    columns: Annotated[MetricName | None, typer.Option(help="The same as --metric.")] = None,
    stat: Annotated[str | None, typer.Option(help="min, max, mean, median or stddev instead of the headline.")] = None,
    view: Annotated[
        str | None,
        typer.Option(help="compare, scatter, sweep or scaling. Default: scaling for 1 run, scatter for 2, sweep."),
    ] = None,
    facet: Annotated[str | None, typer.Option(help="Dim with a panel per value.")] = None,
    x: Annotated[str | None, typer.Option(help="scaling: dim of the x axis.")] = None,
    color: Annotated[str | None, typer.Option(help="scaling: dim of the colours; 'run' draws every run.")] = None,
    sort: Annotated[str, typer.Option(help="compare: absolute or relative (percent).")] = "absolute",
    clip: Annotated[float | None, typer.Option(help="Where the colours end.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="KEY=VALUE: only benchmarks with this dim (repeat).")] = None,
    pivot: Annotated[
        str | None, typer.Option(help="compare, scatter: dim of a single run whose values are compared.")
    ] = None,
    free_axes: Annotated[FreeAxes | None, typer.Option(help="Axes that each panel has for itself.")] = None,
    band: Annotated[
        Band, typer.Option(help="scaling: whiskers from the smallest to the largest round or pass.")
    ] = Band.none,
    log_log: Annotated[bool | None, typer.Option("--log-log/--linear", help="scaling: both axes.")] = None,
    log_x: Annotated[bool | None, typer.Option("--log-x/--linear-x", help="scaling: the size axis.")] = None,
    log_y: Annotated[bool | None, typer.Option("--log-y/--linear-y", help="scaling: the cost axis.")] = None,
    y_zero: Annotated[
        bool, typer.Option("--y-zero/--no-y-zero", help="scaling: begin a linear cost axis at 0.")
    ] = False,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Name of each run, in order (repeat).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML, or a picture: .png .svg .pdf .jpg .webp (kaleido).")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the result in a browser.")] = False,
) -> None:
    """Render an interactive figure of one or more runs."""
    _require_files(runs)
    name = (metric or columns or MetricName.time).value
    _require_known(resolve_metric(name), stat, sort, clip)
    chosen = view or ("compare" if pivot is not None else None) or {1: "scaling", 2: "scatter"}.get(len(runs), "sweep")
    if chosen not in VIEWS:
        raise WrongUsage(f"unknown view {chosen!r}", f"choose from {', '.join(VIEWS)}")
    if pivot is not None and chosen in ("scaling", "sweep"):
        raise WrongUsage(f"--pivot does not go with --view {chosen}", "choose compare or scatter")
    if pivot is not None and len(runs) != 1:
        raise WrongUsage(f"--pivot folds a single run, and {len(runs)} were given", "give one")
    if metric is not None and columns is not None and metric != columns:
        raise WrongUsage(f"--metric {metric.value} and --columns {columns.value} contradict each other", "give one")
    choices = _Choices(
        metric=name,
        stat=stat,
        labels=label,
        where=[_condition(text) for text in where or ()],
        x=x,
        color=color,
        facet=facet,
        clip=clip,
        sort=sort,
        pivot=pivot,
        free_axes=free_axes.value if free_axes is not None else "",
        band=band.value,
        log_x=log_x if log_x is not None else log_log,
        log_y=log_y if log_y is not None else log_log,
        y_zero=y_zero,
    )
    target = output or _FOLDER / f"{chosen}-{resolve_metric(name)}.html"
    _require_suffix(target)
    try:
        figure, count = _draw(chosen, runs, choices)
    except UnknownName as error:
        raise WrongUsage(error.problem, error.advice) from error
    except InvalidValue as error:  # a run that cannot give what was asked for; the options themselves are checked above
        raise CommandFailed(error.problem, error.advice) from error
    for note in (figure.layout.meta or {}).get("notes", ()):
        remark(note)
    _write(figure, target)
    emit(f"{chosen} ({resolve_metric(name)}): {count} ids → {target}")
    if open_page:
        webbrowser.open(target.resolve().as_uri())


def _draw(view: str, runs: list[Path], choices: _Choices) -> tuple[Figure, int]:
    from pytest_memory import plotting

    data = {"metric": choices.metric, "stat": choices.stat, "labels": choices.labels, "where": choices.where}
    if view == "scaling":
        band = cast("Literal['auto', 'minmax', 'none']", choices.band)
        axes = plotting.Axes(choices.log_x, choices.log_y, choices.y_zero, choices.free_axes, band)
        dims = {"x": choices.x, "color": choices.color, "facet": choices.facet}
        if len(runs) > 1 and choices.color is None:
            remark("only the first run is drawn; --color run draws all of them")
        return plotting.plot_scaling(runs, axes=axes, **dims, **data)  # type: ignore[arg-type]
    if view == "sweep":
        return plotting.plot_sweep(runs, clip=choices.clip, **data)  # type: ignore[arg-type]
    panels = {"facet": choices.facet, "clip": choices.clip, "free_axes": choices.free_axes, "pivot": choices.pivot}
    if view == "scatter":
        return plotting.plot_scatter(runs, **panels, **data)  # type: ignore[arg-type]
    return plotting.plot_compare(runs, sort=choices.sort, **panels, **data)  # type: ignore[arg-type]


def _write(figure: Figure, target: Path) -> None:
    from pytest_memory.plotting.page import PAGE_SUFFIXES, write_image, write_page

    if target.suffix.lower() in PAGE_SUFFIXES:
        write_page(figure, target, title=str(figure.layout.title.text))
    else:
        write_image(figure, target, scale=2)


def _require_known(metric: Metric, stat: str | None, sort: str, clip: float | None) -> None:
    check_stat(metric, stat)
    if sort not in SORTS:
        raise WrongUsage(f"unknown --sort {sort!r}", f"choose from {', '.join(SORTS)}")
    if clip is not None and not 0 < clip < math.inf:
        raise WrongUsage(f"--clip {clip!r} is not a positive number", "write for example --clip 2")


def _require_suffix(target: Path) -> None:
    from pytest_memory.plotting.page import IMAGE_SUFFIXES, PAGE_SUFFIXES

    if target.suffix.lower() not in (*IMAGE_SUFFIXES, *PAGE_SUFFIXES):
        raise WrongUsage(
            f"unsupported output suffix {target.suffix!r} of {str(target)!r}",
            f"write .html, or a picture: {' '.join(IMAGE_SUFFIXES)}",
        )


def _require_files(runs: list[Path]) -> None:
    missing = [str(path) for path in runs if not path.exists()]
    if not missing:
        return
    available = [str(path) for path in discover_runs()]
    complain(f"missing: {missing}")
    more = " …" if len(available) > _SHOWN_RUNS else "" if available else " (nothing is saved under .benchmarks here)"
    complain(f"available: {available[:_SHOWN_RUNS]}{more}")
    raise typer.Exit(2)


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise WrongUsage(f"--where {text!r} is not KEY=VALUE", "write for example --where n=1000")
    return name.strip(), value.strip()
