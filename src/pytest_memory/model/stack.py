"""A call stack as user code sees it; few sessions show it one."""

from __future__ import annotations

from dataclasses import dataclass

from .site import StackFrame


@dataclass(frozen=True, slots=True)
class Stack:
    """A call stack, most recent call first: what the ``filter_fn`` of ``limit_leaks`` receives."""

    frames: tuple[StackFrame, ...]
