"""Reads breadcrumbs: whose they are, and what their processes were doing last."""

from __future__ import annotations

import mmap
import os
import zlib

from ..model.activity import ACTIVITIES
from .cells import CELL, END, NAME, NAME_ROOM, NAME_STRIDE, NAMES_AT, STATE, STATES_AT
from .channel import (
    ANSWER,
    ANSWER_AT,
    CHECK,
    FLAGS,
    FLAGS_AT,
    REQUEST,
    REQUEST_SLICE,
    parse_header,
    unreadable,
)

TYPE_CHECKING = False

if TYPE_CHECKING:
    from pathlib import Path

    from ..model import Activity


class Crumb:
    """What a test process was doing last.

    Attributes:
        generation: Counts the writes.
        number: Counts the names; a test that runs twice has two.
        nodeid: The running test, or the collector while collecting; ``""`` if none.
        activity: What it was doing.
        since: When that began, in seconds (monotonic).
        test_since: When the test began, in seconds (monotonic).
    """

    __slots__ = ("activity", "generation", "nodeid", "number", "since", "test_since")

    def __init__(
        self, *, generation: int, number: int, nodeid: str, activity: Activity, since: float, test_since: float
    ) -> None:
        self.generation = generation
        self.number = number
        self.nodeid = nodeid
        self.activity = activity
        self.since = since
        self.test_since = test_since


class GuardRequest:
    """The recorder asks a test to stop. ``resident`` and ``threshold`` are bytes; ``generation`` counts requests."""

    __slots__ = ("generation", "resident", "threshold")

    def __init__(self, generation: int, resident: int, threshold: int) -> None:
        self.generation = generation
        self.resident = resident
        self.threshold = threshold


class CrumbReader:
    """The reader's side.

    Args:
        path: A breadcrumb of any process, alive or dead.

    Raises:
        OSError: The file cannot be opened.
        UnreadableFile: It is not a breadcrumb, or one of a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._name: tuple[int, str] | None = None
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        try:
            size = os.fstat(descriptor).st_size
            if size < END:
                raise unreadable(path, f"{size} bytes")
            self._map = mmap.mmap(descriptor, END)
        finally:
            os.close(descriptor)
        self.header = parse_header(self._map, size, path)

    def read(self) -> Crumb | None:
        """The newest state that is whole; ``None`` if none is."""
        for _ in range(8):  # a writer may be at it; each of its writes takes less than a microsecond
            for state in sorted(filter(None, map(self._read_state, STATES_AT)), reverse=True):
                generation, since, begun, number, activity = state
                name = self._read_name(number) if activity else ""
                if name is not None and activity < len(ACTIVITIES):
                    return Crumb(
                        generation=generation,
                        number=number,
                        nodeid=name,
                        activity=ACTIVITIES[activity],
                        since=since,
                        test_since=begun,
                    )
        return None

    @property
    def ended(self) -> bool:
        """The session said that it ended."""
        return bool(FLAGS.unpack_from(self._map, FLAGS_AT)[0])

    @property
    def status(self) -> int | None:
        """The exit status with which it ended, or ``None``."""
        ended, status, _ = FLAGS.unpack_from(self._map, FLAGS_AT)
        return status if ended else None

    @property
    def told(self) -> bool:
        """Somebody has read of this death already."""
        return bool(FLAGS.unpack_from(self._map, FLAGS_AT)[2])

    def mark_told(self) -> None:
        """Remember that its death was told."""
        self._map[FLAGS_AT + FLAGS.size - 1] = 1

    def request(self, generation: int, resident: int, threshold: int) -> None:
        """Leave a request of the memory guard for the process; bytes."""
        cell = REQUEST.pack(generation, resident, threshold)
        self._map[REQUEST_SLICE] = cell + CHECK.pack(zlib.crc32(cell))

    @property
    def answered(self) -> int:
        """Generation of the last request of the memory guard that a test was stopped for; 0 if none was."""
        return int(ANSWER.unpack_from(self._map, ANSWER_AT)[0])

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def _read_state(self, at: int) -> tuple[int, float, float, int, int] | None:
        cell, check = CELL.unpack_from(self._map, at)
        return STATE.unpack(cell) if check == zlib.crc32(cell) else None

    def _read_name(self, number: int) -> str | None:
        if self._name is not None and self._name[0] == number:  # a name that was whole once does not change
            return self._name[1]
        at = NAMES_AT + (number & 1) * NAME_STRIDE
        written, length, check = NAME.unpack_from(self._map, at)
        encoded = self._map[at + NAME.size : at + NAME.size + min(length, NAME_ROOM)]
        if written != number or zlib.crc32(encoded) != check:
            return None
        name = decode_name(encoded)
        self._name = number, name
        return name


def decode_name(encoded: bytes) -> str:
    """A stored name as text: lone surrogates survive, a character cut at the end is dropped."""
    try:
        return encoded.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return encoded.decode("utf-8", "ignore")


def read_request(mapped: mmap.mmap) -> GuardRequest | None:
    """The last request of the memory guard in a breadcrumb, or ``None`` if there is none."""
    cell = mapped[REQUEST_SLICE]
    if not any(cell) or CHECK.unpack_from(cell, REQUEST.size)[0] != zlib.crc32(cell[: REQUEST.size]):
        return None
    return GuardRequest(*REQUEST.unpack_from(cell))
