"""The journal: one append-only file a session, written by the recorder and by the test processes.

The file begins with :data:`FIRST_LINE`; then come frames, each written by one ``write`` to a descriptor opened for
appending, so that several processes write into one file without knowing of each other::

    sync (2 bytes)  kind (1)  length of payload (4)  CRC-32 of kind and payload (4)  payload

A frame that was cut off by a kill or a full disk is recognised by its CRC; reading goes on at the next sync mark.

=====  ========================================================================================================
kind   payload
=====  ========================================================================================================
HEAD   JSON: what is known of the session when it starts
JOIN   JSON: a process begins to be sampled: its ``index``, ``pid``, ``worker``
NAME   number of a name (4 bytes), UTF-8: the test of samples that follow
TICK   time (8-byte float), then for each process: index, name, activity, resident KiB, children KiB
TEST   one test as its process measured it: worker, phases, node id; see :func:`pack_test`
DEATH  JSON: a test process ended without saying so
NOTE   UTF-8: a sentence for the reader
END    JSON: the session ended in an orderly way
=====  ========================================================================================================

Version history: 1, the first.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence

from .channel import decode_name

TYPE_CHECKING = False

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

VERSION = 1
FIRST_LINE = b"pytest-memory-journal %d\n" % VERSION
FIRST_WORD = b"pytest-memory-journal "
FILE_NAME = "session.journal"

SYNC = b"\xf5\x9d"
_FRAME = struct.Struct("<2sBII")
_TIME = struct.Struct("<d")
_ENTRY = struct.Struct("<HIBII")
_NAME = struct.Struct("<I")
TEST = struct.Struct("<BB")
_PHASE_FORMAT = "BddQQQQ"
_PHASE_NUMBERS = len(_PHASE_FORMAT)
PHASE = struct.Struct("<" + _PHASE_FORMAT)
_pack_three = struct.Struct("<BB" + _PHASE_FORMAT * 3).pack
_MOST_PHASES = 255
ABSENT = 2**64 - 1
_LARGEST_PAYLOAD = 2**24
_KIB = 1024


class Kind:
    """What a frame holds. No enumeration: to make one takes longer than all else in this module."""

    HEAD = 1
    JOIN = 2
    NAME = 3
    TICK = 4
    TEST = 5
    DEATH = 6
    NOTE = 7
    END = 8


class Entry:
    """One process at one tick: its index, the number of its test's name (0: none), activity, and bytes."""

    __slots__ = ("activity", "children", "name", "process", "resident")

    def __init__(self, process: int, name: int, activity: int, resident: int, children: int) -> None:
        self.process = process
        self.name = name
        self.activity = activity
        self.resident = resident
        self.children = children


class JournalWriter:
    """Appends frames. Never raises for a disk that does not take them: it counts what was lost, and why.

    Args:
        path: The journal; made if it is not there.

    Attributes:
        lost: Frames that could not be written.
        failure: Why the first of them could not.

    Raises:
        OSError: The file cannot be opened.
    """

    __slots__ = ("_descriptor", "failure", "lost", "path")

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.lost = 0
        self.failure = ""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o644)

    def append(self, kind: int, payload: bytes) -> bool:
        """Write one frame; say whether it is in the file."""
        return self.put(make_frame(kind, payload))

    def put(self, frame: bytes) -> bool:
        """Write one frame as :func:`make_frame` makes it; say whether it is in the file."""
        try:
            written = os.write(self._descriptor, frame)
        except OSError as error:
            self.failure = self.failure or error.strerror or str(error)
            self.lost += 1
            return False
        if written != len(frame):
            self.failure = self.failure or f"only {written} of {len(frame)} bytes were taken"
            self.lost += 1
            return False
        return True

    def append_json(self, kind: int, value: object) -> bool:
        """Write one frame of JSON."""
        return self.append(kind, json.dumps(value, separators=(",", ":")).encode())

    def close(self) -> None:
        """Close the file; afterwards every write is lost."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def make_frame(kind: int, payload: bytes) -> bytes:
    """A frame as it stands in the file."""
    return _FRAME.pack(SYNC, kind, len(payload), zlib.crc32(payload, kind)) + payload


def create_journal(path: Path, head: dict[str, Any]) -> JournalWriter:
    """Make a journal with its first line and its HEAD.

    Args:
        path: Must not exist.
        head: At least ``origin`` and ``started``; JSON types.

    Raises:
        OSError: The file cannot be made.
    """
    with path.open("xb") as file:
        file.write(FIRST_LINE)
    writer = JournalWriter(path)
    if not writer.append_json(Kind.HEAD, head):
        writer.close()
        raise OSError(f"{writer.failure}: {str(path)!r}")
    return writer


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
    while position + _FRAME.size <= len(view):
        sync, kind, length, check = _FRAME.unpack_from(view, position)
        begin = position + _FRAME.size
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
