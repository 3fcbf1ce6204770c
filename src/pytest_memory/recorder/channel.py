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

from ..instruments.descriptors import HeldDescriptor
from .cells import END, NAME_ROOM, make_cells
from .forks import call_in_forks

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..errors import UnreadableFile
    from .cells import Cells
    from .crumbs import GuardRequest

CRUMB_SUFFIX = ".crumb"
JOURNAL_NAME = "session.journal"  # beside the breadcrumbs of a session
VERSION = 1

MAGIC = b"PTMCRUMB"
HEADER = struct.Struct("<8sIIqddd32sB")
FLAGS = struct.Struct("<BxxxiB")
REQUEST = struct.Struct("<QQQ")
CHECK = struct.Struct("<I")
ANSWER = struct.Struct("<Q")
FLAGS_AT, REQUEST_AT, ANSWER_AT = 128, 320, 384
REQUEST_SLICE = slice(REQUEST_AT, REQUEST_AT + REQUEST.size + CHECK.size)


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

    __slots__ = ("__weakref__", "_file", "_map", "begin", "cells", "clock", "enter", "path", "pid")

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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._file = HeldDescriptor(descriptor)
        try:
            _allocate(descriptor, END)
            self._map = mmap.mmap(descriptor, END)
        except BaseException:
            self._file.close()
            path.unlink(missing_ok=True)
            raise
        locked = lock_for_life(descriptor)
        name = (worker or "").encode("utf-8", "replace")[:32]
        header = (VERSION, NAME_ROOM, self.pid, process_started, time.time(), clock(), name, locked)
        HEADER.pack_into(self._map, 0, MAGIC, *header)
        self.cells: Cells = make_cells(self._map, clock)
        self.begin, self.enter = self.cells.begin, self.cells.enter  # bound once: every phase of every test is written
        self.idle()
        call_in_forks(self.leave_to_parent)

    def idle(self) -> float:
        """No test is running any more. Gives the time."""
        return self.enter(0)

    def guard_request(self) -> GuardRequest | None:
        """The last request of the memory guard, or ``None`` if it never made one."""
        from .crumbs import read_request

        return read_request(self._map)

    def answer(self, request: GuardRequest) -> None:
        """The running test is being stopped, as was asked."""
        ANSWER.pack_into(self._map, ANSWER_AT, request.generation)

    def end(self, status: int) -> None:
        """The session ends in an orderly way, with this exit status."""
        told = self._map[FLAGS_AT + FLAGS.size - 1]
        FLAGS.pack_into(self._map, FLAGS_AT, 1, status, told)

    def close(self) -> None:
        """Close the file. It stays on disk."""
        if self._file.number >= 0:
            self._unmap()

    def leave_to_parent(self) -> None:
        """Go on in memory only: this process is a fork of the one that owns the file."""
        if self._file.number >= 0:
            self._unmap()
            self._map = mmap.mmap(-1, END)
            self.cells.move(self._map)

    def _unmap(self) -> None:
        self.cells.release()
        if self._file.is_ours() and _may_be_closed(self._map):
            self._map.close()
        else:
            _keep_for_ever(self._map)
        self._file.close()


def glance(path: str | Path) -> tuple[CrumbHeader, bool]:
    """Whose breadcrumb it is, and whether its session said that it ended. Most are never looked at closer.

    Raises:
        OSError: The file cannot be opened.
        UnreadableFile: It is not a breadcrumb, or one of a newer version.
    """
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, FLAGS_AT + FLAGS.size)
    finally:
        os.close(descriptor)
    return parse_header(content, size, path), bool(FLAGS.unpack_from(content, FLAGS_AT)[0])


def parse_header(content: bytes | mmap.mmap, size: int, path: str | Path) -> CrumbHeader:
    """The header of a breadcrumb.

    Args:
        content: The file, or its beginning.
        size: Bytes of the file.
        path: Its path, for messages.

    Raises:
        UnreadableFile: It is not a breadcrumb, or one of a newer version.
    """
    if size < END:
        raise unreadable(path, f"{size} bytes")
    magic, version, _room, pid, started, wall, monotonic, worker, locked = HEADER.unpack_from(content)
    if magic != MAGIC:
        raise unreadable(path, f"it begins with {magic!r}")
    if version != VERSION:
        from ..errors import UnreadableFile

        raise UnreadableFile(
            f"{str(path)!r} is a breadcrumb of version {version}", "read it with the version that made it"
        )
    name = worker.rstrip(b"\0").decode("utf-8", "replace") or None
    return CrumbHeader(
        worker=name, pid=pid, process_started=started, wall=wall, monotonic=monotonic, locked=bool(locked)
    )


def unreadable(path: str | Path, reason: str) -> UnreadableFile:
    """The error for a file that is no breadcrumb; its class is loaded when there is one."""
    from ..errors import UnreadableFile

    return UnreadableFile(f"{str(path)!r} is not a breadcrumb of pytest-memory: {reason}")


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


def _may_be_closed(mapped: mmap.mmap) -> bool:
    """Whether the descriptor that a map of Python's has for itself, and closes, is still that of the breadcrumb.

    It does not say its number, but the size of the file: a test that closed it may have one of its own there.
    """
    try:
        return mapped.size() == END
    except OSError:
        return False


def _keep_for_ever(mapped: mmap.mmap) -> None:
    """Leave a map open until the interpreter has ended: that would close a descriptor of somebody else's too."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=mapped.__len__)  # what is registered there is never let go of
    else:
        mapped.close()  # Windows' maps have no descriptor


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size))
