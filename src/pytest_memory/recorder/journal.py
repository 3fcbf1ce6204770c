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

from ..instruments.descriptors import HeldDescriptor

TYPE_CHECKING = False

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

VERSION = 1
FIRST_LINE = b"pytest-memory-journal %d\n" % VERSION
FIRST_WORD = b"pytest-memory-journal "

SYNC = b"\xf5\x9d"
FRAME = struct.Struct("<2sBII")

_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


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


class JournalWriter:
    """Appends frames. Never raises for a disk that does not take them: it counts what was lost, and why.

    Where a test closed its descriptor it opens the journal anew.

    Args:
        path: The journal; made if it is not there.

    Attributes:
        lost: Frames that could not be written.
        failure: Why the first of them could not.

    Raises:
        OSError: The file cannot be opened.
    """

    __slots__ = ("_file", "failure", "lost", "path")

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.lost = 0
        self.failure = ""
        self._file = HeldDescriptor(os.open(path, _APPEND | os.O_CREAT, 0o644))

    def append(self, kind: int, payload: bytes) -> bool:
        """Write one frame; say whether it is in the file."""
        return self.put(make_frame(kind, payload))

    def put(self, frame: bytes) -> bool:
        """Write one frame as :func:`make_frame` makes it; say whether it is in the file."""
        try:
            if self._file.number >= 0 and not self._file.is_ours():
                self._file.reopen(self.path, _APPEND)
            written = os.write(self._file.number, frame)
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
        self._file.close()


def make_frame(kind: int, payload: bytes) -> bytes:
    """A frame as it stands in the file."""
    return FRAME.pack(SYNC, kind, len(payload), zlib.crc32(payload, kind)) + payload


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
