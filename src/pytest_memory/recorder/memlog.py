"""The log in pytest-memlog's format: a JSON list with one entry per sample.

``rss`` in bytes, ``time`` of ``time.monotonic()``, ``name`` of the running test or ``""`` between tests. With
pytest-xdist there is one entry per worker per tick, and a fourth key ``worker``.
"""

from __future__ import annotations

import json
import os

from ..model.activity import ACTIVITIES, CONTROLLER
from .frames import Entry, Frame, frames, unpack_name, unpack_tick
from .journal import FIRST_LINE, Kind

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_COLLECTION = ACTIVITIES.index("collection")


def write_memlog(journal: str | os.PathLike[str], target: str | os.PathLike[str]) -> int:
    """Make the log from a journal; the file appears whole or not at all.

    Args:
        journal: A journal, whole or cut off.
        target: The log; replaced if it is there.

    Returns:
        The number of entries.

    Raises:
        OSError: The journal cannot be read, or the log cannot be written.
    """
    folder, name = os.path.split(os.fspath(target))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    count = 0
    try:
        with open(journal, "rb") as file:
            content = file.read()
        with open(temporary, "w", encoding="ascii") as file:
            file.write("[")
            for line in _lines(content):
                file.write(",\n" if count else "\n")
                file.write(line)
                count += 1
            file.write("\n]\n")
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return count


def _lines(content: bytes) -> Iterator[str]:
    """The entries as JSON. The session waits for it: a text is encoded once, not once a sample."""
    encoded: dict[str, str] = {}
    for entry in memlog_entries(content):
        for text in (entry["name"], entry.get("worker", "")):
            if text not in encoded:
                encoded[text] = json.dumps(text)
        worker = f', "worker": {encoded[entry["worker"]]}' if "worker" in entry else ""
        yield f'{{"rss": {entry["rss"]}, "time": {entry["time"]!r}, "name": {encoded[entry["name"]]}{worker}}}'


def memlog_entries(content: bytes) -> Iterator[dict[str, Any]]:
    """The entries of the log, in order of time.

    Args:
        content: The bytes of a journal.
    """
    names: dict[int, str] = {0: ""}
    workers: dict[int, str | None] = {}
    for frame in frames(memoryview(content)[len(FIRST_LINE) :]):
        if frame.kind == Kind.NAME:
            number, name = unpack_name(frame.payload)
            names[number] = name
        elif frame.kind == Kind.JOIN:
            joined = json.loads(frame.payload)
            workers[joined["index"]] = joined.get("worker")
        elif frame.kind == Kind.TICK:
            yield from _tick_entries(frame, names, workers)


def _tick_entries(frame: Frame, names: dict[int, str], workers: dict[int, str | None]) -> Iterator[dict[str, Any]]:
    time, entries = unpack_tick(frame.payload)
    for entry in entries:
        worker = workers.get(entry.process)
        if worker == CONTROLLER:
            continue
        line: dict[str, Any] = {"rss": entry.resident, "time": time, "name": _test_name(entry, names)}
        if worker is not None:
            line["worker"] = worker
        yield line


def _test_name(entry: Entry, names: dict[int, str]) -> str:
    return "" if entry.activity in (0, _COLLECTION) else names.get(entry.name, "")
