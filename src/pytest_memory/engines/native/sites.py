"""Numbers of call stacks, as the C core gives them, turned into the package's words.

Loaded where call stacks are asked for.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_memory.engines.base import HeapReading
from pytest_memory.model import AllocationSite, StackFrame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_memory.engines.base import WindowRequest
    from pytest_memory.engines.native.core import Core, SiteNumbers
    from pytest_memory.model import HeapUsage

SAMPLED_SITES = 50
"""How many call stacks a window in ``sampled`` detail returns, the largest first."""

NO_PYTHON = (StackFrame("<unknown>", "<native code>", 0),)
"""What is shown for a stack without Python frames, such as a thread that a C library has started."""

NO_ROOM = (StackFrame("<unknown>", "<more call stacks than the engine can tell apart>", 0),)
"""What is shown for all stacks that came after the tables were full; their bytes are exact."""

_NO_ROOM_NUMBER = 0

KEPT_FRAMES = 4096
"""Where there are more, none is kept for the next window: they take memory, and time of whoever goes through them."""


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


def enclosing(frames: tuple[StackFrame, ...]) -> tuple[StackFrame, ...]:
    """Name comprehensions and lambdas after their caller in the same file, where code objects know only themselves.

    Right for comprehensions, which their enclosing function calls; a guess for lambdas and generator expressions.
    """
    named: list[StackFrame] = []
    for frame in reversed(frames):
        if frame.function in _NAMELESS:
            function = next((older.function for older in reversed(named) if older.filename == frame.filename), "")
            named.append(replace(frame, function=function or frame.function))
        else:
            named.append(frame)
    return tuple(reversed(named))


def calibrated(sites: Iterable[SiteNumbers], peak: int) -> list[tuple[int, int, int]]:
    """Bytes, count and number of each stack live at the peak, estimates scaled so that all add up to it.

    The peak is known to the byte, and so are the blocks that were captured for themselves. Samples share what is left
    in the ratio of their weights: a ratio estimator (Cochran, Sampling Techniques, chapter 6), whose sum has no error.
    """
    live = [site for site in sites if site[0] > 0 or site[2] > 0]
    exact = sum([site[1] for site in live])
    estimated = sum([site[0] for site in live]) - exact
    scale = max(peak - exact, 0) / estimated if estimated > 0 else 1.0
    found = []
    for size, certain, count, _, _, number in live:
        scaled = certain + round((size - certain) * scale)
        found.append((scaled, count if scaled == size else max(1, round(count * scaled / size)), number))
    return found


class KnownFrames(dict[int, StackFrame]):
    """The frames that places stand for. Tests of one module have most of theirs in common, so they are kept.

    Args:
        core: The C core.
        ledger: The ledger that the places are of.
    """

    __slots__ = ("_core", "_generation", "_ledger")

    def __init__(self, core: Core, ledger: int) -> None:
        super().__init__()
        self._core = core
        self._ledger = ledger
        self._generation = 0

    def begin(self) -> None:
        """Forget all of them if the core numbers its code objects anew."""
        generation = self._core.generation(self._ledger)
        if generation != self._generation:
            self._generation = generation
            self.clear()

    def end(self) -> None:
        """Forget all of them if they have become many."""
        if len(self) > KEPT_FRAMES:
            self.clear()

    def __missing__(self, place: int) -> StackFrame:
        filename, name = self._core.code(self._ledger, place >> 32)
        frame = self[place] = StackFrame(function_name(name), filename, place & 0xFFFFFFFF)
        return frame


_known: dict[int, KnownFrames] = {}  # by ledger, for the one core that a process has


class SiteReadings:
    """Makes the readings of windows with call stacks.

    Args:
        core: The C core.
        ledger: Which of its ledgers the windows are open on.
    """

    __slots__ = ("_core", "_known", "_ledger")

    def __init__(self, core: Core, ledger: int) -> None:
        self._core = core
        self._ledger = ledger
        self._known = _known.setdefault(ledger, KnownFrames(core, ledger))

    def __call__(self, request: WindowRequest, usage: HeapUsage, sites: list[SiteNumbers], /) -> HeapReading:
        """The reading of a window that has just closed.

        Its sites are the stacks live at the peak, in ``sampled`` detail at most ``SAMPLED_SITES``; those leaked are the
        ones with bytes still live at the end. Either has the largest first.
        """
        self._known.begin()
        limit = None if request.leaks or request.detail == "stacks" else SAMPLED_SITES
        at_peak = self._resolved(calibrated(sites, usage.peak or 0), limit)
        leaked: tuple[AllocationSite, ...] = ()
        if request.leaks:
            live = [(size, count, number) for _, _, _, size, count, number in sites if size > 0 or count > 0]
            leaked = self._resolved(live)
        self._known.end()
        return tuple.__new__(HeapReading, (usage, at_peak, leaked, ""))

    def _resolved(self, found: list[tuple[int, int, int]], limit: int | None = None) -> tuple[AllocationSite, ...]:
        """One site per distinct stack: two calls on one line are two stacks to the core, and one to the reader."""
        found.sort(reverse=True)
        merged: dict[tuple[int, ...] | None, list[int]] = {}
        for size, count, number in found if limit is None else found[: 2 * limit]:
            totals = merged.setdefault(self._places(number), [0, 0])
            totals[0] += size
            totals[1] += count
        largest = sorted(merged.items(), key=_bytes_of_stack, reverse=True)
        return tuple(
            [
                tuple.__new__(AllocationSite, (size, count, self._frames(places)))
                for places, (size, count) in largest[:limit]
            ]
        )

    def _places(self, number: int) -> tuple[int, ...] | None:
        """A stack as code objects and lines, which compare faster than frames; ``None`` for what had no room."""
        return None if number == _NO_ROOM_NUMBER else self._core.places(self._ledger, number)

    def _frames(self, places: tuple[int, ...] | None) -> tuple[StackFrame, ...]:
        if places is None:
            return NO_ROOM
        frames = tuple(map(self._known.__getitem__, places)) or NO_PYTHON
        return frames if _QUALIFIED else enclosing(frames)


def _bytes_of_stack(stack: tuple[object, list[int]]) -> int:
    return stack[1][0]
