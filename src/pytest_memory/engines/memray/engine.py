"""The engine: whether memray can be had here, and what to know of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_memory.engines.base import Capabilities, WindowRequest
from pytest_memory.engines.memray.capture import has_symbols, traces_native
from pytest_memory.engines.memray.window import MemrayWindow
from pytest_memory.errors import EngineUnavailable

if TYPE_CHECKING:
    from pytest_memory.engines.base import EngineWindow

INSTALL = "pip install 'pytest-memory[memray]'"


class MemrayEngine:
    """Measures one window at a time with a memray Tracker.

    Raises:
        EngineUnavailable: memray is not installed, cannot be imported, or does not exist for this platform.
    """

    name = "memray"
    capabilities = Capabilities(
        metrics=frozenset(("peak", "allocated", "allocations", "retained")),
        granularities=("malloc", "python"),
        details=("counters", "sampled", "stacks"),
        nests=False,
        cheap=False,
        threads=True,
        captures=True,
    )

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise EngineUnavailable("memray does not exist for Windows", "use --memory-engine=tracemalloc")
        try:
            import memray
        except ModuleNotFoundError as error:
            if error.name != "memray":
                raise EngineUnavailable(f"memray cannot be imported: {error}", INSTALL) from error
            raise EngineUnavailable("memray is not installed", INSTALL) from error
        except ImportError as error:
            raise EngineUnavailable(f"memray cannot be imported: {error}", f"reinstall it: {INSTALL}") from error
        # Its warnings go to file descriptor 2 in the middle of a test, where a capfd fixture would read them.
        memray.set_log_level(logging.ERROR)  # type: ignore[attr-defined]  # missing from its stubs
        self._version = version("memray")
        self._native_wanted = False

    def open(self, request: WindowRequest) -> MemrayWindow:
        """Start a Tracker.

        Raises:
            WindowRefused: Another Tracker is active in this process, or the capture cannot be written.
        """
        self._native_wanted |= traces_native(request)
        return MemrayWindow(request)

    def opener(self, request: WindowRequest) -> Callable[[int], EngineWindow]:
        """What opens windows as a request asks."""
        return lambda seed: self.open(request.seeded(seed))

    def stand_aside(self) -> None:
        """Memray hooks nothing between windows."""

    def stand_by(self) -> None:
        """Nothing was unhooked."""

    def notes(self) -> tuple[str, ...]:
        """What to know of this engine here."""
        sentences: list[str] = []
        if sys.version_info[:2] == (3, 12) and _version_tuple(self._version) <= (1, 20, 0):
            sentences.append(
                f"memray {self._version} can crash on Python 3.12 when it stops tracking; a newer one does not"
            )
        if self._native_wanted and not has_symbols():
            sentences.append("this Python is stripped of its symbols, so memray cannot show native frames")
        return tuple(sentences)

    def held_bytes(self) -> int:
        """Not known: its bookkeeping lies among the allocations that it tracks."""
        return 0


def _version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
