"""The hook wrappers around the phases of a test: where measuring begins and ends.

Setup and teardown are measured by outermost wrappers, so that fixtures are seen. In the call, resident memory is
read by the outermost wrapper, and the heap window is opened by the innermost one: of ``pytest_pyfunc_call`` where
that hook fires, else of ``pytest_runtest_call``. A broken limit is raised inside the phase that broke it
(:mod:`pytest_memory.plugin.judging`), so that xfail, reruns, subtests, ``-x``, ``--lf`` and ``--pdb`` apply by
themselves.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import SESSION_PLUGIN, Hooks
from pytest_memory.model import NOTABLE_GROWTH, PHASES
from pytest_memory.plugin.calls import passes_pyfunc_call
from pytest_memory.plugin.carrying import others_report
from pytest_memory.plugin.markers import MARKS
from pytest_memory.plugin.phase_ends import CALL, SETUP, TEARDOWN, Attempt, PhaseEnds, Planned
from pytest_memory.plugin.plan import Planner, sampling_seed
from pytest_memory.plugin.stacks import sites_of_test, surrounding_calls
from pytest_memory.plugin.transport import FinishedPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_memory.meter import Clock, HeapWindow, Meter
    from pytest_memory.model import Phase, PhaseUsage
    from pytest_memory.plugin.judging import Judge
    from pytest_memory.plugin.phase_ends import PhaseObserver
    from pytest_memory.plugin.plan import Plan
    from pytest_memory.plugin.settings import Settings
    from pytest_memory.plugin.transport import Showcase


class PhaseHooks(PhaseEnds, Hooks):
    """Measures each phase of each test in this process, and has those judged that a limit binds.

    Args:
        settings: The session's.
        meter: Measures.
        observers: Told of the beginning and end of each phase.
        showcase: Keeps the call stacks of the tests that the report shows.
        junit: As in :class:`MadeReports`.
        wall: As in :class:`PhaseEnds`. A default, since a test may exchange what any module has of ``time``.

    Attributes:
        followers: Called with each phase that was held against limits and broke none; what they raise fails the phase.
        when_let_go: Called with the node id of a test, the resident bytes at the end of its teardown, and those when
            pytest had let go of its fixtures' values, if these are less.
    """

    # pluggy looks at the attributes of a plugin, and without slots each access to them is dearer from then on.
    __slots__ = (
        "_judge",
        "_junit",
        "_kind",
        "_meter",
        "_other_kinds",
        "_planned",
        "_planner",
        "_settings",
        "_showcase",
        "_surrounding",
        "followers",
        "when_let_go",
    )

    def __init__(
        self,
        settings: Settings,
        meter: Meter,
        observers: list[PhaseObserver],
        showcase: Showcase,
        *,
        junit: bool = False,
        wall: Clock = time.perf_counter,
    ) -> None:
        capabilities = meter.engine.capabilities
        super().__init__(
            meter.clock, wall, meter.open_resident, gc.collect, sampling_seed, observers, capabilities.cheap
        )
        self._settings = settings
        self._meter = meter
        self._showcase = showcase
        self._junit = junit
        self._planner = Planner(settings, capabilities)
        self._planned = self._planned_for(self._planner.usual)
        self._surrounding = surrounding_calls()
        self._other_kinds = False
        self._kind: type[pytest.Item] | None = None
        self._judge: Judge | None = None
        self.followers: list[Callable[[Attempt, FinishedPhase], None]] = []
        self.when_let_go: Callable[[str, int, int], None] | None = None

    @property
    def measures_heap(self) -> bool:
        """Whether the engine can measure anything."""
        return bool(self._meter.engine.capabilities.metrics)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the setup, all fixtures included."""
        attempt = self.begin(item, SETUP)
        try:
            result = yield
        finally:
            finished = self.end(attempt, SETUP)
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Read resident memory around the call and judge it; the heap is measured further in."""
        others = self._other_kinds
        attempt = self.begin(item, CALL)
        if self._other_kinds is not others:  # the hooks of this call run already, without the one just registered
            self.open_call_window(item)
        try:
            result = yield
        finally:
            finished = self.end(attempt, CALL)
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the teardown."""
        attempt = self.begin(item, TEARDOWN)
        try:
            result = yield
        finally:
            finished = self.end(attempt, TEARDOWN)
        if finished is not None:
            self._judging().hold_to_account(attempt, finished)
        return result

    def no_more_tests(self) -> None:
        """The last test is over, and nobody will read resident memory after it."""
        if self.grown is not None:
            window = self._meter.open_resident()
            if window is not None:
                self.let_go(window.close()[1])

    def let_go(self, resident: int) -> None:
        """The test before, which seemed to have grown, is over for pytest too, and so much is resident now."""
        grown, self.grown = self.grown, None
        if grown is not None and self.when_let_go is not None and grown[1] - resident >= NOTABLE_GROWTH:
            self.when_let_go(*grown, resident)

    def call_window(self) -> HeapWindow | None:
        """The heap window of the running call, or None if none is open."""
        return self.attempt.window if self.attempt is not None else None

    def meet(self, item: pytest.Item) -> Attempt:
        """The attempt at a test, begun if need be, with a plan that knows all markers that it has by now."""
        attempt = self.attempt
        if attempt is None or attempt.item is not item:  # another plugin's protocol may skip phases
            attempt = self.attempt = Attempt(item)
            if type(item) is not self._kind:
                self._meet_kind(item)
        plan = self._planner.plan(item)
        if plan is not self._planned.plan:  # most tests share one
            self._planned = self._planned_for(plan)
        attempt.follow(self._planned)
        if plan is self._planner.expected:
            self.expect_alike(attempt, self._planner.marks.parents, MARKS)
        if plan.judged:
            self._judging()  # what it loads should not be loaded between the windows of a test
        if self.made_reports is None or (plan.judged and not self.made_reports):
            self._watch_reports(item.config, plan)
        return attempt

    def marked_meanwhile(self, attempt: Attempt) -> None:
        """A test got a marker while its call ran, which was measured by the plan that it had."""
        measured_by = attempt.plan
        plan = self.meet(attempt.item).plan
        if plan.judged:
            from pytest_memory.plugin.limited import for_a_measured_call

            attempt.follow(self._planned_for(for_a_measured_call(plan, measured_by)))

    def conclude(self, attempt: Attempt, phase: Phase, usage: PhaseUsage) -> FinishedPhase | None:
        """A phase of which somebody will want to know more than numbers; given back if it is to be judged."""
        finished, reading = FinishedPhase(attempt.nodeid, phase, usage), attempt.reading
        attempt.finished[phase] = finished
        if reading is not None and reading.sites:
            finished.sites = sites_of_test(reading.sites, self._surrounding) if phase == "call" else reading.sites
        if attempt.plan.judged:
            self._judging().judge(attempt, finished)
        if finished.sites:
            self._showcase.consider(finished)
        return finished if attempt.plan.judged else None

    def _meet_kind(self, item: pytest.Item) -> None:
        """Another kind of test than the last one: if it may pass by ``pytest_pyfunc_call``, it needs other hooks."""
        self._kind = type(item)
        if self._other_kinds or passes_pyfunc_call(item) or not self.measures_heap:
            return
        from pytest_memory.plugin.other_kinds import OtherKinds

        item.config.pluginmanager.register(OtherKinds(self), f"{SESSION_PLUGIN}-other-kinds")
        self._other_kinds = True

    def _planned_for(self, plan: Plan) -> Planned:
        """The plan with the windows that it asks for, to be opened for each test that has it."""
        make = self._meter.heap_window
        setup, call, teardown = (
            make(request, collect=phase in plan.collect) if (request := plan.heap.get(phase)) is not None else None
            for phase in PHASES
        )
        return Planned(plan, (setup, call, teardown))

    def _watch_reports(self, config: pytest.Config, plan: Plan) -> None:
        """Reports carry measurements from when they are made, if somebody else makes some, or a limit may fail one."""
        if plan.judged or self._junit or others_report(config.pluginmanager):
            self.follow_reports(config)
        else:
            self.made_reports = False

    def follow_reports(self, config: pytest.Config) -> None:
        """From now on reports carry measurements from the moment at which they are made."""
        from pytest_memory.plugin.made_reports import MadeReports

        self.made_reports = True
        config.pluginmanager.register(MadeReports(self, junit=self._junit), f"{SESSION_PLUGIN}-made-reports")

    def _judging(self) -> Judge:
        """Who judges; loaded when something can fail a phase."""
        if self._judge is None:
            from pytest_memory.plugin.judging import Judge

            self._judge = Judge(self._settings, self._surrounding, self.followers)
        return self._judge
