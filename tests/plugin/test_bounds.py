"""The two ends of each phase, in C and in Python: the same rules."""

import gc
from types import SimpleNamespace

import pytest

from pytest_memory.engines.base import HeapReading
from pytest_memory.model import (
    LARGE_PHASE,
    NOTABLE_GROWTH,
    PHASES,
    AllocationSite,
    HeapUsage,
    PhaseUsage,
    ResidentUsage,
)
from pytest_memory.plugin.bounds import (
    CALL,
    PASSED_BY,
    SETUP,
    TEARDOWN,
    PythonAttempt,
    PythonBounds,
    PythonPlanned,
)

try:
    from pytest_memory.plugin import _bounds
except ImportError:
    _bounds = None

KINDS = [pytest.param((PythonPlanned, PythonAttempt, PythonBounds), id="Python")]
if _bounds is not None:
    KINDS.append(pytest.param((_bounds.Planned, _bounds.Attempt, _bounds.Bounds), id="C"))

SITE = AllocationSite(1, 1, ())


class Window:
    """A heap window that writes down what is done with it."""

    def __init__(self, log, *, sampled=False, collect=False):
        self.log = log
        self.sampled = sampled
        self.collect = collect
        self.answer = HeapReading(HeapUsage(peak=7))

    def begin(self, seed):
        self.log.append(f"begin {seed}")

    def finish(self):
        self.log.append("finish")
        return self.answer


class Observer:
    """Follows the phases, and takes what they used if it is wanted."""

    def __init__(self, log):
        self.takes_usage = False
        self.log = log
        self.taken = []

    def enter(self, item, activity, nodeid):
        self.log.append(f"enter {item.name} {activity} {nodeid}")

    def leave(self):
        self.log.append("leave")

    def phase_ended(self, usage):
        self.taken.append(usage)


class Session:
    """What stands at the bounds, and all that they are told and tell."""

    def __init__(self, kinds, *, cheap=True, wall=None):
        self.planned_kind, attempt_kind, bounds_kind = kinds
        self.log = []
        self.time = 0.0
        self.sizes = ResidentUsage(100, 200, 300)
        self.observer = Observer(self.log)
        self.observers = [self.observer]
        self.planned = self.plan()
        session = self

        class Hooks(bounds_kind):
            """The seldom ways."""

            def meet(self, item):
                session.log.append("meet")
                if self.attempt is None or self.attempt.item is not item:
                    self.attempt = attempt_kind(item)
                self.attempt.follow(session.planned)
                return self.attempt

            def marked_meanwhile(self, attempt):
                session.log.append("marked meanwhile")
                attempt.follow(session.planned)

            def let_go(self, resident):
                session.log.append(f"let go {resident}")
                self.grown = None

            def conclude(self, attempt, phase, usage):
                assert type(usage) is PhaseUsage
                return phase, usage

        clock = self.clock
        self.bounds = Hooks(clock, wall or clock, self.open_resident, self.collect, self.seed, self.observers, cheap)

    def clock(self):
        self.time += 1
        return self.time

    def collect(self):
        self.log.append("collect")

    def seed(self, nodeid, phase):
        return f"of {nodeid} {phase}"

    def open_resident(self):
        self.log.append("resident")
        return SimpleNamespace(close=lambda: self.sizes)

    def plan(self, *windows, resident=False, judged=False):
        plan = SimpleNamespace(resident=resident, judged=judged)
        return self.planned_kind(plan, windows or (None, None, None))

    def item(self, name="a"):
        return SimpleNamespace(name=name, nodeid=f"f::{name}", location=(name,), own_markers=[])

    def run(self, item, phase):
        """One phase, from its beginning to its end."""
        return self.bounds.end(self.bounds.begin(item, phase), phase)


@pytest.fixture(params=KINDS)
def kinds(request):
    return request.param


@pytest.fixture
def session(kinds):
    return Session(kinds)


def test_phases_are_numbered_as_they_run():
    """The numbers by which hooks name them."""
    assert (PHASES[SETUP], PHASES[CALL], PHASES[TEARDOWN]) == ("setup", "call", "teardown")


def test_the_usual_way(session):
    """Setup and teardown are measured from end to end, the call further in; only numbers are kept."""
    windows = [Window(session.log) for _ in PHASES]
    session.planned = session.plan(*windows, resident=True)
    item, bounds = session.item(), session.bounds
    assert session.run(item, SETUP) is None
    assert session.log == ["meet", "enter a 1 f::a", "resident", "begin 0", "finish"]
    session.log.clear()
    attempt = bounds.begin(item, CALL)
    assert session.log == ["enter a 2 f::a", "resident"]
    assert bounds.open_call_window(item) is windows[CALL] is attempt.window
    bounds.close_call_window(windows[CALL])
    assert attempt.window is None
    assert bounds.end(attempt, CALL) is None
    assert session.run(item, TEARDOWN) is None
    assert session.log[2:] == ["begin 0", "finish", "enter a 3 f::a", "resident", "begin 0", "finish"]
    assert bounds.attempt is attempt
    assert (attempt.item, attempt.nodeid, attempt.location) == (item, "f::a", ("a",))
    assert attempt.plan is session.planned.plan
    expected = {
        phase: (phase, attempt.finished[phase][1], "", HeapUsage(peak=7), session.sizes, (), ()) for phase in PHASES
    }
    assert attempt.finished == expected
    bounds.leave()
    assert session.log[-1] == "leave"


def test_seconds(session):
    """A phase is as long as from when all is ready to when it ends; the rest is what measuring took."""
    session.planned = session.plan(Window(session.log), Window(session.log), None)
    item, bounds = session.item(), session.bounds
    attempt = bounds.begin(item, SETUP)  # 1, 2
    session.time = 10
    bounds.end(attempt, SETUP)  # 11, 12
    assert attempt.finished["setup"][1] == 11 - 2
    assert bounds.measuring_seconds == 2
    bounds.open_call_window(item)  # two looks before it opens
    bounds.close_call_window(attempt.window)
    assert bounds.measuring_seconds == 4


@pytest.mark.parametrize(("cheap", "looks"), [(True, 2), (False, 3)])
def test_the_clock_is_looked_at_inside_the_window_if_that_matters_little(kinds, cheap, looks):
    """What a look leaves behind would count where opening costs nothing."""
    session = Session(kinds, cheap=cheap)
    session.planned = session.plan(None, Window(session.log), None)
    session.bounds.begin(session.item(), SETUP)
    session.time = 0
    session.bounds.open_call_window(session.bounds.attempt.item)
    assert session.time == looks


def test_two_clocks(kinds):
    """In a worker what measuring costs is told by the thread's own time, and how long a test took is not."""
    times = iter([100.0, 107.0])
    session = Session(kinds, wall=lambda: next(times))
    session.planned = session.plan(resident=True)
    session.run(session.item(), SETUP)
    assert session.bounds.attempt.finished["setup"][1] == 7
    assert session.bounds.measuring_seconds == 2


def test_the_observer_comes_first_and_may_come_late(session):
    """It is told before anything is measured; the list that it is in is read each time."""
    second = Observer(session.log)
    item = session.item()
    session.run(item, SETUP)
    session.observers.append(second)
    session.log.clear()
    session.planned = session.plan(Window(session.log), None, None)
    session.run(item, SETUP)
    assert session.log == ["meet", "enter a 1 f::a", "enter a 1 f::a", "begin 0", "finish"]
    session.bounds.leave()
    assert session.log[-2:] == ["leave", "leave"]


def test_an_observer_takes_what_was_used(session):
    """Also of phases of which nothing is kept."""
    session.run(session.item(), SETUP)
    session.observer.takes_usage = True
    session.run(session.item(), SETUP)
    assert session.bounds.attempt.finished == {}
    session.planned = session.plan(Window(session.log), None, None, resident=True)
    session.run(session.item(), SETUP)
    nothing, usage = session.observer.taken
    assert nothing == (nothing.seconds, None, None, "")
    assert usage == (usage.seconds, HeapUsage(peak=7), session.sizes, "")
    assert type(usage) is PhaseUsage


def test_what_is_seldom_is_concluded(session):
    """A test that is judged, reports that are followed, and call stacks: more than numbers."""
    item = session.item()
    session.planned = session.plan(judged=True)
    assert session.run(item, SETUP)[0] == "setup"
    session.planned = session.plan(Window(session.log), None, None)
    assert session.run(item, SETUP) is None
    session.bounds.made_reports = False
    assert session.run(item, SETUP) is None
    session.bounds.made_reports = True
    name, usage = session.run(item, SETUP)
    assert (name, usage.heap) == ("setup", HeapUsage(peak=7))


@pytest.mark.parametrize(
    ("phase", "usage", "more"),
    [
        (SETUP, None, False),
        (SETUP, HeapUsage(peak=None), False),
        (SETUP, HeapUsage(peak=LARGE_PHASE - 1), False),
        (SETUP, HeapUsage(peak=LARGE_PHASE), True),
        (TEARDOWN, HeapUsage(peak=2**70), True),
        (CALL, HeapUsage(peak=1), True),
        (CALL, None, True),
    ],
)
def test_call_stacks_of_a_fixture_matter_if_it_is_large(session, phase, usage, more):
    """Those of a call always do."""
    windows = [Window(session.log) for _ in PHASES]
    windows[phase].answer = HeapReading(usage, (SITE,))
    session.planned = session.plan(*windows)
    item = session.item()
    attempt = session.bounds.begin(item, phase)
    if phase == CALL:
        session.bounds.open_call_window(item)
    assert (session.bounds.end(attempt, phase) is not None) is more
    assert (PHASES[phase] in attempt.finished) is not more


def test_a_phase_that_was_passed_by(session):
    """A call was to have a window, and nothing opened it; a phase that was not to have one needs no reason."""
    session.planned = session.plan(None, Window(session.log), None, resident=True)
    item = session.item()
    session.run(item, SETUP)
    session.run(item, CALL)
    finished = session.bounds.attempt.finished
    assert finished["call"][2:4] == (PASSED_BY, None)
    assert finished["setup"][2:4] == ("", None)


def test_the_reason_of_an_engine_is_kept(session):
    """It says why there are no numbers."""
    window = Window(session.log)
    window.answer = HeapReading(None, unmeasured="refused")
    session.planned = session.plan(window, None, None)
    session.run(session.item(), SETUP)
    assert session.bounds.attempt.finished["setup"][2:4] == ("refused", None)


def test_seeds_and_collections(session):
    """A window that samples begins with a seed of the test's and the phase's; garbage is collected before it begins."""
    setup, call = Window(session.log, sampled=True), Window(session.log, sampled=True, collect=True)
    session.planned = session.plan(setup, call, Window(session.log, collect=True))
    item = session.item()
    session.run(item, SETUP)
    session.bounds.begin(item, CALL)
    session.bounds.open_call_window(item)
    session.bounds.end(session.bounds.attempt, CALL)
    session.run(item, TEARDOWN)
    said = [line for line in session.log if line.startswith(("begin", "collect"))]
    assert said == ["begin of f::a setup", "collect", "begin of f::a call", "collect", "begin 0"]


def test_a_setup_begins_another_attempt(session):
    """A rerun is one; so is another test whose setup never came."""
    item, other = session.item(), session.item("b")
    session.run(item, SETUP)
    first = session.bounds.attempt
    session.run(item, SETUP)
    assert session.bounds.attempt is not first
    second = session.bounds.attempt
    session.run(item, TEARDOWN)
    assert session.bounds.attempt is second
    session.run(other, CALL)
    assert session.bounds.attempt.item is other


def test_markers_that_come_late(session):
    """Before the call they make another plan; during the call it is known which plan measured it."""
    item = session.item()
    session.run(item, SETUP)
    item.own_markers.append("before")
    session.log.clear()
    attempt = session.bounds.begin(item, CALL)
    assert session.log[0] == "meet"
    item.own_markers.append("during")
    session.planned = session.plan(judged=True)
    assert session.bounds.end(attempt, CALL)[0] == "call"
    assert session.log[-1] == "marked meanwhile"
    session.log.clear()
    item.own_markers.append("teardown")
    session.bounds.end(session.bounds.begin(item, TEARDOWN), TEARDOWN)
    assert "marked meanwhile" not in session.log


def test_the_call_window(session):
    """Opened for the running test alone; one that a wrapper further out opened is opened anew."""
    bounds, item = session.bounds, session.item()
    assert bounds.open_call_window(item) is None
    bounds.close_call_window(None)
    session.run(item, SETUP)
    assert bounds.open_call_window(item) is None  # none is planned
    window = Window(session.log)
    session.planned = session.plan(None, window, None)
    session.run(item, SETUP)
    attempt = bounds.begin(item, CALL)
    assert bounds.open_call_window(session.item("b")) is None
    session.log.clear()
    assert bounds.open_call_window(item) is window
    assert bounds.open_call_window(item) is window
    assert session.log == ["begin 0", "finish", "begin 0"]
    bounds.end(attempt, CALL)  # nobody has closed it
    assert attempt.window is None
    assert attempt.reading is window.answer
    bounds.close_call_window(Window(session.log))
    assert attempt.reading is window.answer


def test_growth(session):
    """From the beginning of the setup to the end of the teardown; the next setup says what was let go of."""
    session.planned = session.plan(resident=True)
    item = session.item()

    def sizes(start, end):
        session.sizes = ResidentUsage(start, end)

    sizes(1000, 5000)
    session.run(item, SETUP)
    session.run(item, CALL)
    sizes(5000, 999 + NOTABLE_GROWTH)
    session.run(item, TEARDOWN)
    assert session.bounds.grown is None
    sizes(5000, 1000 + NOTABLE_GROWTH)
    session.run(item, TEARDOWN)
    assert session.bounds.grown == ("f::a", 1000 + NOTABLE_GROWTH)
    sizes(77, 88)
    session.run(session.item("b"), SETUP)
    assert session.log[-1] == "let go 77"
    session.run(session.item("c"), SETUP)
    assert session.log[-1] == "resident"


def test_a_teardown_without_a_setup_has_not_grown(session):
    """Another plugin's protocol may skip phases."""
    session.planned = session.plan(resident=True)
    session.sizes = ResidentUsage(0, 2**40)
    session.run(session.item(), TEARDOWN)
    assert session.bounds.grown is None


def test_errors_are_not_swallowed(session):
    """Whoever is called may raise: what they raise comes out, and the next phase is measured."""
    window = Window(session.log)
    session.planned = session.plan(window, window, None, resident=True)
    item, bounds = session.item(), session.bounds

    def broken(*_):
        raise LookupError("broken")

    for owner, name in (
        (session.observer, "enter"),
        (window, "begin"),
        (window, "finish"),
        (session.observer, "phase_ended"),
    ):
        session.observer.takes_usage = name == "phase_ended"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, broken)
            with pytest.raises(LookupError, match="broken"):
                session.run(item, SETUP)
        session.observer.takes_usage = False
        session.run(item, SETUP)
    attempt = bounds.begin(item, CALL)
    for step in (lambda: bounds.open_call_window(item), lambda: bounds.close_call_window(window), bounds.leave):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(window, "begin", broken)
            patch.setattr(window, "finish", broken)
            patch.setattr(session.observer, "leave", broken)
            with pytest.raises(LookupError, match="broken"):
                step()
    bounds.end(attempt, CALL)
    del item.own_markers
    with pytest.raises(KeyError, match="own_markers"):
        bounds.begin(item, TEARDOWN)


@pytest.mark.skipif(_bounds is None, reason="the extension was not built")
def test_what_was_never_made():
    """A subclass may forget to; nothing of it can be used, and nothing breaks."""
    half = _bounds.Bounds.__new__(_bounds.Bounds)
    for step in (
        lambda: half.begin(1, SETUP),
        lambda: half.end(1, SETUP),
        half.leave,
        lambda: half.open_call_window(1),
        lambda: half.close_call_window(1),
    ):
        with pytest.raises(RuntimeError, match="never made"):
            step()
    with pytest.raises(RuntimeError, match="never made"):
        _bounds.Attempt.__new__(_bounds.Attempt).follow(None)
    assert half.attempt is None
    assert half.measuring_seconds == 0


@pytest.mark.skipif(_bounds is None, reason="the extension was not built")
def test_what_is_no_attempt():
    """The C way says so, and does not look into it."""
    session = Session((_bounds.Planned, _bounds.Attempt, _bounds.Bounds))
    bounds = session.bounds
    with pytest.raises(TypeError, match="an Attempt is needed, not int"):
        bounds.end(1, SETUP)
    with pytest.raises(TypeError, match="an Attempt is needed, not int"):
        bounds.attempt = 1
    attempt = _bounds.Attempt(session.item())
    with pytest.raises(RuntimeError, match="follows no plan"):
        bounds.end(attempt, SETUP)
    with pytest.raises(TypeError, match="what is planned"):
        attempt.follow(1)
    bounds.attempt = attempt
    assert bounds.open_call_window(attempt.item) is None
    with pytest.raises(ValueError, match="no phase 3"):
        bounds.begin(attempt.item, 3)
    with pytest.raises(ValueError, match="3 phases"):
        _bounds.Planned(session.planned.plan, (None,))
    bounds.attempt = None
    bounds.attempt = session.bounds.begin(session.item(), SETUP)
    session.sizes = 5
    session.planned = session.plan(resident=True)
    with pytest.raises(TypeError, match="sizes at the start"):
        session.run(session.item(), SETUP)
    window = Window(session.log)
    window.answer = "odd"
    session.planned = session.plan(window, None, None)
    with pytest.raises(TypeError, match="four parts"):
        session.run(session.item(), SETUP)


def test_a_cycle_can_be_collected(kinds):
    """The hooks hold an attempt, which holds a test, which may hold the hooks."""
    session = Session(kinds)
    item = session.item()
    session.planned = session.plan(Window(session.log), None, None, resident=True)
    item.bounds = session.bounds
    item.attempt = session.bounds.begin(item, SETUP)
    name = type(session.bounds).__qualname__

    def alive():
        gc.collect()
        return sum(type(found).__qualname__ == name for found in gc.get_objects())

    count = alive()
    del session, item
    assert alive() == count - 1
