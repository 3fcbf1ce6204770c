"""Call stacks, and what was allocated by each.

Stacks and their frames are dataclasses because pytest-memray's are, and filters of leaks get them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .stack import Stack


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
        from .stack import Stack

        return Stack(self.frames)
