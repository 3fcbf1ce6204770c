"""The native engine: every allocation counted, to the byte, at a few percent.

The C core beside this file stands in the import tables of all loaded libraries and, from the first window that needs
it, in front of the Python object allocators. This module turns what it counted into the values of ``engines/base.py``.

Windows nest, whatever they ask for: each has its own counters, and windows of different granularity are counted by
separate ledgers. A window inside another may ask for other detail; call stacks captured for one are, where they
belong to it, the other's too.
"""

from __future__ import annotations

import importlib
import platform
import sys
from typing import TYPE_CHECKING, cast

from pytest_memory.engines.base import Capabilities, HeapReading
from pytest_memory.model import HeapUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_memory.engines.base import EngineWindow, WindowRequest
    from pytest_memory.engines.native.core import Core, Stacks
    from pytest_memory.errors import EngineUnavailable


class NativeEngine:
    """Counts allocations in this process with a C extension.

    Raises:
        EngineUnavailable: It cannot run here; the message names the reason.
    """

    name = "native"
    capabilities = Capabilities(
        metrics=frozenset(("peak", "allocated", "allocations", "retained")),
        granularities=("python", "malloc"),
        details=("counters", "sampled", "stacks"),
        nests=True,
        cheap=True,
        threads=True,
        captures=False,
    )

    def __init__(self) -> None:
        self._core = _load()
        self._ledgers = {"python": self._core.PYTHON, "malloc": self._core.MALLOC}

    def open(self, request: WindowRequest) -> EngineWindow:
        """Open a window.

        Raises:
            WindowRefused: Another tool holds the allocation hooks, other interpreters run under which they cannot be
                put in, or a table is full; the message says which.
        """
        return self.opener(request)(request.seed)

    def opener(self, request: WindowRequest) -> Callable[[int], EngineWindow]:
        """What opens windows as a request asks: a function of C, so that nothing of it is allocated inside them."""
        ledger, detail, leaks = self._ledgers[request.granularity], request.detail, request.leaks
        every, limit = detail == "stacks" or leaks, -1
        stacks: Stacks | None = None
        if detail != "counters" or leaks:  # loaded now, since what is imported inside a window counts
            from pytest_memory.engines.native.sites import SAMPLED_SITES, stacks_of

            stacks, limit = stacks_of(self._core, ledger), -1 if every else SAMPLED_SITES
        alone, outside = request.current_thread_only, request.outside
        return self._core.opener(ledger, every, alone, outside, stacks, limit, leaks, request.coarse).open

    def stand_aside(self) -> None:
        """Unhook the Python allocators, if that can be done now. What stays is one load and one branch per call."""
        self._core.aside()

    def stand_by(self) -> None:
        """Nothing to do: the next window that counts Python objects hooks their allocators again."""

    def notes(self) -> tuple[str, ...]:
        """Libraries whose own allocators were not seen."""
        from pytest_memory.engines.native.bypass import bypassing

        unseen = bypassing(self._core.libraries())
        if not unseen:
            return ()
        return (
            f"not seen by the native engine: {', '.join(unseen)}, with allocators of their own; "
            "only what these map in advance counts, so look at rss",
        )

    def held_bytes(self) -> int:
        """Resident memory of the shadow table and the site tables."""
        return self._core.held()


def _load() -> Core:
    """Import the C core and put its hooks in place; a second call changes nothing."""
    if not sys.platform.startswith("linux"):
        raise _unavailable(f"the native engine needs Linux; this is {sys.platform!r}")
    if platform.python_implementation() != "CPython":
        raise _unavailable(f"the native engine needs CPython; this is {platform.python_implementation()}")
    if "t" in getattr(sys, "abiflags", ""):
        raise _unavailable("free-threaded builds of CPython are not supported yet")
    try:
        core = cast("Core", importlib.import_module(f"{__name__}._native"))
    except ImportError as error:
        raise _unavailable(f"its extension was not built, or cannot be loaded: {error}") from None
    try:
        core.install()
    except RuntimeError as error:
        raise _unavailable(str(error)) from None
    core.answers(HeapReading, HeapUsage)
    return core


def _unavailable(problem: str) -> EngineUnavailable:
    """The error for an engine that cannot run here; its class is loaded when there is one."""
    from pytest_memory.errors import EngineUnavailable

    return EngineUnavailable(problem)
