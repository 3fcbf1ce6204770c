"""``autopsy``: what a run died in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.cli.streams import emit, remark
from pytest_memory.errors import UnreadableFile
from pytest_memory.recorder.folders import project_folders, sessions, user_cache
from pytest_memory.recorder.sessions import read_session, rebuild_log
from pytest_memory.report.autopsy import render_autopsies


def autopsy(
    journal: Annotated[
        Path | None,
        typer.Argument(help="A journal or the folder of a session. Default: the newest session of this project."),
    ] = None,
) -> None:
    """Tell what the last run died in, and which tests had raised memory before it."""
    path = _newest() if journal is None else journal
    if not path.exists():
        raise WrongUsage(f"{str(path)!r} does not exist", "name a journal, or the folder of a session")
    record = read_session(path)
    deaths = record.timeline.deaths
    if not deaths:
        raise CommandFailed(_no_death(path, alive=record.alive, ended=record.timeline.ended))
    emit(render_autopsies(record.timeline, range(len(deaths)), str(path)).strip("\n"))
    for note in record.timeline.notes:
        remark(note)
    _make_log(path)


def _newest() -> Path:
    try:
        cache = user_cache()
    except OSError:
        cache = None
    for folder in project_folders(Path.cwd(), cache):
        return sessions(folder)[0]
    raise CommandFailed(
        "no run has been recorded in this project",
        "run pytest with --memory or --memlog, or name a journal (ini key cache_dir moves them)",
    )


def _no_death(path: Path, *, alive: bool, ended: bool) -> str:
    if alive:
        return f"the run in {path} has not ended yet"
    how = "ended in an orderly way" if ended else "left no sign of a death"
    newest_first = sessions(path.parent)
    before = newest_first[newest_first.index(path) + 1 :] if path in newest_first else []
    died = next((session for session in before if _died(session)), None)
    more = f"; an earlier one died: pytest-memory autopsy {died}" if died is not None else ""
    return f"the run in {path} {how}{more}"


def _died(session: Path) -> bool:
    try:
        return bool(read_session(session).timeline.deaths)
    except (OSError, UnreadableFile):
        return False


def _make_log(path: Path) -> None:
    try:
        log = rebuild_log(read_session(path), path)
    except OSError as error:
        remark(f"the memory log cannot be written: {error}")
    else:
        if log is not None:
            remark(f"the memory log {log} was made from the journal")
