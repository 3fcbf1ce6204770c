"""What is done in a process that a test process forked.

A module of its own, because the interpreter never lets go of what is registered with it: whatever that refers to,
such as the globals of another module, would live on while the interpreter ends, and make its last garbage collections
look at all tests again.
"""

from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable


class _IfAlive:
    """Calls a method if its object still lives."""

    __slots__ = ("_method",)

    def __init__(self, method: Callable[[], None]) -> None:
        self._method = weakref.WeakMethod(method)

    def __call__(self) -> None:
        method = self._method()
        if method is not None:
            method()


def call_in_forks(method: Callable[[], None]) -> None:
    """Call a method in each process that is forked from this one while its object lives."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_IfAlive(method))
