"""Windows over the kernel's counters, where ``_kernel.c`` beside this file, which has its own, was not compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import ResidentUsage

if TYPE_CHECKING:
    from .kernel import Kernel
    from .resident import ResidentWindow


class KernelWindows:
    """A stack of windows over the counters, in Python.

    Args:
        kernel: The counters.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._forks = kernel.forks
        self._windows: list[_KernelWindow] = []

    def open(self) -> ResidentWindow:
        """Open a window and reset the high-water mark."""
        if self._windows:
            self._pass_on(self._kernel.read()[1])
        window = _KernelWindow(self, self._kernel.begin())
        self._windows.append(window)
        return window

    def finish(self, window: _KernelWindow) -> ResidentUsage:
        """Close a window and those left open inside it."""
        end, mark = self._kernel.read()
        if window in self._windows:  # it may have ended already, with its parent
            del self._windows[self._windows.index(window) :]
        self._pass_on(mark)
        return ResidentUsage(window.start, end, max(mark, window.highest, window.start))

    def _pass_on(self, mark: int) -> None:
        """Let the open windows know how high the mark stood; in a fork they are its parent's, and it has none."""
        if self._kernel.forks != self._forks:
            self._forks = self._kernel.forks
            self._windows.clear()
        for outer in self._windows:
            outer.highest = max(outer.highest, mark)


class _KernelWindow:
    __slots__ = ("_stack", "highest", "start")

    def __init__(self, stack: KernelWindows, start: int) -> None:
        self._stack = stack
        self.start = start
        self.highest = 0

    def close(self) -> ResidentUsage:
        return self._stack.finish(self)
