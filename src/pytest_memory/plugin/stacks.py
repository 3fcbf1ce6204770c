"""Cuts pytest's own frames off the call stacks of a test.

Below a test function stand some thirty frames of pytest, pluggy and whatever started them: the same for every test,
of no use to a reader, and in the way of a ``filter_fn`` that looks for a package's name among the files. An engine may
leave out most of them itself (:attr:`WindowRequest.outside`); what it left is cut off here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from pytest_memory.model import AllocationSite, StackFrame

_CALLS = ("pytest_pyfunc_call", "pytest_runtest_call")
"""The hooks that call a test, the one closer to it first."""

_OURS = str(Path(__file__).parents[1])


def surrounding_calls() -> int:
    """How many tests are running around the caller: a test may run a pytest of its own in its process."""
    count = 0
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        count += frame.f_code.co_name == _CALLS[0]
        frame = frame.f_back
    return count


def sites_of_test(sites: Iterable[AllocationSite], surrounding: int = 0) -> tuple[AllocationSite, ...]:
    """The sites of a call as its test sees them: without pytest's frames, and without our own bookkeeping.

    Opening and closing a window allocates a few dozen bytes inside it; they are in the counters, and nothing that
    anybody could act upon. A site whose stack does not pass through a hook that calls tests (a thread's) is kept whole.

    Args:
        sites: Those of a call.
        surrounding: What :func:`surrounding_calls` said when the session began.
    """
    cut: list[AllocationSite] = []
    for site in sites:
        size, count, frames = site
        if not surrounding and frames and frames[-1].function == _CALLS[0]:  # the engine has left out what called it
            position: int | None = len(frames) - 1
        else:
            position = _called_at(frames, surrounding)
        if position is None:
            cut.append(site)
        elif not frames[position].filename.startswith(_OURS):
            cut.append(tuple.__new__(type(site), (size, count, frames[: max(position, 1)])))
    return tuple(cut)


def _called_at(frames: tuple[StackFrame, ...], surrounding: int) -> int | None:
    """Where the hook that called the test stands: the outermost one inside the tests around this session.

    Not the innermost, because the test may run a pytest of its own.
    """
    found = []
    for name in _CALLS:
        calls = [position for position in range(len(frames) - 1, -1, -1) if frames[position].function == name]
        if len(calls) > surrounding:
            return calls[surrounding]
        found += calls[:1]
    return found[0] if found else None  # the engine has left out those around this session
