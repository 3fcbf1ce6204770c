"""``pytest-memory flamegraph``: kept captures of memray as pages, and the stacks of a saved run for other viewers."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pytest_memory import __version__
from pytest_memory.cli.captures import (
    PAGE_REPORTS,
    TEXT_REPORTS,
    WORST,
    choose_capture,
    read_stats,
    render_capture,
    require_memray,
)
from pytest_memory.cli.choice import pick
from pytest_memory.cli.errors import WrongUsage
from pytest_memory.cli.streams import emit
from pytest_memory.model import TestRecord
from pytest_memory.report.stacks import StackProfile, render_collapsed, render_speedscope
from pytest_memory.store.documents import write_text
from pytest_memory.store.runs import read_run

_STACK_ENDINGS = {"speedscope": ".speedscope.json", "collapsed": ".collapsed.txt"}


def flamegraph(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|RUN",
            help="A folder of --benchmark-memory-profile, or a run of --memory-report=RUN.json with call stacks.",
            show_default=False,
        ),
    ],
    test_id: Annotated[
        str | None, typer.Argument(help="A test's id, or a part that only one has.", show_default=False)
    ] = None,
    worst: Annotated[
        str | None, typer.Option(metavar="|".join(WORST), help="Take the test with the largest total instead.")
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            help="Of a folder: flamegraph, table (pages), tree, summary or stats (text). "
            "Of a run: speedscope or collapsed. [default: flamegraph, speedscope]",
            show_default=False,
        ),
    ] = None,
    native: Annotated[bool, typer.Option("--native", help="Insist on native frames in the capture.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite a file that exists.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> int:
    """Turn kept captures and call stacks into flame graphs."""
    if worst is not None and test_id is not None:
        raise WrongUsage("a test and --worst say two different things", "give one of them, not both")
    if worst is not None and worst not in WORST:
        raise WrongUsage(f"unknown --worst {worst!r}", f"choose from {', '.join(WORST)}")
    if not source.exists():
        raise WrongUsage(f"missing: {str(source)!r}", "name a folder of captures, or a saved run")
    target = _Target(output, force, open_page)
    if source.is_dir():
        reporter = _known(report or "flamegraph", *PAGE_REPORTS, *TEXT_REPORTS)
        return _render(choose_capture(source, test_id, worst), reporter, native, target)
    if native:
        raise WrongUsage("a saved run has no native traces", "keep captures with --benchmark-memory-profile-native")
    format = _known(report or "speedscope", *_STACK_ENDINGS)
    return _export(source, _profiles(source, test_id, worst), format, target)


@dataclass(frozen=True, slots=True)
class _Target:
    output: Path | None
    force: bool
    open_page: bool


def _render(capture: Path, reporter: str, native: bool, target: _Target) -> int:
    require_memray()
    if native and not read_stats(capture).native:
        raise WrongUsage(f"no native traces in {capture}", "keep captures with --benchmark-memory-profile-native")
    status, page = render_capture(capture, reporter, target.output, target.force)
    if not status and page is not None and target.open_page:
        webbrowser.open(page.resolve().as_uri())
    return status


def _export(source: Path, profiles: list[StackProfile], format: str, target: _Target) -> int:
    path = target.output or source.with_name(f"{source.stem}{_STACK_ENDINGS[format]}")
    if path.exists() and not target.force:
        raise WrongUsage(f"{str(path)!r} exists", "add -f to overwrite it")
    speedscope = format == "speedscope"
    write_text(path, render_speedscope(profiles, version=__version__) if speedscope else render_collapsed(profiles))
    where = "open it with https://www.speedscope.app" if speedscope else "open it with flamegraph.pl or inferno"
    emit(f"{len(profiles)} test(s) → {path} ({where})")
    return 0


def _profiles(source: Path, test_id: str | None, worst: str | None) -> list[StackProfile]:
    """The tests of a run that have call stacks, from the last attempt at each; the largest first."""
    records = {record.nodeid: record for record in read_run(source).records if record.sites}
    if not records:
        raise WrongUsage(f"no call stacks in {source}", "measure with --memory-detail=stacks --memory-report=RUN.json")
    if test_id is not None:
        chosen = [records[pick(test_id, list(records), "profile")]]
    elif worst is not None:
        chosen = [max(records.values(), key=lambda record: _total(record, worst))]
    else:
        chosen = list(records.values())
    profiles = [StackProfile(record.nodeid, record.sites) for record in chosen]
    return sorted(profiles, key=lambda profile: -profile.total)


def _total(record: TestRecord, metric: str) -> int:
    call = record.phases.get("call")
    value = getattr(call.heap, metric) if call is not None and call.heap is not None else None
    return value if isinstance(value, int) else -1


def _known(report: str, *reports: str) -> str:
    if report not in reports:
        raise WrongUsage(f"unknown reporter {report!r}", f"choose from {', '.join(reports)}")
    return report
