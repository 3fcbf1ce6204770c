"""What the C core makes call stacks of.

Loaded where call stacks are asked for.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_memory.model import AllocationSite, StackFrame

if TYPE_CHECKING:
    from pytest_memory.engines.native.core import Core, Stacks

SAMPLED_SITES = 50
"""How many call stacks a window in ``sampled`` detail returns, the largest first."""

NO_PYTHON = (StackFrame("<unknown>", "<native code>", 0),)
"""What is shown for a stack without Python frames, such as a thread that a C library has started."""

NO_ROOM = (StackFrame("<unknown>", "<more call stacks than the engine can tell apart>", 0),)
"""What is shown for all stacks that came after the tables were full; their bytes are exact."""

_NAMELESS = frozenset(("<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))

_QUALIFIED = sys.version_info >= (3, 11)  # code objects know their qualified name


def function_name(qualified: str) -> str:
    """The function that a reader would name for a code object: inside a comprehension or lambda, the enclosing one.

    Args:
        qualified: ``co_qualname``, or ``co_name`` where there is no other.
    """
    if "<" not in qualified:
        return qualified.rpartition(".")[2]
    parts = qualified.split(".")
    while len(parts) > 1 and parts[-1].startswith("<"):
        parts.pop()
    return "<module>" if _QUALIFIED and parts[-1] in _NAMELESS else parts[-1]


@lru_cache(maxsize=4096)
def _renamed(frame: StackFrame, function: str) -> StackFrame:
    """The same object from test to test, as other frames are."""
    return replace(frame, function=function)


def enclosing(frames: tuple[StackFrame, ...]) -> tuple[StackFrame, ...]:
    """Name comprehensions and lambdas after their caller in the same file, where code objects know only themselves.

    Right for comprehensions, which their enclosing function calls; a guess for lambdas and generator expressions.
    """
    named: list[StackFrame] = []
    for frame in reversed(frames):
        if frame.function in _NAMELESS:
            function = next((older.function for older in reversed(named) if older.filename == frame.filename), "")
            named.append(_renamed(frame, function) if function else frame)
        else:
            named.append(frame)
    return tuple(reversed(named))


class KnownFrames(dict[int, StackFrame]):
    """The frames that places stand for: ``code << 32 | line``.

    Tests of one module have most of theirs in common, so they are kept; the core forgets all when they have become
    many, or when it numbers its code objects anew.

    Args:
        core: The C core.
        ledger: The ledger that the places are of.
    """

    __slots__ = ("_core", "_ledger")

    def __init__(self, core: Core, ledger: int) -> None:
        super().__init__()
        self._core = core
        self._ledger = ledger

    def __missing__(self, place: int) -> StackFrame:
        filename, name = self._core.code(self._ledger, place >> 32)
        frame = self[place] = _new(StackFrame)
        _set_function(frame, function_name(name))
        _set_filename(frame, filename)
        _set_lineno(frame, place & 0xFFFFFFFF)
        return frame


# A frozen dataclass is made four times as fast by whoever knows what it is made of.
_new = object.__new__
_set_function, _set_filename, _set_lineno = (vars(StackFrame)[slot].__set__ for slot in StackFrame.__slots__)


_known: dict[int, KnownFrames] = {}  # by ledger, for the one core that a process has


def stacks_of(core: Core, ledger: int) -> Stacks:
    """What the core makes of the call stacks of a ledger.

    Args:
        core: The C core.
        ledger: One of its ledgers.
    """
    frames = _known.setdefault(ledger, KnownFrames(core, ledger))
    return frames, AllocationSite, NO_PYTHON, NO_ROOM, None if _QUALIFIED else enclosing
