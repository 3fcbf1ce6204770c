"""What ``_following.c`` does, where there was no compiler."""

from __future__ import annotations

from .cells import ABSENT, BRIEF

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .cells import Cells, Item, Reading

_SETUP = 1
_UNREAD = ABSENT, ABSENT, ABSENT


class PythonFollower:
    """See :class:`pytest_memory.recorder.cells.Follower`."""

    __slots__ = (
        "_cells",
        "_item",
        "_nodeid",
        "_phase",
        "_phases",
        "_read_at",
        "_resident",
        "_since",
        "_untouched",
        "_worker",
        "put",
        "read",
    )

    def __init__(self, cells: Cells, worker: str | None) -> None:
        self._cells = cells
        self._worker = worker
        self.put: Callable[[bytes], object] | None = None
        self.read: Callable[[], Reading] | None = None
        self._nodeid: str | None = None
        self._item: Item | None = None
        self._untouched = False
        self._phase = 0
        self._since = 0.0
        self._resident = 0
        self._read_at = 0.0
        self._phases: list[float] = []

    @property
    def running(self) -> bool:
        """See :attr:`Follower.running`."""
        return self._nodeid is not None

    def begin(self, nodeid: str) -> None:
        """See :meth:`Follower.begin`."""
        if self._nodeid is not None:  # nobody said that the one before has ended
            self.finish()
        self._since = self._cells.begin(nodeid)
        self._nodeid = nodeid or None
        self._untouched = True

    def enter(self, item: Item, phase: int, nodeid: str | None = None, /) -> None:
        """See :meth:`Follower.enter`."""
        if phase == _SETUP or item is not self._item:
            self._recognise(item, phase, item.nodeid if nodeid is None else nodeid)
        now = self._since if phase == _SETUP else self._cells.enter(phase)  # a test begins with its setup
        self._untouched = False
        if self.put is None:
            return
        if self._phase:
            self._close(now, self._read(now), None)
        self._phase, self._since = phase, now
        if self.read is not None and now - self._read_at > BRIEF:
            self._read_at = now
            self._resident, _ = self.read()

    def end(self, resident: tuple[int, int, int | None] | None, heap_peak: int | None) -> None:
        """See :meth:`Follower.end`."""
        if self.put is not None:
            now = self._cells.clock()
            self._close(now, self._read(now) if resident is None else resident, heap_peak)

    def finish(self) -> None:
        """See :meth:`Follower.finish`."""
        now = self._cells.enter(0)
        if self.put is not None and self._phase:
            self._close(now, self._read(now), None)
        if self.put is not None and self._phases and self._nodeid is not None:
            phases, self._phases = self._phases, []
            self.put(_frame(self._nodeid, self._worker, phases))
        self._nodeid, self._item = None, None

    def _recognise(self, item: Item, phase: int, nodeid: str) -> None:
        if nodeid != self._nodeid or (phase == _SETUP and not self._untouched):
            self.begin(nodeid)  # a rerun, or a protocol of another plugin
        self._item = item

    def _close(self, now: float, resident: tuple[int, int, int | None], heap_peak: int | None) -> None:
        numbers = (ABSENT if number is None else number for number in (*resident, heap_peak))
        self._phases += (self._phase, self._since, now, *numbers)
        self._phase = 0

    def _read(self, now: float) -> tuple[int, int, int | None]:
        """Resident bytes at the start and at the end of the running phase, and at their highest, for the journal."""
        if self.read is None or now - self._since <= BRIEF:
            return _UNREAD
        start = self._resident
        self._resident, peak = self.read()
        self._read_at = now
        return start, self._resident, None if peak is None else max(start, self._resident, peak)


def _frame(nodeid: str, worker: str | None, phases: Sequence[float]) -> bytes:
    """One test for the journal; where there is none, what packs it is not loaded."""
    from .frames import pack_test
    from .journal import Kind, make_frame

    return make_frame(Kind.TEST, pack_test(nodeid, worker, phases))
