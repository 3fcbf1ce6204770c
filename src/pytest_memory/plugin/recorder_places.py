"""Where this session leaves its breadcrumbs, and what the sessions before it died of."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_memory.recorder.channel import JOURNAL_NAME
from pytest_memory.recorder.folders import (
    folder_for,
    has_ended,
    is_alive,
    mark_told,
    new_session,
    sessions,
    user_cache,
)

if TYPE_CHECKING:
    from pytest_memory.recorder.sessions import SessionRecord

SESSION_FOLDER = "pytest_memory_session"
"""Where a worker of pytest-xdist finds its session's folder, in its ``workerinput``."""


class Place:
    """The folder of this session.

    Attributes:
        folder: Where all sessions of the project lie.
        session: This one's folder.
        note: Why it is not in pytest's own cache; empty if it is.
    """

    __slots__ = ("folder", "note", "session")

    def __init__(self, folder: Path, session: Path, note: str = "") -> None:
        self.folder = folder
        self.session = session
        self.note = note


def make_place(config: pytest.Config) -> Place | None:
    """Make a folder for this session: in pytest's cache, else in the user's, else among temporary files.

    Returns:
        The place, or None if nothing can be written anywhere.
    """
    reasons: list[str] = []
    for name, folder in _candidates(config):
        try:
            made = folder()
            session = new_session(made)
        except OSError as error:
            reasons.append(f"{name} cannot be written ({error.strerror or error})")
            continue
        note = f"breadcrumbs are in {made}: {'; '.join(reasons)}" if reasons else ""
        return Place(made, session, note)
    return None


def _candidates(config: pytest.Config) -> Iterator[tuple[str, Callable[[], Path]]]:
    cache = getattr(config, "cache", None)
    if cache is not None:
        yield "pytest's cache", lambda: Path(cache.mkdir("memory"))
    yield "the user's cache", lambda: folder_for(config.rootpath, user_cache())
    yield "the folder of temporary files", lambda: folder_for(config.rootpath, _temporary())


def _temporary() -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir(), f"pytest-memory-{user}")


def tell_last_death(place: Place) -> list[str]:
    """Tell once what the last session died in, and build the log that it could not.

    Returns:
        Sentences for the user; none if the last session ended, or was told of before.
    """
    for path in sessions(place.folder):
        if path == place.session or is_alive(path):
            continue
        return [] if has_ended(path) else _tell(path)
    return []


def _tell(path: Path) -> list[str]:
    from pytest_memory.errors import UnreadableFile
    from pytest_memory.recorder.sessions import read_session

    try:
        record = read_session(path)
    except (OSError, UnreadableFile) as error:
        return [f"what is left of the last run cannot be read: {error}"]
    return _told(record, path)


def _told(record: SessionRecord, path: Path) -> list[str]:
    from pytest_memory.recorder.sessions import rebuild_log
    from pytest_memory.report.autopsy import one_line

    if record.told or not record.timeline.deaths:
        return []
    sentences = [one_line(record.timeline, record.timeline.deaths[0])]
    try:
        log = rebuild_log(record, path)
    except OSError as error:
        sentences.append(f"its memory log cannot be written: {error.strerror or error}")
    else:
        sentences += [f"its memory log {log} was made from its journal"] if log is not None else []
    sentences.append(f"pytest-memory autopsy {path} says more")
    mark_told(path)
    return sentences


def log_path(wanted: Path, place: Place) -> tuple[Path, str]:
    """The path of the log, or another if a session that still runs writes there.

    Returns:
        The path, and a sentence for the user if it is not the one wanted.
    """
    for path in sessions(place.folder):
        if path == place.session or not is_alive(path):
            continue
        from pytest_memory.recorder.frames import read_head

        if read_head(path / JOURNAL_NAME).get("memlog") == str(wanted):
            other = wanted.with_name(f"{wanted.stem}-{os.getpid()}{wanted.suffix}")
            return other, f"another session writes {wanted.name} at this moment, so this one writes {other.name}"
    return wanted, ""
