"""Keeps what is not the action's out of a memory pass: older garbage, coverage tools, profilers."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_IMMORTALS = 1000
"""More than Python 3.12 freezes by itself: it moves its immortal objects there, some hundred."""


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """Give each pass the same state of collector, free lists and trace hooks, whatever ran before.

    When the collector runs during a pass, and over what, depends on how many objects the process holds, and the
    interpreter's free lists on what it has released: two runs of one function would differ. So everything older is
    set aside (``gc.freeze`` relinks two lists, whatever their length), which makes a full collection of what is left
    cost microseconds; it empties the free lists too, and gives the thresholds the same start. Garbage that the
    action leaves is collected afterwards, while it is still alone.

    Trace and profile functions of coverage tools and debuggers allocate on their own account: they pause.
    """
    with _hooks_paused():
        # With more than these the program has frozen objects itself, and they are to stay frozen.
        setting_aside = gc.get_freeze_count() < _IMMORTALS
        if setting_aside:
            gc.freeze()
        gc.collect()
        try:
            yield
        finally:
            gc.collect()
            if setting_aside:
                gc.unfreeze()


@contextmanager
def _hooks_paused() -> Iterator[None]:
    tracer, profiler = sys.gettrace(), sys.getprofile()
    if tracer is not None:
        sys.settrace(None)
    if profiler is not None:
        sys.setprofile(None)
    try:
        yield
    finally:
        if tracer is not None:
            sys.settrace(tracer)
        if profiler is not None:
            sys.setprofile(profiler)
