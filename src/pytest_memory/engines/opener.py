"""Cuts from a call stack the frames that were already running when the window opened.

A tracker reports whole stacks, some fifty frames of pytest's among them. What a reader wants begins below the frame
that opened the window; counting frames cannot find it, because the engine's own frames stand on the stack too when
the window opens and are gone when the code under test runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

RawFrame = tuple[str, str, int]
"""Function (empty where the tracker does not know it), file and line."""


@dataclass(frozen=True, slots=True)
class Opener:
    """The call stack that opened a window, oldest call first: function and file of each frame."""

    frames: tuple[tuple[str, str], ...]

    @classmethod
    def here(cls) -> Opener:
        """The stack of the caller."""
        frames: list[tuple[str, str]] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            frames.append((frame.f_code.co_name, frame.f_code.co_filename))
            frame = frame.f_back
        return cls(tuple(reversed(frames)))

    def below(self, stack: Sequence[RawFrame]) -> int:
        """How many frames of a stack, most recent first, were called since; at least one if there are any."""
        shared = 0
        for ours, (function, filename, _) in zip(self.frames, reversed(stack), strict=False):
            if filename != ours[1] or (function and function != ours[0]):
                break
            shared += 1
        return max(len(stack) - shared, min(len(stack), 1))

    def cut(self, stack: Sequence[RawFrame], mixed: Sequence[RawFrame] | None = None) -> Sequence[RawFrame]:
        """The part of a stack that was called since the window opened.

        Args:
            stack: Python frames, most recent first.
            mixed: The same frames with native ones among them; the cut is then made there.
        """
        keep = self.below(stack)
        if mixed is None:
            return stack[:keep]
        found = 0
        for position, frame in enumerate(mixed):
            if found == keep:
                return mixed[:position]
            if frame == stack[found]:
                found += 1
        return mixed
