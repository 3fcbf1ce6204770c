"""What a command parses saved runs with: msgspec where it is installed, and the standard library.

msgspec makes only what somebody will look at of a benchmark, which is little of it. What it takes, it takes as the
standard library does. What it refuses (NaN, a number beyond all floats, half a surrogate pair, a byte
order mark, what is no JSON), the standard library parses, which alone decides; and whenever something in a file is
wrong, all is read again with the standard library, so that nobody is told of a member that was left out. Two things
pass that the standard library refuses, where nobody looks at them: whole numbers of more digits than Python makes an
``int`` of, and one level of nesting more than its calls may have.

Only commands read in this way. Who reads a run in a test gets no extension of somebody else's loaded for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from pytest_memory.errors import PytestMemoryError
from pytest_memory.model.benchmark import BLOB
from pytest_memory.store.numerals import parse_lazily

Result = TypeVar("Result")

_LEVELS = 1024  # that the standard library may be deeper in calls than msgspec was: it decides what that refuses


@dataclass(frozen=True, slots=True)
class Members:
    """Which members of each benchmark are looked at.

    Attributes:
        stats: The computed times.
        rounds: Whether the rounds are, from which a time can be computed that was not saved.
        series: Keys of memory series.
        dims: Whether parameters and extras are.
    """

    stats: tuple[str, ...]
    rounds: bool
    series: tuple[str, ...]
    dims: bool


class Parser:
    """Parses documents as :func:`parse_lazily` does, but that numerals may be floats already."""

    def __call__(self, document: bytes) -> object:
        """Parse a document.

        Raises:
            ValueError: It is not JSON.
            RecursionError: It is nested too deeply.
        """
        with _room_for_levels():
            return parse_lazily(document)

    @property
    def whole(self) -> Parser:
        """One that leaves nothing out, for a file in which more must be looked at than was foreseen."""
        return self


class _FastParser(Parser):
    def __init__(self, members: Members | None = None) -> None:
        self._members = members

    def __call__(self, document: bytes) -> object:
        from msgspec import MsgspecError  # a ValueError since 0.21

        with suppress(ValueError, RecursionError, MsgspecError):
            return self._decode(document)
        return super().__call__(document)

    @property
    def whole(self) -> Parser:
        return self if self._members is None else _FastParser()

    def _decode(self, document: bytes) -> object:
        from msgspec import MsgspecError
        from msgspec.json import decode

        if self._members is not None:
            with suppress(ValueError, MsgspecError):  # no benchmarks, or some of an odd shape
                if not document.isascii():
                    document.decode()  # texts that are left out are not looked at
                parsed = self._decode_members(document)
                if "format" not in parsed:
                    return parsed
        return decode(document)

    @cached_property
    def _decode_members(self) -> Callable[[bytes], dict[str, Any]]:
        from msgspec.json import Decoder

        assert self._members is not None
        return Decoder(_shape(self._members)).decode


def read_fast(paths: Iterable[Path], members: Members, read: Callable[[Parser], Result]) -> Result:
    """Read files with the fastest parser there is, and again with the standard library's if something is wrong.

    Args:
        paths: The files. What is no ordinary file (a pipe) can be read but once, and is left to the standard library.
        members: What ``read`` looks at.
        read: Does it. It is called again after any error, and must have left nothing behind.

    Raises:
        PytestMemoryError: What ``read`` raises with the standard library.
    """
    if _is_installed() and all(path.is_file() for path in paths):
        with suppress(PytestMemoryError):
            return read(_FastParser(members))
    return read(Parser())


def parser_name() -> str:
    """What commands parse with, for people."""
    if not _is_installed():
        return "the standard library's"
    import msgspec

    return f"msgspec {msgspec.__version__}"


def _is_installed() -> bool:
    try:
        import msgspec.json  # noqa: F401
    except ImportError:
        return False
    return True


def _shape(members: Members) -> Any:
    """A document as msgspec is told of it: members that are not named are left out, those of another type refused."""
    stats: dict[str, Any] = dict.fromkeys(members.stats, Any if members.rounds else int | float)
    if members.rounds:
        stats |= {"rounds": Any, "data": Any}
    extra = _object("extra_info", {BLOB: _object(BLOB, dict.fromkeys(members.series, Any))})
    benchmark = {
        "fullname": Any,
        "group": Any,
        # Without the rounds a missing statistic makes msgspec refuse the document, so that it is parsed whole: what was
        # not saved can be computed from them.
        "stats": _object("stats", stats, total=not members.rounds),
        "params": Any if members.dims else _object("params", {}) | None,
        "extra_info": Any if members.dims else extra | None,
    }
    return _object("document", {"format": Any, "benchmarks": list[_object("benchmark", benchmark)]})  # type: ignore[misc]


def _object(name: str, members: dict[str, Any], *, total: bool = False) -> Any:
    return TypedDict(name, members, total=total)  # type: ignore[operator]


@contextmanager
def _room_for_levels() -> Iterator[None]:
    """Before Python 3.12 a document may be nested no deeper than calls may be, those under way included."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _LEVELS)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
