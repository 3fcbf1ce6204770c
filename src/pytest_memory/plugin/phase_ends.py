"""The two ends of each phase of each test, in C where there was a compiler (``_phase_ends.c``).

Each test passes eight of them, and most in the same way: a plan shared with all others, no limit, nothing to tell but
numbers. That way is here. Where something else is to be done, a method is called that :class:`PhaseHooks
<pytest_memory.plugin.phases.PhaseHooks>` has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_memory.model import LARGE_PHASE, NOTABLE_GROWTH, PHASES, PhaseUsage
from pytest_memory.model.activity import ACTIVITIES
from pytest_memory.plugin.transport import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    import pytest

    from pytest_memory.engines.base import HeapReading
    from pytest_memory.instruments.resident import ResidentWindow
    from pytest_memory.meter import Clock, HeapWindow
    from pytest_memory.model import Phase
    from pytest_memory.plugin.plan import Plan
    from pytest_memory.plugin.transport import FinishedPhase, Kept

    Windows = tuple[HeapWindow | None, HeapWindow | None, HeapWindow | None]

    class PhaseObserver(Protocol):
        """Somebody who follows the session phase by phase, such as the flight recorder.

        Attributes:
            takes_usage: Whether the end of a phase is of interest, at the moment.
        """

        takes_usage: bool

        @property
        def enter(self) -> Callable[[pytest.Item, int, str], object]:
            """Told that a phase of an item begins, by its index in ``ACTIVITIES``, and the node id, before all else."""
            ...

        @property
        def leave(self) -> Callable[[], object]:
            """Told that a test is over, when the report of its teardown is made."""
            ...

        def phase_ended(self, usage: PhaseUsage) -> None:
            """A phase has ended, whatever way, and was measured as far as it was planned."""
            ...


__all__ = ["CALL", "OWN_FRAMES", "PASSED_BY", "SETUP", "TEARDOWN", "Attempt", "PhaseEnds", "Planned"]

SETUP, CALL, TEARDOWN = range(len(PHASES))
"""Phases by their place in ``PHASES``."""

PHASE_ACTIVITIES = tuple(ACTIVITIES.index(phase) for phase in PHASES)
"""Their numbers in files."""

PASSED_BY = "this kind of test passes through no hook in which it could be measured"
"""Why a phase that was to have a window has no numbers."""


class PythonPlanned:
    """What is asked of tests, and the heap windows that this takes, to be opened for each that has the plan.

    Args:
        plan: What is asked.
        windows: One for each phase, or ``None``.
    """

    __slots__ = ("asks_anything", "plan", "windows")

    def __init__(self, plan: Plan, windows: Windows) -> None:
        self.plan = plan
        self.windows = windows
        self.asks_anything = plan.resident or plan.judged or any(window is not None for window in windows)


class PythonAttempt:
    """The attempt at a test that is running now.

    Args:
        item: The test.

    Attributes:
        item: The test.
        location: Where it is; all reports of it share this very object.
        nodeid: Its node id, which takes pytest a function call.
        reading: What the heap window of the running phase said.
        window: That window, while it is open.
        finished: Phases that ended and whose report has not been made yet, as :data:`Kept` if that says it all.
    """

    __slots__ = (
        "_attributes",
        "began",
        "finished",
        "item",
        "location",
        "markers",
        "nodeid",
        "planned",
        "reading",
        "resident",
        "start",
        "window",
    )

    planned: PythonPlanned

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self._attributes = vars(item)  # in them its markers are found sooner than by asking for them
        self.nodeid = item.nodeid
        self.location: object = item.location
        self.markers = 0
        self.began = 0.0
        self.resident: ResidentWindow | None = None
        self.start: int | None = None
        self.reading: HeapReading | None = None
        self.window: HeapWindow | None = None
        self.finished: dict[str, FinishedPhase | Kept] = {}

    @property
    def plan(self) -> Plan:
        """What is asked of the test."""
        return self.planned.plan

    def follow(self, planned: PythonPlanned, /) -> None:
        """This is what its markers ask for, as many as there are by now."""
        self.markers = self.count_markers()
        self.planned = planned

    def count_markers(self) -> int:
        """How many markers the test has by now; one that comes later makes a new plan."""
        return len(self._attributes["own_markers"])


class PythonPhaseEnds:
    """Begins and ends the phases of tests, and the heap window of their calls.

    Args:
        clock: Seconds, by which what measuring costs is told.
        wall: Seconds, by which the length of a phase is told.
        open_resident: Opens a window over resident memory.
        collect: Collects garbage.
        seed: Makes the seed of a sample of the node id and the name of the phase.
        observers: Told of the beginning and end of each phase.
        cheap: A look at the clock would count for more than what it takes to open a window.

    Attributes:
        attempt: The attempt at a test that is running now.
        grown: The node id of the test before, and resident bytes when it ended, if it seems to have grown.
        made_reports: Whether reports carry measurements from when they are made; ``None`` if that is not known yet.
        measuring_seconds: What all this took so far.
    """

    __slots__ = (
        "_cheap",
        "_clock",
        "_collect",
        "_observers",
        "_open_resident",
        "_seed",
        "_wall",
        "attempt",
        "grown",
        "made_reports",
        "measuring_seconds",
    )

    if TYPE_CHECKING:

        def meet(self, item: pytest.Item, /) -> PythonAttempt:
            """The attempt at a test, begun if need be, with a plan that knows all markers that it has by now."""

        def marked_meanwhile(self, attempt: PythonAttempt, /) -> None:
            """A test got a marker while its call ran, which was measured by the plan that it had."""

        def let_go(self, resident: int, /) -> None:
            """The test before, which seemed to have grown, is over for pytest too, and so much is resident now."""

        def conclude(self, attempt: PythonAttempt, phase: Phase, usage: PhaseUsage, /) -> FinishedPhase | None:
            """A phase of which somebody will want to know more than numbers; given back if it is to be judged."""

    def __init__(
        self,
        clock: Clock,
        wall: Clock,
        open_resident: Callable[[], ResidentWindow | None],
        collect: Callable[[], object],
        seed: Callable[[str, Phase], int],
        observers: list[PhaseObserver],
        cheap: bool,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._open_resident = open_resident
        self._collect = collect
        self._seed = seed
        self._observers = observers
        self._cheap = cheap
        self.attempt: PythonAttempt | None = None
        self.grown: tuple[str, int] | None = None
        self.made_reports: bool | None = None
        self.measuring_seconds = 0.0

    def begin(self, item: pytest.Item, phase: int, /) -> PythonAttempt:
        """A phase begins. What this takes, our own bookkeeping included, counts as time spent measuring."""
        clock = self._clock
        arrived = clock()
        if phase == SETUP:
            self.attempt = None
        attempt = self.attempt
        if attempt is None or attempt.item is not item or attempt.markers != attempt.count_markers():
            attempt = self.meet(item)
        for observer in self._observers:
            enter = observer.enter
            enter(item, PHASE_ACTIVITIES[phase], attempt.nodeid)
        attempt.reading = None
        open_resident = self._open_resident
        attempt.resident = open_resident() if attempt.plan.resident else None
        window = attempt.planned.windows[phase]
        if window is not None and phase != CALL:
            window.begin(self._take(attempt, window, phase))
        began = clock()
        self.measuring_seconds += began - arrived
        wall = self._wall
        attempt.began = began if wall is clock else wall()
        return attempt

    def end(self, attempt: PythonAttempt, phase: int, /) -> FinishedPhase | None:
        """A phase has ended, whatever way; None if there is nothing for which it could be held to account."""
        clock = self._clock
        arrived = clock()
        wall = self._wall
        over = arrived if wall is clock else wall()
        window = attempt.window
        if window is not None:
            attempt.reading, attempt.window = window.finish(), None
        if phase == CALL and attempt.markers != attempt.count_markers():
            self.marked_meanwhile(attempt)
        reading, open_resident = attempt.reading, attempt.resident
        heap, sites, _, unmeasured = (None, (), (), PASSED_BY) if reading is None else reading
        resident = None
        if open_resident is not None:
            resident = open_resident.close()
            attempt.resident = None  # it holds its reader, which the garbage collector does not see
            if phase == SETUP:
                attempt.start = resident[0]
                if self.grown is not None:
                    self.let_go(resident[0])
            elif phase == TEARDOWN and attempt.start is not None and resident[1] - attempt.start >= NOTABLE_GROWTH:
                self.grown = attempt.nodeid, resident[1]
        planned = attempt.planned
        if planned.windows[phase] is None:
            unmeasured = ""
        usage = named(PhaseUsage, (over - attempt.began, heap, resident, unmeasured))
        for observer in self._observers:
            if observer.takes_usage:
                observer.phase_ended(usage)
        finished = self._settle(attempt, phase, usage, sites) if planned.asks_anything else None
        self.measuring_seconds += clock() - arrived
        return finished

    def _settle(
        self, attempt: PythonAttempt, phase: int, usage: PhaseUsage, sites: tuple[object, ...]
    ) -> FinishedPhase | None:
        seconds, heap, resident, unmeasured = usage
        name = PHASES[phase]
        if sites and phase != CALL and (heap is None or (heap[0] or 0) < LARGE_PHASE):
            sites = ()
        if sites or attempt.plan.judged or self.made_reports:
            return self.conclude(attempt, name, usage)
        # Most phases: as they are packed, but for the kinds of the tuples.
        attempt.finished[name] = name, seconds, unmeasured, heap, resident, (), ()
        return None

    def expect_alike(self, attempt: PythonAttempt, parents: list[dict[str, Any]], limits: frozenset[str], /) -> None:
        """Tests like this one, of its kind, with its parent, and without a limit in a marker, have its plan.

        Of them :meth:`meet` could find out nothing that is new. It is called all the same here; in C it is not.

        Args:
            attempt: One that has the usual plan.
            parents: The attributes of all nodes that its test is in.
            limits: Names of markers.
        """

    def leave(self) -> None:
        """The report of a teardown is made and about to be logged: the test is over."""
        for observer in self._observers:
            leave = observer.leave
            leave()

    def open_call_window(self, item: pytest.Item, /) -> HeapWindow | None:
        """Open the heap window of a call, or open it anew if a wrapper further out opened it too early."""
        attempt = self.attempt
        window = attempt.planned.windows[CALL] if attempt is not None and attempt.item is item else None
        if attempt is None or window is None:
            return None
        clock = self._clock
        arrived = clock()
        if attempt.window is not None:
            attempt.window.finish()
        seed = self._take(attempt, window, CALL)
        # Inside the window another look at the clock would count, if what it needs was not left by this one.
        ready = clock()
        window.begin(seed)
        if not self._cheap:
            ready = clock()
        self.measuring_seconds += ready - arrived
        return window

    def close_call_window(self, window: HeapWindow | None, /) -> None:
        """Close it, keeping what it says for the end of the phase."""
        if window is None:
            return
        clock = self._clock
        arrived = clock()
        reading = window.finish()
        self.measuring_seconds += clock() - arrived
        attempt = self.attempt
        if attempt is not None and attempt.window is window:
            attempt.window, attempt.reading = None, reading

    def _take(self, attempt: PythonAttempt, window: HeapWindow, phase: int) -> int:
        """The heap window of a phase is the attempt's, and about to begin with this seed."""
        attempt.window = window
        make_seed = self._seed
        seed = make_seed(attempt.nodeid, PHASES[phase]) if window.sampled else 0
        if window.collect:
            collect = self._collect
            collect()
        return seed


try:
    from pytest_memory.plugin._phase_ends import Attempt, PhaseEnds, Planned

    OWN_FRAMES = 0
    """How many frames of Python stand between the hook that opens a window and who opens what measures."""
except ImportError:  # there was no compiler
    Attempt, PhaseEnds, Planned = PythonAttempt, PythonPhaseEnds, PythonPlanned  # type: ignore[assignment,misc]
    OWN_FRAMES = 1
