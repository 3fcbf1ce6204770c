"""Where the captures of ``--memray-bin-path`` go, and what they are called."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

_LONGEST_NAME = 255
"""Bytes; the limit of most file systems for one component of a path."""


class Dumps(NamedTuple):
    """A directory for captures.

    Attributes:
        directory: Absolute; made when the first capture is.
        prefix: How each file name begins.
    """

    directory: Path
    prefix: str

    def path(self, nodeid: str) -> Path:
        """The capture of a test: ``PREFIX-tests-test_a.py-test_b[1].bin``.

        A name too long for the file system ends in a digest of the whole name, so that no two tests share one.
        """
        name = f"{self.prefix}-{nodeid}".replace("::", "-").replace("/", "-").replace(os.sep, "-")
        return self.directory / _fitting(f"{name}.bin")

    def made(self, nodeids: set[str]) -> int:
        """For how many tests there is a capture."""
        return sum(1 for nodeid in nodeids if self.path(nodeid).exists())


def _fitting(name: str) -> str:
    encoded = name.encode(errors="backslashreplace")
    if len(encoded) <= _LONGEST_NAME:
        return encoded.decode()
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:16]}.bin"
    kept = encoded[: _LONGEST_NAME - len(ending)].decode(errors="ignore")
    return kept + ending
