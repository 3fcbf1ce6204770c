"""What a command parses saved runs with: orjson where it is installed, and the standard library.

orjson takes less than half the instructions. What it refuses (NaN, a number beyond all floats, half a surrogate pair, a
byte order mark, what is no JSON), the standard library parses. What it takes, it takes in the same way but for two
things: whole numbers of more than 64 bits become floats, and up to 1,024 levels of nesting are allowed. So a float
that may have been such a number, and every error, let the reading begin again with the standard library, which alone
decides; and that is given room for as many levels.

Only commands read in this way. Who reads a run in a test gets no extension of somebody else's loaded for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pytest_memory.errors import PytestMemoryError
from pytest_memory.store.numerals import DoubtfulNumber, parse_lazily

Parser = Callable[[bytes], object]
"""Makes of a document what :func:`parse_lazily` makes of it; numerals may be floats already."""

Result = TypeVar("Result")

_LEVELS = 1024  # of nesting, which orjson allows
_LARGEST = 64 * 2**20  # bytes; orjson needs more memory while it parses, which nobody wants of a large file


def read_fast(paths: Iterable[Path], read: Callable[[Parser], Result]) -> Result:
    """Read files with the fastest parser there is, and again with the standard library's if that is in doubt.

    Args:
        paths: The files. What is no ordinary file (a pipe) can be read but once, and is left to the standard library.
        read: Does it. It is called a second time after any error, and must have left nothing behind.

    Raises:
        PytestMemoryError: What ``read`` raises with the standard library.
    """
    fast = _orjson() if all(path.is_file() for path in paths) else None
    if fast is not None:
        with suppress(PytestMemoryError, DoubtfulNumber):
            return read(fast)
    return read(_parse_deeply)


def parser_name() -> str:
    """What commands parse with, for people."""
    try:
        import orjson
    except ImportError:
        return "the standard library's"
    return f"orjson {orjson.__version__}"


def _orjson() -> Parser | None:
    try:
        from orjson import loads
    except ImportError:
        return None

    def parse(document: bytes) -> object:
        if len(document) <= _LARGEST:
            with suppress(ValueError):
                return loads(document)
        return _parse_deeply(document)

    return parse


def _parse_deeply(document: bytes) -> object:
    with _room_for_levels():
        return parse_lazily(document)


@contextmanager
def _room_for_levels() -> Iterator[None]:
    """Before Python 3.12 a document may be nested no deeper than calls may be, those under way included."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _LEVELS)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
