"""``pytest-memory compare``: runs side by side, and gates for CI."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pytest_memory.cli.columns import check_sort, check_stat, parse_columns, parse_groups, parse_where
from pytest_memory.cli.errors import WrongUsage
from pytest_memory.cli.gate import Gate
from pytest_memory.cli.output import Output
from pytest_memory.cli.pivot import pivoted
from pytest_memory.cli.runs import labelled_runs, require_two
from pytest_memory.cli.streams import remark
from pytest_memory.report.comparison import ComparisonView, comparison_rows, comparison_sheet
from pytest_memory.report.diff import diff_sheet
from pytest_memory.report.grouped import grouped_sheet
from pytest_memory.report.values import GroupedView, grouped_rows
from pytest_memory.store.benchmark_json import resolve_metric
from pytest_memory.store.lineup import LabelledRun, Selection, line_up
from pytest_memory.store.measured import Wanted


class MetricChoice(str, Enum):
    """Values of ``--metric``."""

    time = "time"
    peak = "peak"
    allocated = "allocated"
    allocations = "allocations"
    rss = "rss"
    memory = "memory"


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs, oldest to newest: files of pytest-benchmark or of --memory-report=FILE.json. "
            "LABEL=PATH names one; several of one label (LABEL='old-*.json') are pooled.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        MetricChoice | None,
        typer.Option(help="What to compare; memory is another name for peak. [default: time]", show_default=False),
    ] = None,
    stat: Annotated[
        str | None,
        typer.Option(
            help="min, max, mean, median or stddev over the passes or rounds. Default: the headline value. "
            "With --columns also a list, iqr (time), or all, which is the default there."
        ),
    ] = None,
    sort: Annotated[str, typer.Option(help="Rows by name, value (largest in the last run first) or change.")] = "name",
    csv: Annotated[Path | None, typer.Option(help="Also write the raw numbers to this file.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD:THRESHOLD",
            help="Exit with 1 if the last run is over the first: peak:10%, allocated:5MiB, allocations:100, "
            "time:1ms, or peak:10%+64KiB, which only growth over both breaks. May be repeated.",
        ),
    ] = None,
    significant: Annotated[
        bool,
        typer.Option(
            "--significant", help="--fail-on counts only differences that are real; every one of heap numbers is."
        ),
    ] = False,
    alpha: Annotated[float, typer.Option(help="A difference is real if p is below this.")] = 0.05,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Also show intervals of the medians, p, and the test made.")
    ] = False,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Label per run, in order; equal ones are pooled.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only benchmarks with this dim. May be repeated.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, md or json.")] = "table",
    columns: Annotated[
        str | None,
        typer.Option(
            help="Wide table, one row per benchmark and run: a list of metrics and extra:NAME. "
            "[default there: time,peak]",
            show_default=False,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Wide table: groups by fullname, name, func, group, module, class, param:NAME, or a list of them. "
            "[default there: fullname]",
            show_default=False,
        ),
    ] = None,
    pivot: Annotated[
        str | None, typer.Option(metavar="DIM", help="Wide table: compare the values of a parameter in one run.")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Wide table: the first run's values, then the changes of later ones.")
    ] = False,
) -> None:
    """Show runs side by side, say which differences are real, and fail CI on regressions.

    \b
    Benchmarks:
      compare before.json after.json --metric peak --fail-on peak:5%
      compare before.json after.json --fail-on time:20%+10us --significant
    Ordinary tests (--memory-report), whose small peaks vary by some KiB:
      compare before.json after.json --metric peak --fail-on peak:10%+64KiB
    """  # noqa: D301 (the backslash keeps the lines below it apart)
    gate = Gate(fail_on or (), alpha=alpha, significant=significant)
    output = Output(format, csv)
    check_sort(sort)
    later = columns is not None or group_by is not None or pivot is not None or diff
    if not later and len(runs) < 2 and "=" not in runs[0]:
        raise WrongUsage("compare needs at least two runs", "give the older one first")
    request = _Request(labelled_runs(runs, label or ()), parse_where(where or ()), gate, output)
    if later:
        if metric is not None and columns is not None:
            raise WrongUsage("--metric and --columns are two ways to say the same", "give one of them")
        fields = parse_columns(
            columns or (metric.value if metric is not None else "time,peak"), stat or ("min" if diff else "all")
        )
        _wide(request, GroupedView(fields, parse_groups(group_by), sort, alpha), pivot, diff)
    else:
        require_two(request.runs)
        resolved = resolve_metric(metric.value if metric is not None else "time")
        check_stat(resolved, stat)
        _side_by_side(request, ComparisonView(resolved, stat, sort, alpha, statistics))


@dataclass(frozen=True, slots=True)
class _Request:
    """What both layouts share."""

    runs: list[LabelledRun]
    where: tuple[tuple[str, str], ...]
    gate: Gate
    output: Output


def _side_by_side(request: _Request, view: ComparisonView) -> None:
    evidence = request.gate.significant or len({run.label for run in request.runs}) == 2
    wanted = Wanted.of([view.stat] if view.stat is not None else [], evidence=evidence)
    lineup = line_up(request.runs, Selection(request.gate.metrics(view.metric), where=request.where, wanted=wanted))
    request.output.refuse_without(lineup, view.metric, request.where)
    request.output.save_csv(lambda: comparison_rows(lineup, view))
    request.output.show(comparison_sheet(lineup, view))
    request.gate.judge(lineup)


def _wide(request: _Request, view: GroupedView, pivot: str | None, diff: bool) -> None:
    metrics = [field.metric for field in view.fields if field.metric is not None]
    extras = tuple(field.extra for field in view.fields if field.metric is None)
    stats = [field.stat for field in view.fields if field.metric == "time" and field.stat is not None]
    selection = Selection(
        request.gate.metrics(*metrics),
        extras=extras,
        where=request.where,
        dims=view.needs_dims,
        wanted=Wanted.of(stats, evidence=diff or request.gate.significant),
    )
    lineup = line_up(request.runs, selection) if pivot is None else pivoted(request.runs, selection, pivot)
    request.gate.refuse_single(lineup, pivot)
    if diff and len(lineup.labels) < 2:
        raise WrongUsage("--diff needs at least two series", "give two runs, or --pivot")
    if "rss" in metrics and not any(lineup.metrics["rss"]):
        remark("rss not recorded in these runs: benchmarks need isolate=True, tests --memory-resident=exact")
    request.output.save_csv(lambda: grouped_rows(lineup, view))
    request.output.show(diff_sheet(lineup, view) if diff else grouped_sheet(lineup, view))
    request.gate.judge(lineup)
