"""What is on disk about one session: its journal, completed from its breadcrumbs where nobody wrote its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UnreadableFile
from ..model import CONTROLLER, Death, Timeline
from .channel import JOURNAL_NAME
from .crumbs import CrumbReader
from .folders import process_lives, read_crumbs
from .memlog import write_memlog
from .reader import read_journal


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What is on disk about one session.

    Attributes:
        path: Its folder, or the journal if that was named.
        timeline: Its journal, completed from its breadcrumbs; without samples if there was no recorder.
        alive: One of its processes still runs.
        told: All of its deaths have been told to somebody.
    """

    path: Path
    timeline: Timeline
    alive: bool
    told: bool


def read_session(path: Path) -> SessionRecord:
    """Read a session.

    Args:
        path: Its folder, or its journal, which may also lie alone.

    Raises:
        OSError: Nothing is there, or it may not be read.
        UnreadableFile: It is not ours, or of a newer version.
    """
    journal = path / JOURNAL_NAME if path.is_dir() else path
    crumbs = list(read_crumbs(journal.parent)) if path.is_dir() or path.name == JOURNAL_NAME else []
    if not crumbs and not journal.exists():
        raise UnreadableFile(f"{str(path)!r} is no session of pytest-memory", "name its folder or its journal")
    timeline = read_journal(journal) if journal.exists() else _bare_timeline(crumbs)
    alive = [crumb for crumb in crumbs if process_lives(crumb.path, crumb.header)]
    known = {death.pid for death in timeline.deaths}
    left = [crumb for crumb in crumbs if not crumb.ended and crumb not in alive and crumb.header.pid not in known]
    controller_ended = any(crumb.ended for crumb in crumbs if crumb.header.worker in (None, CONTROLLER))
    told = all(crumb.told for crumb in crumbs if not crumb.ended)
    found = [] if timeline.ended or controller_ended else [_death(crumb) for crumb in left]
    return SessionRecord(
        path=path,
        timeline=replace(timeline, deaths=(*timeline.deaths, *_culprits(found))),
        alive=bool(alive),
        told=told,
    )


def rebuild_log(record: SessionRecord, session: Path) -> Path | None:
    """Make the log in pytest-memlog's format of a session that did not live to make it.

    Returns:
        The log, or ``None`` if none was asked for, or it was made by somebody else.

    Raises:
        OSError: It cannot be written.
    """
    journal = session / JOURNAL_NAME if session.is_dir() else session
    wanted = record.timeline.metadata.get("memlog")
    if not isinstance(wanted, str) or record.timeline.ended or record.alive or not journal.exists():
        return None
    log = Path(wanted)
    if log.exists() and log.stat().st_mtime >= journal.stat().st_mtime:
        return None
    write_memlog(journal, log)
    return log


def _bare_timeline(crumbs: list[CrumbReader]) -> Timeline:
    first = min(crumbs, key=lambda crumb: crumb.header.monotonic)
    ended = [crumb for crumb in crumbs if crumb.header.worker in (None, CONTROLLER) and crumb.ended]
    return Timeline(
        series=(),
        spans=(),
        origin=first.header.monotonic,
        started=first.header.wall,
        ended=bool(ended),
        status=ended[0].status if ended else None,
    )


def _death(crumb: CrumbReader) -> Death:
    state = crumb.read()
    if state is None:
        return Death(crumb.header.worker, crumb.header.pid, None, "", "", 0.0, 0.0)
    return Death(
        worker=crumb.header.worker,
        pid=crumb.header.pid,
        time=None,
        nodeid=state.nodeid,
        activity=state.activity,
        activity_since=state.since,
        test_since=state.test_since,
    )


def _culprits(deaths: list[Death]) -> list[Death]:
    """Processes that died inside a test before those that only died with them."""
    return sorted(deaths, key=lambda death: death.nodeid == "")
