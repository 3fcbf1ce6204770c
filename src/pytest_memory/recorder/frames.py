"""What stands in the frames of a journal: packed by the recorder and by tests, unpacked by readers.

A test process, which writes one frame a test, does without this module where there was a compiler.
"""

from __future__ import annotations

import json
import struct
import zlib

from .crumbs import decode_name
from .journal import FIRST_LINE, FRAME, SYNC, Kind

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

_TIME = struct.Struct("<d")
_ENTRY = struct.Struct("<HIBII")
_NAME = struct.Struct("<I")
TEST = struct.Struct("<BB")
_PHASE_FORMAT = "BddQQQQ"
_PHASE_NUMBERS = len(_PHASE_FORMAT)
PHASE = struct.Struct("<" + _PHASE_FORMAT)
_pack_three = struct.Struct("<BB" + _PHASE_FORMAT * 3).pack
_MOST_PHASES = 255
_LARGEST_PAYLOAD = 2**24
_KIB = 1024


class Entry:
    """One process at one tick: its index, the number of its test's name (0: none), activity, and bytes."""

    __slots__ = ("activity", "children", "name", "process", "resident")

    def __init__(self, process: int, name: int, activity: int, resident: int, children: int) -> None:
        self.process = process
        self.name = name
        self.activity = activity
        self.resident = resident
        self.children = children


def pack_tick(time: float, entries: Iterable[Entry]) -> bytes:
    """The payload of a TICK; entries in bytes, stored in KiB."""
    packed = [
        _ENTRY.pack(entry.process, entry.name, entry.activity, entry.resident // _KIB, entry.children // _KIB)
        for entry in entries
    ]
    return _TIME.pack(time) + b"".join(packed)


def unpack_tick(payload: bytes) -> tuple[float, Iterator[Entry]]:
    """Undo :func:`pack_tick`."""
    body = memoryview(payload)[_TIME.size :]
    usable = body[: len(body) - len(body) % _ENTRY.size]
    entries = (
        Entry(process, name, activity, resident * _KIB, children * _KIB)
        for process, name, activity, resident, children in _ENTRY.iter_unpack(usable)
    )
    return _TIME.unpack_from(payload)[0], entries


def pack_name(number: int, name: str) -> bytes:
    """The payload of a NAME."""
    return _NAME.pack(number) + name.encode("utf-8", "surrogatepass")


def unpack_name(payload: bytes) -> tuple[int, str]:
    """Undo :func:`pack_name`."""
    return _NAME.unpack_from(payload)[0], decode_name(payload[_NAME.size :])


def pack_test(nodeid: str, worker: str | None, phases: Sequence[float]) -> bytes:
    """The payload of a TEST: all phases of one attempt at one test.

    Args:
        nodeid: The test's.
        worker: As in :class:`pytest_memory.model.Series`.
        phases: Its phases that ended, in order, seven numbers each: index of ``ACTIVITIES``; start and end in seconds
            (monotonic); resident bytes at its start, at its end, and at its peak; heap peak in bytes. What is not
            known is :data:`ABSENT`. The first 255 phases are kept.
    """
    count = len(phases) // _PHASE_NUMBERS
    if count == 3 and worker is None:  # nearly all tests, and each waits for this
        head = _pack_three(0, 3, *phases)
    else:
        head = _pack_phases(worker or "", min(count, _MOST_PHASES), phases)
    return head + nodeid.encode("utf-8", "surrogatepass")


def _pack_phases(worker: str, count: int, phases: Sequence[float]) -> bytes:
    name = worker.encode()
    kept = phases[: count * _PHASE_NUMBERS]
    return TEST.pack(len(name), count) + name + struct.pack("<" + _PHASE_FORMAT * count, *kept)


class Frame:
    """A whole frame of a journal; ``skipped`` counts the bytes before it that belong to none."""

    __slots__ = ("kind", "payload", "skipped")

    def __init__(self, kind: int, payload: bytes, skipped: int) -> None:
        self.kind = kind
        self.payload = payload
        self.skipped = skipped


def frames(content: bytes | memoryview) -> Iterator[Frame]:
    """Every whole frame in order.

    Args:
        content: The file without its first line; it may be damaged anywhere.
    """
    view = memoryview(content)
    raw = bytes(content) if not isinstance(content, bytes) else content
    position, skipped = 0, 0
    while position + FRAME.size <= len(view):
        sync, kind, length, check = FRAME.unpack_from(view, position)
        begin = position + FRAME.size
        if sync == SYNC and length <= _LARGEST_PAYLOAD and begin + length <= len(view):
            payload = raw[begin : begin + length]
            if zlib.crc32(payload, kind) == check:
                yield Frame(kind, payload, skipped)
                position, skipped = begin + length, 0
                continue
        following = raw.find(SYNC, position + 1)
        following = len(view) if following < 0 else following
        skipped += following - position
        position = following


def read_head(path: Path) -> dict[str, Any]:
    """What a journal says of its session when it starts; empty if that cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(65_536)
    except OSError:
        return {}
    for frame in frames(start[len(FIRST_LINE) :]):
        if frame.kind == Kind.HEAD:
            try:
                return dict(json.loads(frame.payload))
            except (ValueError, TypeError):
                break
    return {}
