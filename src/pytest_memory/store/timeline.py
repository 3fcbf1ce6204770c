"""Reads a session's timeline from a journal, a session's folder, or a log in pytest-memlog's format."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import UnreadableFile
from ..model import Series, Span, Timeline
from ..recorder.journal import FIRST_WORD
from ..recorder.sessions import read_session

_KEYS = "each entry has 'rss' in bytes, 'time' in seconds and 'name'"


def read_timeline(path: Path) -> Timeline:
    """Read a timeline, whichever of our formats it is in.

    Args:
        path: A journal, the folder of a session, or a ``memlog.json``, of this package or of pytest-memlog.

    Returns:
        The timeline. From a log there are samples and, from the names in it, spans of whole tests.

    Raises:
        UnreadableFile: It is none of these, or of a newer version; the message names the place.
        OSError: It cannot be read.
    """
    if path.is_dir():
        return read_session(path).timeline
    with path.open("rb") as file:
        first = file.read(len(FIRST_WORD))
    if first == FIRST_WORD:
        return read_session(path).timeline
    return read_memlog(path)


def read_memlog(path: Path) -> Timeline:
    """Read a log in pytest-memlog's format.

    Raises:
        UnreadableFile: It is not such a log; the message names the entry.
        OSError: It cannot be read.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{str(path)!r} is neither a journal nor JSON: {error}") from None
    if not isinstance(entries, list):
        raise UnreadableFile(f"{str(path)!r} is not a memory log: expected a list of entries", _KEYS)
    by_worker: dict[str | None, list[dict[str, Any]]] = {}
    for place, entry in enumerate(entries):
        _check(entry, place, path)
        by_worker.setdefault(entry.get("worker"), []).append(entry)
    series = tuple(_series(worker, own) for worker, own in by_worker.items())
    spans = tuple(span for one in series for span in _spans(one))
    return Timeline(series=series, spans=spans, origin=min((one.times[0] for one in series), default=0.0), ended=True)


def _check(entry: object, place: int, path: Path) -> None:
    valid = (
        isinstance(entry, dict)
        and _is_number(entry.get("rss"))
        and _is_number(entry.get("time"))
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("worker", ""), str)
    )
    if not valid:
        raise UnreadableFile(f"{str(path)!r} is not a memory log: entry {place} is {entry!r:.200}", _KEYS)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63


def _series(worker: str | None, entries: Sequence[dict[str, Any]]) -> Series:
    tests = [entry["name"] for entry in entries]
    return Series(
        worker=worker,
        pid=0,
        times=array("d", (entry["time"] for entry in entries)),
        resident=array("Q", (int(entry["rss"]) for entry in entries)),
        children=array("Q", bytes(8 * len(entries))),
        tests=tests,
        activities=[""] * len(entries),
    )


def _spans(series: Series) -> list[Span]:
    """Runs of samples with one name; a test ends where the next sample has another name."""
    spans = []
    place = 0
    for name, group in groupby(series.tests):
        length = sum(1 for _ in group)
        following = min(place + length, len(series.times) - 1)
        if name:
            spans.append(Span(name, "", series.worker, series.times[place], series.times[following]))
        place += length
    return spans
