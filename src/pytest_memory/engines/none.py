"""The engine that measures nothing, for those who want resident memory only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import EngineWindow, WindowRequest


class NoEngine:
    """Refuses every window; never asked by anybody who looks at its capabilities first."""

    name = "none"
    capabilities = Capabilities(
        metrics=frozenset(),
        granularities=("python",),
        details=("counters",),
        nests=True,
        cheap=False,
        threads=False,
        captures=False,
    )

    def open(self, request: WindowRequest) -> EngineWindow:
        """Refuse."""
        from ..errors import WindowRefused

        raise WindowRefused("no heap engine is active", "choose one with --memory-engine")

    def opener(self, request: WindowRequest) -> Callable[[int], EngineWindow]:
        """What opens windows as a request asks."""
        return lambda seed: self.open(request.seeded(seed))

    def stand_aside(self) -> None:
        """Nothing is hooked."""

    def stand_by(self) -> None:
        """Nothing was unhooked."""

    def notes(self) -> tuple[str, ...]:
        """There is nothing to add."""
        return ()

    def held_bytes(self) -> int:
        """Nothing of its own lives in this process."""
        return 0
