"""Cuts pytest's own frames off the call stacks of a test.

Below a test function stand some thirty frames of pytest, pluggy and whatever started them: the same for every test,
of no use to a reader, and in the way of a ``filter_fn`` that looks for a package's name among the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pytest_memory.model import AllocationSite, StackFrame

_CALLS = ("pytest_pyfunc_call", "pytest_runtest_call")
"""The hooks that call a test, the one closer to it first."""

_OURS = str(Path(__file__).parents[1])


def sites_of_test(sites: Iterable[AllocationSite]) -> tuple[AllocationSite, ...]:
    """The sites of a call as its test sees them: without pytest's frames, and without our own bookkeeping.

    Opening and closing a window allocates a few dozen bytes inside it; they are in the counters, and nothing that
    anybody could act upon. A site whose stack does not pass through a hook that calls tests (a thread's) is kept whole.
    """
    return tuple(_cut(sites))


def _cut(sites: Iterable[AllocationSite]) -> Iterator[AllocationSite]:
    for site in sites:
        position = _called_at(site.frames)
        if position is None:
            yield site
        elif not site.frames[position].filename.startswith(_OURS):
            yield replace(site, frames=site.frames[: max(position, 1)])


def _called_at(frames: tuple[StackFrame, ...]) -> int | None:
    """Where the hook that called the test stands; the outermost, because a test may run a pytest of its own."""
    for name in _CALLS:
        for position in range(len(frames) - 1, -1, -1):
            if frames[position].function == name:
                return position
    return None
