"""The breadcrumb: what a test process is doing, in a small file mapped into memory.

The test process writes, anybody reads: the recorder while it runs, the next session or ``pytest-memory autopsy`` after
it died. What was written is in the kernel's page cache at once, so it survives any death of the process.

Layout (version 1, little-endian), all of it allocated on disk when the file is made, because writing to a page that
the file system cannot store kills a process (SIGBUS):

==========  ==========================================================================================
0           magic, version, room for a name, process id, its start, both clocks at creation, worker, locked
128         flags: ended, exit status, told
192, 256    two cells for the state: generation, since, test since, number of the name, activity, CRC
320         a request of the memory guard: generation, resident, threshold, CRC
384         generation of the last request that a test was stopped for
4096 ...    two cells for the name: number, length, CRC, UTF-8
==========  ==========================================================================================

Writing alternates between two cells, each with a CRC-32. A reader takes the newest cell that is whole, so a write torn
by a kill costs no more than that write.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import zlib

from ..model.activity import ACTIVITIES
from .cells import CELL, END, NAME, NAME_ROOM, NAME_STRIDE, NAMES_AT, STATE, STATES_AT, make_cells
from .forks import call_in_forks

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..errors import UnreadableFile
    from ..model import Activity
    from .cells import Cells

CRUMB_SUFFIX = ".crumb"
VERSION = 1

_MAGIC = b"PTMCRUMB"
_HEADER = struct.Struct("<8sIIqddd32sB")
_FLAGS = struct.Struct("<BxxxiB")
_REQUEST = struct.Struct("<QQQ")
_CHECK = struct.Struct("<I")
_ANSWER = struct.Struct("<Q")
_FLAGS_AT, _REQUEST_AT, _ANSWER_AT = 128, 320, 384
_REQUEST_SLICE = slice(_REQUEST_AT, _REQUEST_AT + _REQUEST.size + _CHECK.size)


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


class CrumbHeader:
    """Whose breadcrumb it is.

    Attributes:
        worker: As in :class:`pytest_memory.model.Series`.
        pid: Process id.
        process_started: When that process started, in the table's own unit (see ``ProcessTable.started``).
        wall: Seconds since the epoch when the file was made.
        monotonic: The same moment in monotonic seconds.
        locked: The process holds a lock on the file for as long as it lives.
    """

    __slots__ = ("locked", "monotonic", "pid", "process_started", "wall", "worker")

    def __init__(
        self, *, worker: str | None, pid: int, process_started: float, wall: float, monotonic: float, locked: bool
    ) -> None:
        self.worker = worker
        self.pid = pid
        self.process_started = process_started
        self.wall = wall
        self.monotonic = monotonic
        self.locked = locked


class GuardRequest:
    """The recorder asks a test to stop. ``resident`` and ``threshold`` are bytes; ``generation`` counts requests."""

    __slots__ = ("generation", "resident", "threshold")

    def __init__(self, generation: int, resident: int, threshold: int) -> None:
        self.generation = generation
        self.resident = resident
        self.threshold = threshold


class Breadcrumb:
    """The writer's side, one per test process.

    A process forked from this one must not write into its parent's file: its copy of this object writes to memory
    of its own from the moment of the fork, at no cost to anybody else.

    Args:
        path: The file to make; it must not exist.
        worker: As in :class:`pytest_memory.model.Series`.
        process_started: Goes into the header.
        clock: Monotonic seconds; injected by tests.

    Attributes:
        clock: The same.
        cells: Write into it.
        begin: See :meth:`Cells.begin <pytest_memory.recorder.cells.Cells.begin>`.
        enter: See :meth:`Cells.enter <pytest_memory.recorder.cells.Cells.enter>`.

    Raises:
        OSError: The file cannot be made, or there is no room for it.
    """

    __slots__ = ("__weakref__", "_descriptor", "_map", "begin", "cells", "clock", "enter", "path", "pid")

    def __init__(
        self,
        path: Path,
        worker: str | None = None,
        process_started: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.pid = os.getpid()
        self.clock = clock
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _allocate(self._descriptor, END)
            self._map = mmap.mmap(self._descriptor, END)
        except BaseException:
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise
        locked = lock_for_life(self._descriptor)
        name = (worker or "").encode("utf-8", "replace")[:32]
        header = (VERSION, NAME_ROOM, self.pid, process_started, time.time(), clock(), name, locked)
        _HEADER.pack_into(self._map, 0, _MAGIC, *header)
        self.cells: Cells = make_cells(self._map, clock)
        self.begin, self.enter = self.cells.begin, self.cells.enter  # bound once: every phase of every test is written
        self.idle()
        call_in_forks(self.leave_to_parent)

    def idle(self) -> float:
        """No test is running any more. Gives the time."""
        return self.enter(0)

    def guard_request(self) -> GuardRequest | None:
        """The last request of the memory guard, or ``None`` if it never made one."""
        return _read_request(self._map)

    def answer(self, request: GuardRequest) -> None:
        """The running test is being stopped, as was asked."""
        _ANSWER.pack_into(self._map, _ANSWER_AT, request.generation)

    def end(self, status: int) -> None:
        """The session ends in an orderly way, with this exit status."""
        told = self._map[_FLAGS_AT + _FLAGS.size - 1]
        _FLAGS.pack_into(self._map, _FLAGS_AT, 1, status, told)

    def close(self) -> None:
        """Close the file. It stays on disk."""
        if self._descriptor >= 0:
            self._unmap()

    def leave_to_parent(self) -> None:
        """Go on in memory only: this process is a fork of the one that owns the file."""
        if self._descriptor >= 0:
            self._unmap()
            self._map = mmap.mmap(-1, END)
            self.cells.move(self._map)

    def _unmap(self) -> None:
        self.cells.release()
        self._map.close()
        os.close(self._descriptor)
        self._descriptor = -1


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
                raise _unreadable(f"{str(path)!r} is not a breadcrumb of pytest-memory: {size} bytes")
            self._map = mmap.mmap(descriptor, END)
        finally:
            os.close(descriptor)
        magic, version, _room, pid, started, wall, monotonic, worker, locked = _HEADER.unpack_from(self._map)
        if magic != _MAGIC:
            raise _unreadable(f"{str(path)!r} is not a breadcrumb of pytest-memory: it begins with {magic!r}")
        if version != VERSION:
            raise _unreadable(
                f"{str(path)!r} is a breadcrumb of version {version}", "read it with the version that made it"
            )
        name = worker.rstrip(b"\0").decode("utf-8", "replace") or None
        self.header = CrumbHeader(
            worker=name, pid=pid, process_started=started, wall=wall, monotonic=monotonic, locked=bool(locked)
        )

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
        return bool(_FLAGS.unpack_from(self._map, _FLAGS_AT)[0])

    @property
    def status(self) -> int | None:
        """The exit status with which it ended, or ``None``."""
        ended, status, _ = _FLAGS.unpack_from(self._map, _FLAGS_AT)
        return status if ended else None

    @property
    def told(self) -> bool:
        """Somebody has read of this death already."""
        return bool(_FLAGS.unpack_from(self._map, _FLAGS_AT)[2])

    def mark_told(self) -> None:
        """Remember that its death was told."""
        self._map[_FLAGS_AT + _FLAGS.size - 1] = 1

    def request(self, generation: int, resident: int, threshold: int) -> None:
        """Leave a request of the memory guard for the process; bytes."""
        cell = _REQUEST.pack(generation, resident, threshold)
        self._map[_REQUEST_SLICE] = cell + _CHECK.pack(zlib.crc32(cell))

    @property
    def answered(self) -> int:
        """Generation of the last request of the memory guard that a test was stopped for; 0 if none was."""
        return int(_ANSWER.unpack_from(self._map, _ANSWER_AT)[0])

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


def _unreadable(problem: str, advice: str = "") -> UnreadableFile:
    from ..errors import UnreadableFile

    return UnreadableFile(problem, advice)


def decode_name(encoded: bytes) -> str:
    """A stored name as text: lone surrogates survive, a character cut at the end is dropped."""
    try:
        return encoded.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return encoded.decode("utf-8", "ignore")


def lock_for_life(descriptor: int) -> bool:
    """Lock a file until this process ends, however it ends; a fork does not inherit the lock.

    Returns:
        Whether it is locked: not every file system can.
    """
    try:
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size))


def _read_request(mapped: mmap.mmap) -> GuardRequest | None:
    cell = mapped[_REQUEST_SLICE]
    if not any(cell) or _CHECK.unpack_from(cell, _REQUEST.size)[0] != zlib.crc32(cell[: _REQUEST.size]):
        return None
    return GuardRequest(*_REQUEST.unpack_from(cell))
