"""Reads a journal, whole or cut off anywhere, into a :class:`pytest_memory.model.Timeline`.

::

    timeline = read_journal(path)
    for series in timeline.series:  # one per process: columns of times, resident bytes, tests ...
        ...
    for span in timeline.spans:  # one per phase of a test, with its exact peak where it was measured
        ...

A million samples take about 25 MB and a few seconds.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UnreadableFile
from ..model import ACTIVITIES, Activity, Death, MemoryBounds, ResidentUsage, Series, Span, Timeline
from .cells import ABSENT
from .crumbs import decode_name
from .frames import PHASE, TEST, Frame, frames, unpack_name, unpack_tick
from .journal import FIRST_LINE, FIRST_WORD, VERSION, Kind

_NOT_OURS = (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error)


@dataclass(slots=True)
class _Columns:
    worker: str | None
    pid: int
    times: array[float] = field(default_factory=lambda: array("d"))
    resident: array[int] = field(default_factory=lambda: array("Q"))
    children: array[int] = field(default_factory=lambda: array("Q"))
    tests: list[str] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)

    def series(self) -> Series:
        return Series(self.worker, self.pid, self.times, self.resident, self.children, self.tests, self.activities)


@dataclass(slots=True)
class _Reading:
    head: dict[str, Any] = field(default_factory=dict)
    columns: dict[int, _Columns] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=lambda: {0: ""})
    spans: list[Span] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    end: dict[str, Any] | None = None
    unusable: int = 0
    without_spans: bool = False

    def take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.TICK:
                self._take_tick(frame.payload)
            case Kind.TEST:
                if not self.without_spans:
                    self.spans.extend(unpack_test(frame.payload))
            case Kind.NAME:
                number, name = unpack_name(frame.payload)
                self.names[number] = name
            case Kind.JOIN:
                value = json.loads(frame.payload)
                self.columns[value["index"]] = _Columns(value.get("worker"), value["pid"])
            case Kind.DEATH:
                self.deaths.append(death_from_json(json.loads(frame.payload)))
            case Kind.NOTE:
                self.notes.append(frame.payload.decode("utf-8", "replace"))
            case Kind.HEAD:
                self.head = dict(json.loads(frame.payload))
            case Kind.END:
                self.end = dict(json.loads(frame.payload))
            case _:  # a kind added later within this version says nothing that older readers need
                pass

    def _take_tick(self, payload: bytes) -> None:
        time, entries = unpack_tick(payload)
        for entry in entries:
            columns = self.columns.get(entry.process)
            if columns is None:  # its JOIN was lost
                columns = self.columns[entry.process] = _Columns(f"process {entry.process}", 0)
            columns.times.append(time)
            columns.resident.append(entry.resident)
            columns.children.append(entry.children)
            columns.tests.append(self.names.get(entry.name, ""))
            columns.activities.append(ACTIVITIES[entry.activity] if entry.activity < len(ACTIVITIES) else "")


def read_journal(path: Path, *, spans: bool = True) -> Timeline:
    """Read a journal up to where it is whole.

    Args:
        path: A journal, of a session that ended, died, or still runs.
        spans: Give the spans of the tests too; without them reading is several times as fast.

    Returns:
        The timeline; what was damaged is named in its notes.

    Raises:
        OSError: The file cannot be read.
        UnreadableFile: It is not a journal, or one of a newer version.
    """
    content = path.read_bytes()
    _check_first_line(content, path)
    reading = _Reading(without_spans=not spans)
    body = memoryview(content)[len(FIRST_LINE) :]
    whole, skipped = 0, 0
    for frame in frames(body):
        whole += 11 + len(frame.payload)
        skipped += frame.skipped
        try:
            reading.take(frame)
        except _NOT_OURS:
            reading.unusable += 1
    damaged = len(body) - whole if len(content) > len(FIRST_LINE) else 0
    return _timeline(reading, damaged)


def unpack_test(payload: bytes) -> list[Span]:
    """The phases in a TEST, see :func:`pytest_memory.recorder.journal.pack_test`.

    Raises:
        ValueError, IndexError, struct.error: The payload is none of ours.
    """
    name_length, count = TEST.unpack_from(payload)
    phases_at = TEST.size + name_length
    worker = payload[TEST.size : phases_at].decode() or None
    nodeid = decode_name(payload[phases_at + count * PHASE.size :])
    spans = []
    for place in range(count):
        code, start, end, first, last, peak, heap = PHASE.unpack_from(payload, phases_at + place * PHASE.size)
        resident = None if first == ABSENT else ResidentUsage(first, last, None if peak == ABSENT else peak)
        heap_peak = None if heap == ABSENT else heap
        spans.append(Span(nodeid, ACTIVITIES[code], worker, start, end, resident, heap_peak))
    return spans


def _check_first_line(content: bytes, path: Path) -> None:
    if content.startswith(FIRST_LINE) or FIRST_LINE.startswith(content):
        return
    first = content[:40].split(b"\n", 1)[0]
    version = first[len(FIRST_WORD) :] if first.startswith(FIRST_WORD) else b""
    if version.isdigit():
        raise UnreadableFile(
            f"{str(path)!r} is a journal of version {int(version)}, and this pytest-memory reads version {VERSION}",
            "read it with the pytest-memory that wrote it",
        )
    raise UnreadableFile(f"{str(path)!r} is not a journal of pytest-memory: it begins with {first!r}")


def _timeline(reading: _Reading, damaged: int) -> Timeline:
    head, end = reading.head, reading.end
    head |= {"recorder": end["recorder"]} if end is not None and "recorder" in end else {}
    series = tuple(columns.series() for columns in reading.columns.values())
    first = min((one.times[0] for one in series if one.times), default=0.0)
    notes = list(reading.notes)
    if damaged:
        notes.append(f"{damaged} bytes of the journal are damaged or cut off, and were left out")
    if reading.unusable:
        notes.append(f"{reading.unusable} records of the journal could not be understood, and were left out")
    return Timeline(
        series=series,
        spans=tuple(reading.spans),
        origin=_number(head.get("origin"), first),
        started=_number(head.get("started"), None),
        metadata={key: value for key, value in head.items() if key not in ("origin", "started")},
        deaths=tuple(reading.deaths),
        ended=end is not None,
        status=end.get("status") if end is not None else None,
        notes=tuple(notes),
    )


def _number(value: object, default: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) else default


def death_to_json(death: Death) -> dict[str, Any]:
    """A death as plain JSON types."""
    return asdict(death)


def death_from_json(value: Mapping[str, Any]) -> Death:
    """Undo :func:`death_to_json`.

    Raises:
        TypeError, KeyError: The value is none of ours.
    """
    fields = dict(value)
    for name in ("bounds", "bounds_before"):
        if fields.get(name) is not None:
            fields[name] = MemoryBounds(**fields[name])
    if fields["activity"] not in ACTIVITIES:
        raise KeyError(fields["activity"])
    return Death(**fields)
