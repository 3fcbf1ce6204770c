from collections.abc import Callable

from pytest_memory.engines.base import EngineWindow, HeapReading

class StackedWindow:
    """A window of several that stand inside each other; see stacked.py."""

    running: EngineWindow | None
    reading: HeapReading | None

    def __init__(
        self,
        opened: list[StackedWindow],
        start: Callable[[int], EngineWindow],
        refused: Callable[[RuntimeError | None], HeapReading],
        collector: Callable[[], object] | None,
        nests: bool,
    ) -> None: ...
    def begin(self, seed: int, /) -> None: ...
    def finish(self) -> HeapReading: ...
