"""Call stacks, and what was allocated by each.

Stacks and their frames are dataclasses because pytest-memray's are, and filters of leaks get them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One frame of a call stack.

    Attributes:
        function: Name of the function; inside a comprehension or lambda that of the enclosing function.
        filename: Path of the source file as the interpreter knows it.
        lineno: Line that was running, from 1.
    """

    function: str
    filename: str
    lineno: int


@dataclass(frozen=True, slots=True)
class Stack:
    """A call stack, most recent call first: what the ``filter_fn`` of ``limit_leaks`` receives."""

    frames: tuple[StackFrame, ...]


class AllocationSite(NamedTuple):
    """One call stack that allocated.

    Attributes:
        bytes: Bytes of this stack that were live at the window's peak (or, among leaks, at its end).
        count: Number of allocations behind them; an estimate in ``sampled`` detail.
        frames: Most recent call first.
    """

    bytes: int
    count: int  # type: ignore[assignment]  # a tuple's own method, which nobody needs here
    frames: tuple[StackFrame, ...]

    @property
    def stack(self) -> Stack:
        """The frames as the value that user code sees."""
        return Stack(self.frames)
