"""Windows of which one may be opened inside another, in C where there was a compiler (``_stacked.c``)."""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engines.base import EngineWindow, HeapReading

__all__ = ["OWN_FRAMES", "PythonStackedWindow", "StackedWindow"]


class PythonStackedWindow:
    """A window that measures nothing itself; closed, it may be opened again.

    Args:
        opened: All that are open, the innermost last.
        start: Opens what measures, given a seed for its sampling.
        refused: Makes the answer of a window that measured nothing: of the error with which ``start`` refused, or of
            ``None`` where it cannot be asked, being inside another. Raises again what is no refusal.
        collector: Collects garbage before what measures is closed; ``None`` if that is not wanted.
        nests: What measures can be opened inside another of its kind.

    Attributes:
        running: What measures, while the window is open.
        reading: The answer.
    """

    __slots__ = ("_collector", "_nests", "_opened", "_refused", "_start", "reading", "running")

    def __init__(
        self,
        opened: list[PythonStackedWindow],
        start: Callable[[int], EngineWindow],
        refused: Callable[[RuntimeError | None], HeapReading],
        collector: Callable[[], object] | None,
        nests: bool,
    ) -> None:
        self._opened = opened
        self._start = start
        self._refused = refused
        self._collector = collector
        self._nests = nests
        self.running: EngineWindow | None = None
        self.reading: HeapReading | None = None

    def begin(self, seed: int, /) -> None:
        """Begin to measure, and no more.

        Args:
            seed: For the sampling.
        """
        opened = self._opened
        outer = opened[-1] if opened else None
        self.reading = None
        opened.append(self)  # before what measures is opened: inside it, what this needs would count
        if outer is not None and not self._nests and outer.running is not None:
            self.reading = self._refused(None)
            return
        start = self._start
        try:
            self.running = start(seed)
        except RuntimeError as refusal:
            self.reading = self._refused(refusal)

    def finish(self) -> HeapReading:
        """End the window, collecting garbage first if it does, and say what was measured inside it."""
        opened = self._opened
        if opened and opened[-1] is not self and self in opened:  # it may have ended already, with its parent
            while opened[-1] is not self:  # left open by an exception: they end with their parent
                opened[-1].finish()
        if self.running is not None and self._collector is not None:
            self._collector()  # what that calls may end the window, and give it its answer
        running = self.running
        if running is not None:
            answer = running.close()
            self.running = None
            if self.reading is None:
                self.reading = answer
        if opened and opened[-1] is self:  # only now: shrinking the list would count as an allocation
            opened.pop()
        if self.reading is None:
            raise RuntimeError("the window was never opened")
        return self.reading


try:
    from ._stacked import StackedWindow

    OWN_FRAMES = 0
    """How many frames of Python stand between who calls ``begin`` and who opens what measures."""
except ImportError:  # there was no compiler
    StackedWindow = PythonStackedWindow  # type: ignore[assignment,misc]
    OWN_FRAMES = 1
