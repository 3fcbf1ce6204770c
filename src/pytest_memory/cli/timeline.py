"""``timeline``: the picture of a recorded session."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.cli.streams import emit, remark
from pytest_memory.errors import InvalidValue
from pytest_memory.store.documents import write_text
from pytest_memory.store.runs import read_run
from pytest_memory.store.timeline import read_timeline
from pytest_memory.units import format_counted


def timeline(
    recording: Annotated[
        Path, typer.Argument(help="A memlog.json, a journal, or the folder of a recorded session.")
    ] = Path("memlog.json"),
    run: Annotated[
        Path | None, typer.Option(help="The session's --memory-report=RUN.json: adds each test's exact peak.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HTML, or a picture: .png .svg .pdf .jpg .webp (kaleido).")
    ] = Path("timeline.html"),
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the result in a browser.")] = False,
) -> None:
    """Draw the memory of a whole test session over time."""
    from pytest_memory.plotting import plot_timeline, timeline_html, write_image
    from pytest_memory.plotting.page import IMAGE_SUFFIXES, PAGE_SUFFIXES

    if output.suffix.lower() not in (*IMAGE_SUFFIXES, *PAGE_SUFFIXES):
        raise WrongUsage(
            f"unsupported output suffix {output.suffix!r} of {str(output)!r}",
            f"write .html, or a picture: {' '.join(IMAGE_SUFFIXES)}",
        )
    for path in (recording, run):
        if path is not None and not path.exists():
            raise WrongUsage(f"missing: {str(path)!r}", "record a session with: pytest --memlog")
    recorded = read_timeline(recording)
    saved = read_run(run) if run is not None else None
    try:
        figure, count = plot_timeline(recorded, saved)
    except InvalidValue as error:
        raise CommandFailed(f"{str(recording)!r}: {error.problem}", error.advice) from error
    for note in recorded.notes:
        remark(note)
    if output.suffix.lower() in PAGE_SUFFIXES:
        write_text(output, timeline_html(figure))
    else:
        write_image(figure, output, scale=2)
    emit(f"timeline: {format_counted(count, 'test')} → {output}")
    if open_page:
        webbrowser.open(output.resolve().as_uri())
