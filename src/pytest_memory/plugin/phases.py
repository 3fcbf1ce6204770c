"""The hook wrappers around the phases of a test: where measuring begins and ends.

Setup and teardown are measured by outermost wrappers, so that fixtures are seen. In the call, resident memory is
read by the outermost wrapper, and the heap window is opened by the innermost one: of ``pytest_pyfunc_call`` where
that hook fires, else of ``pytest_runtest_call``. A broken limit is raised inside the phase that broke it
(:mod:`pytest_memory.plugin.judging`), so that xfail, reruns, subtests, ``-x``, ``--lf`` and ``--pdb`` apply by
themselves.
"""

from __future__ import annotations

import gc
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import SESSION_PLUGIN, Hooks
from pytest_memory.model import LARGE_PHASE, NOTABLE_GROWTH, PHASES, PhaseUsage
from pytest_memory.model.activity import ACTIVITIES
from pytest_memory.plugin.calls import passes_pyfunc_call
from pytest_memory.plugin.carrying import others_report
from pytest_memory.plugin.plan import NOTHING, Planner, sampling_seed
from pytest_memory.plugin.stacks import sites_of_test, surrounding_calls
from pytest_memory.plugin.transport import FinishedPhase, named

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Protocol

    from pytest_memory.engines.base import HeapReading
    from pytest_memory.instruments.resident import ResidentWindow
    from pytest_memory.meter import HeapWindow, Meter
    from pytest_memory.model import Phase
    from pytest_memory.plugin.judging import Judge
    from pytest_memory.plugin.plan import Plan
    from pytest_memory.plugin.settings import Settings
    from pytest_memory.plugin.transport import Kept, Showcase

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


_ACTIVITY = {phase: ACTIVITIES.index(phase) for phase in PHASES}
_NO_READING = None, (), (), "this kind of test passes through no hook in which it could be measured"


class Attempt:
    """The attempt at a test that is running now.

    Attributes:
        item: The test.
        attributes: Those of the test; in them its markers are found sooner than by asking for them.
        location: Where it is; all reports of it share this very object.
        windows: The heap windows of its phases, to be opened.
        nodeid: Its node id, which takes pytest a function call.
        plan: What is measured of it.
        markers: How many markers it had when the plan was made; one added later makes a new plan.
        began: When the running phase began, in seconds of the hooks' clock.
        resident: The window over resident memory of the running phase.
        start: Resident bytes when its setup began.
        reading: What the heap window of the running phase said.
        window: That window, while it is open.
        finished: Phases that ended and whose report has not been made yet, as :data:`Kept` if that says it all.
    """

    __slots__ = (
        "attributes",
        "began",
        "finished",
        "item",
        "location",
        "markers",
        "nodeid",
        "plan",
        "reading",
        "resident",
        "start",
        "window",
        "windows",
    )

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.attributes = vars(item)
        self.nodeid = item.nodeid
        self.location: object = item.location
        self.plan = NOTHING
        self.windows: Mapping[Phase, HeapWindow] = {}
        self.markers = 0
        self.began = 0.0
        self.resident: ResidentWindow | None = None
        self.start: int | None = None
        self.reading: HeapReading | None = None
        self.window: HeapWindow | None = None
        self.finished: dict[str, FinishedPhase | Kept] = {}


class PhaseHooks(Hooks):
    """Measures each phase of each test in this process, and has those judged that a limit binds.

    Args:
        settings: The session's.
        meter: Measures.
        observers: Told of the beginning and end of each phase.
        showcase: Keeps the call stacks of the tests that the report shows.
        junit: As in :class:`MadeReports`.

    Attributes:
        attempt: The attempt at a test that is running now.
        followers: Called with each phase that was held against limits and broke none; what they raise fails the phase.
        when_let_go: Called with the node id of a test, the resident bytes at the end of its teardown, and those when
            pytest had let go of its fixtures' values, if these are less.
    """

    # pluggy looks at the attributes of a plugin, and without slots each access to them is dearer from then on. What is
    # kept in an attribute to be called is taken out of it first: as a method, the interpreter would look for it in the
    # type each time, and what it remembers of types is gone by the next test of a large suite.
    __slots__ = (
        "_grown",
        "_judge",
        "_junit",
        "_kind",
        "_made_reports",
        "_meter",
        "_observers",
        "_other_kinds",
        "_planner",
        "_settings",
        "_showcase",
        "_surrounding",
        "_wall",
        "_windows",
        "attempt",
        "followers",
        "when_let_go",
    )

    def __init__(
        self,
        settings: Settings,
        meter: Meter,
        observers: Sequence[PhaseObserver],
        showcase: Showcase,
        *,
        junit: bool = False,
    ) -> None:
        self._settings = settings
        self._meter = meter
        self._observers = observers
        self._showcase = showcase
        self._junit = junit
        self._planner = Planner(settings, meter.engine.capabilities)
        self._surrounding = surrounding_calls()
        self._other_kinds = False
        self._kind: type[pytest.Item] | None = None
        self._made_reports: bool | None = None
        self._judge: Judge | None = None
        self._windows = self._windows_of(self._planner.usual)
        self.attempt: Attempt | None = None
        self.followers: list[Callable[[Attempt, FinishedPhase], None]] = []
        self._grown: tuple[str, int] | None = None
        self._wall = perf_counter  # what freezegun replaces in this module would make seconds of what is not
        self.when_let_go: Callable[[str, int, int], None] | None = None

    @property
    def measures_heap(self) -> bool:
        """Whether the engine can measure anything."""
        return bool(self._meter.engine.capabilities.metrics)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the setup, all fixtures included."""
        self.attempt = None
        attempt = self._begin(item, "setup")
        try:
            result = yield
        finally:
            finished = self._end(attempt, "setup")
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Read resident memory around the call and judge it; the heap is measured further in."""
        attempt = self._begin(item, "call")
        try:
            result = yield
        finally:
            finished = self._end(attempt, "call")
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the teardown."""
        attempt = self._begin(item, "teardown")
        try:
            result = yield
        finally:
            finished = self._end(attempt, "teardown")
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    def no_more_tests(self) -> None:
        """The last test is over, and nobody will read resident memory after it."""
        if self._grown is not None:
            window = self._meter.open_resident()
            if window is not None:
                self._let_go(window.close()[1])

    def _let_go(self, resident: int) -> None:
        """The test before, which seemed to have grown, is over for pytest too, and so much is resident now."""
        grown, self._grown = self._grown, None
        if grown is not None and self.when_let_go is not None and grown[1] - resident >= NOTABLE_GROWTH:
            self.when_let_go(*grown, resident)

    def leave(self) -> None:
        """The report of a teardown is made and about to be logged: the test is over."""
        for observer in self._observers:
            leave = observer.leave
            leave()

    def call_window(self) -> HeapWindow | None:
        """The heap window of the running call, or None if none is open."""
        return self.attempt.window if self.attempt is not None else None

    def open_call_window(self, item: pytest.Item) -> HeapWindow | None:
        """Open the heap window of a call, or open it anew if a wrapper further out opened it too early."""
        attempt = self.attempt
        window = attempt.windows.get("call") if attempt is not None and attempt.item is item else None
        if attempt is None or window is None:
            return None
        if attempt.window is not None:
            attempt.window.close()
        attempt.window = window
        window.open(sampling_seed(attempt.nodeid, "call") if window.sampled else 0)
        return window

    def close_call_window(self, window: HeapWindow | None) -> None:
        """Close it, keeping what it says for the end of the phase."""
        if window is None:
            return
        reading = window.close()
        attempt = self.attempt
        if attempt is not None and attempt.window is window:
            attempt.window, attempt.reading = None, reading

    def _begin(self, item: pytest.Item, phase: Phase) -> Attempt:
        """A phase begins. What this takes, our own bookkeeping included, counts as time spent measuring."""
        meter = self._meter
        clock = meter.clock
        arrived = clock()
        attempt, too_late = self.attempt, False
        if attempt is None or attempt.item is not item or attempt.markers != len(attempt.attributes["own_markers"]):
            others = self._other_kinds
            attempt = self._attempt(item)
            too_late = self._other_kinds is not others  # the call's hooks run already, without the one just registered
        for observer in self._observers:
            enter = observer.enter
            enter(item, _ACTIVITY[phase], attempt.nodeid)
        plan = attempt.plan
        attempt.reading = None
        open_resident = meter.open_resident
        attempt.resident = open_resident() if plan.resident else None
        window = attempt.windows.get(phase)
        if window is not None and (phase != "call" or too_late):
            attempt.window = window
            seed = sampling_seed(attempt.nodeid, phase) if window.sampled else 0
            if phase == "call":
                window.open(seed)  # by as many calls as where it opens further in: stacks are cut by their number
            else:
                if window.collect:
                    gc.collect()
                window.begin(seed)
        began = clock()
        meter.measuring_seconds += began - arrived
        wall = self._wall
        attempt.began = began if clock is wall else wall()
        return attempt

    def _attempt(self, item: pytest.Item) -> Attempt:
        """The attempt at a test, begun if need be, with a plan that knows all markers that it has by now."""
        attempt = self.attempt
        if attempt is None or attempt.item is not item:  # another plugin's protocol may skip phases
            attempt = self.attempt = Attempt(item)
            if type(item) is not self._kind:
                self._meet_kind(item)
        attempt.markers = len(attempt.attributes["own_markers"])
        attempt.plan = plan = self._planner.plan(item)
        if plan is not self._windows[0]:  # most tests share a plan, and so the windows
            self._windows = self._windows_of(plan)
        attempt.windows = self._windows[1]
        if plan.judged:
            self._judging()  # what it loads should not be loaded between the windows of a test
        if not self._made_reports:
            self._watch_reports(item.config, plan)
        return attempt

    def _marked_meanwhile(self, attempt: Attempt) -> Plan:
        """The plan of a test that got a marker while its call ran, which was measured by the plan that it had."""
        measured_by = attempt.plan
        plan = self._attempt(attempt.item).plan
        if plan.judged:
            from pytest_memory.plugin.limited import for_a_measured_call

            plan = attempt.plan = for_a_measured_call(plan, measured_by)
        return plan

    def _meet_kind(self, item: pytest.Item) -> None:
        """Another kind of test than the last one: if it may pass by ``pytest_pyfunc_call``, it needs other hooks."""
        self._kind = type(item)
        if self._other_kinds or passes_pyfunc_call(item) or not self.measures_heap:
            return
        from pytest_memory.plugin.other_kinds import OtherKinds

        item.config.pluginmanager.register(OtherKinds(self), f"{SESSION_PLUGIN}-other-kinds")
        self._other_kinds = True

    def _windows_of(self, plan: Plan) -> tuple[Plan, Mapping[Phase, HeapWindow]]:
        """The windows that a plan asks for, to be opened for each test that has it."""
        make = self._meter.heap_window
        return plan, {phase: make(request, collect=phase in plan.collect) for phase, request in plan.heap.items()}

    def _watch_reports(self, config: pytest.Config, plan: Plan) -> None:
        """Reports carry measurements from when they are made, if somebody else makes some, or a limit may fail one."""
        if plan.judged or (self._made_reports is None and (self._junit or others_report(config.pluginmanager))):
            self.follow_reports(config)
        elif self._made_reports is None:
            self._made_reports = False

    def follow_reports(self, config: pytest.Config) -> None:
        """From now on reports carry measurements from the moment at which they are made."""
        from pytest_memory.plugin.made_reports import MadeReports

        self._made_reports = True
        config.pluginmanager.register(MadeReports(self, junit=self._junit), f"{SESSION_PLUGIN}-made-reports")

    def _end(self, attempt: Attempt, phase: Phase) -> FinishedPhase | None:
        """A phase has ended, whatever way; None if there is nothing for which it could be held to account."""
        meter = self._meter
        clock = meter.clock
        arrived = clock()
        wall = self._wall
        ended = arrived if clock is wall else wall()
        window = attempt.window
        if window is not None:
            attempt.reading, attempt.window = window.finish(), None
        plan, reading, open_resident = attempt.plan, attempt.reading, attempt.resident
        if phase == "call" and attempt.markers != len(attempt.attributes["own_markers"]):
            plan = self._marked_meanwhile(attempt)
        heap, sites, _, unmeasured = _NO_READING if reading is None else reading[:]  # a slice is unpacked sooner
        resident = None
        if open_resident is not None:
            resident = open_resident.close()
            attempt.resident = None  # it holds its reader, which the garbage collector does not see
            if phase == "setup":
                attempt.start = resident[0]
                if self._grown is not None:
                    self._let_go(resident[0])
            elif phase == "teardown" and attempt.start is not None and resident[1] - attempt.start >= NOTABLE_GROWTH:
                self._grown = attempt.nodeid, resident[1]
        if phase not in plan.heap:
            unmeasured = ""
        seconds = ended - attempt.began
        for observer in self._observers:
            if observer.takes_usage:
                observer.phase_ended(named(PhaseUsage, (seconds, heap, resident, unmeasured)))
        if plan is NOTHING:
            return None
        judged, finished = plan.judged, None
        if sites and phase != "call" and not judged and (heap is None or (heap[0] or 0) < LARGE_PHASE):
            sites = ()
        if judged or sites or self._made_reports:
            usage = named(PhaseUsage, (seconds, heap, resident, unmeasured))
            finished = attempt.finished[phase] = self._finish(attempt, phase, usage)
        else:  # most phases: as they are packed, but for the kinds of the tuples
            attempt.finished[phase] = phase, seconds, unmeasured, heap, resident, (), ()
        meter.measuring_seconds += clock() - arrived
        return finished if judged else None

    def _finish(self, attempt: Attempt, phase: Phase, usage: PhaseUsage) -> FinishedPhase:
        """What somebody will want to know more of."""
        finished, reading = FinishedPhase(attempt.nodeid, phase, usage), attempt.reading
        if reading is not None and reading.sites:
            finished.sites = sites_of_test(reading.sites, self._surrounding) if phase == "call" else reading.sites
        if attempt.plan.judged:
            self._judging().judge(attempt, finished)
        if finished.sites:
            self._showcase.consider(finished)
        return finished

    def _judging(self) -> Judge:
        """Who judges; loaded when something can fail a phase."""
        if self._judge is None:
            from pytest_memory.plugin.judging import Judge

            self._judge = Judge(self._settings, self._surrounding, self.followers)
        return self._judge
