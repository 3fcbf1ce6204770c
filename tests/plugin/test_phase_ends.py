"""The two ends of each phase, in C and in Python: the same rules."""

import gc
import subprocess
import sys
import time
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
from pytest_memory.plugin.phase_ends import (
    CALL,
    PASSED_BY,
    SETUP,
    TEARDOWN,
    PythonAttempt,
    PythonPhaseEnds,
    PythonPlanned,
)

try:
    from pytest_memory.plugin import _phase_ends
except ImportError:
    _phase_ends = None

KINDS = [pytest.param((PythonPlanned, PythonAttempt, PythonPhaseEnds), id="Python")]
if _phase_ends is not None:
    KINDS.append(pytest.param((_phase_ends.Planned, _phase_ends.Attempt, _phase_ends.PhaseEnds), id="C"))

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
    """What stands at the ends, and all that they are told and tell."""

    def __init__(self, kinds, *, cheap=True, clock=None, wall=None):
        self.planned_kind, attempt_kind, ends_kind = kinds
        self.log = []
        self.time = 0.0
        self.sizes = ResidentUsage(100, 200, 300)
        self.observer = Observer(self.log)
        self.observers = [self.observer]
        self.planned = self.plan()
        session = self

        class Hooks(ends_kind):
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

        clock = clock or self.clock
        self.ends = Hooks(clock, wall or clock, self.open_resident, self.collect, self.seed, self.observers, cheap)

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
        return self.ends.end(self.ends.begin(item, phase), phase)


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
    item, ends = session.item(), session.ends
    assert session.run(item, SETUP) is None
    assert session.log == ["meet", "enter a 1 f::a", "resident", "begin 0", "finish"]
    session.log.clear()
    attempt = ends.begin(item, CALL)
    assert session.log == ["enter a 2 f::a", "resident"]
    assert ends.open_call_window(item) is windows[CALL] is attempt.window
    ends.close_call_window(windows[CALL])
    assert attempt.window is None
    assert ends.end(attempt, CALL) is None
    assert session.run(item, TEARDOWN) is None
    assert session.log[2:] == ["begin 0", "finish", "enter a 3 f::a", "resident", "begin 0", "finish"]
    assert ends.attempt is attempt
    assert (attempt.item, attempt.nodeid, attempt.location) == (item, "f::a", ("a",))
    assert attempt.plan is session.planned.plan
    expected = {
        phase: (phase, attempt.finished[phase][1], "", HeapUsage(peak=7), session.sizes, (), ()) for phase in PHASES
    }
    assert attempt.finished == expected
    ends.leave()
    assert session.log[-1] == "leave"


def test_seconds(session):
    """A phase is as long as from when all is ready to when it ends; the rest is what measuring took."""
    session.planned = session.plan(Window(session.log), Window(session.log), None)
    item, ends = session.item(), session.ends
    attempt = ends.begin(item, SETUP)  # 1, 2
    session.time = 10
    ends.end(attempt, SETUP)  # 11, 12
    assert attempt.finished["setup"][1] == 11 - 2
    assert ends.measuring_seconds == 2
    ends.open_call_window(item)  # two looks before it opens
    ends.close_call_window(attempt.window)
    assert ends.measuring_seconds == 4


@pytest.mark.parametrize(("cheap", "looks"), [(True, 2), (False, 3)])
def test_the_clock_is_looked_at_inside_the_window_if_that_matters_little(kinds, cheap, looks):
    """What a look leaves behind would count where opening costs nothing."""
    session = Session(kinds, cheap=cheap)
    session.planned = session.plan(None, Window(session.log), None)
    session.ends.begin(session.item(), SETUP)
    session.time = 0
    session.ends.open_call_window(session.ends.attempt.item)
    assert session.time == looks


def test_two_clocks(kinds):
    """In a worker what measuring costs is told by the thread's own time, and how long a test took is not."""
    times = iter([100.0, 107.0])
    session = Session(kinds, wall=lambda: next(times))
    session.planned = session.plan(resident=True)
    session.run(session.item(), SETUP)
    assert session.ends.attempt.finished["setup"][1] == 7
    assert session.ends.measuring_seconds == 2


@pytest.mark.parametrize("measuring", [time.perf_counter, time.thread_time])
def test_the_clocks_that_sessions_have(kinds, measuring):
    """Asked by the interpreter or not, they say the same."""
    session = Session(kinds, clock=measuring, wall=time.perf_counter)
    session.planned = session.plan(resident=True)
    began, measured = time.perf_counter(), measuring()
    attempt = session.ends.begin(session.item(), SETUP)
    time.sleep(0.05)
    session.ends.end(attempt, SETUP)
    assert 0.05 <= attempt.finished["setup"][1] <= time.perf_counter() - began
    assert 0 < session.ends.measuring_seconds <= measuring() - measured


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
    session.ends.leave()
    assert session.log[-2:] == ["leave", "leave"]


def test_an_observer_takes_what_was_used(session):
    """Also of phases of which nothing is kept."""
    session.run(session.item(), SETUP)
    session.observer.takes_usage = True
    session.run(session.item(), SETUP)
    assert session.ends.attempt.finished == {}
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
    session.ends.made_reports = False
    assert session.run(item, SETUP) is None
    session.ends.made_reports = True
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
    attempt = session.ends.begin(item, phase)
    if phase == CALL:
        session.ends.open_call_window(item)
    assert (session.ends.end(attempt, phase) is not None) is more
    assert (PHASES[phase] in attempt.finished) is not more


def test_a_phase_that_was_passed_by(session):
    """A call was to have a window, and nothing opened it; a phase that was not to have one needs no reason."""
    session.planned = session.plan(None, Window(session.log), None, resident=True)
    item = session.item()
    session.run(item, SETUP)
    session.run(item, CALL)
    finished = session.ends.attempt.finished
    assert finished["call"][2:4] == (PASSED_BY, None)
    assert finished["setup"][2:4] == ("", None)


def test_the_reason_of_an_engine_is_kept(session):
    """It says why there are no numbers."""
    window = Window(session.log)
    window.answer = HeapReading(None, unmeasured="refused")
    session.planned = session.plan(window, None, None)
    session.run(session.item(), SETUP)
    assert session.ends.attempt.finished["setup"][2:4] == ("refused", None)


def test_seeds_and_collections(session):
    """A window that samples begins with a seed of the test's and the phase's; garbage is collected before it begins."""
    setup, call = Window(session.log, sampled=True), Window(session.log, sampled=True, collect=True)
    session.planned = session.plan(setup, call, Window(session.log, collect=True))
    item = session.item()
    session.run(item, SETUP)
    session.ends.begin(item, CALL)
    session.ends.open_call_window(item)
    session.ends.end(session.ends.attempt, CALL)
    session.run(item, TEARDOWN)
    said = [line for line in session.log if line.startswith(("begin", "collect"))]
    assert said == ["begin of f::a setup", "collect", "begin of f::a call", "collect", "begin 0"]


def test_a_setup_begins_another_attempt(session):
    """A rerun is one; so is another test whose setup never came."""
    item, other = session.item(), session.item("b")
    session.run(item, SETUP)
    first = session.ends.attempt
    session.run(item, SETUP)
    assert session.ends.attempt is not first
    second = session.ends.attempt
    session.run(item, TEARDOWN)
    assert session.ends.attempt is second
    session.run(other, CALL)
    assert session.ends.attempt.item is other


def test_markers_that_come_late(session):
    """Before the call they make another plan; during the call it is known which plan measured it."""
    item = session.item()
    session.run(item, SETUP)
    item.own_markers.append("before")
    session.log.clear()
    attempt = session.ends.begin(item, CALL)
    assert session.log[0] == "meet"
    item.own_markers.append("during")
    session.planned = session.plan(judged=True)
    assert session.ends.end(attempt, CALL)[0] == "call"
    assert session.log[-1] == "marked meanwhile"
    session.log.clear()
    item.own_markers.append("teardown")
    session.ends.end(session.ends.begin(item, TEARDOWN), TEARDOWN)
    assert "marked meanwhile" not in session.log


def test_tests_alike(session):
    """Of one kind, with one parent, without limits: they have the plan of the first, whoever finds that out."""
    limits, parents = frozenset(["limit"]), [{"own_markers": []}]
    parent = object()

    class Other(SimpleNamespace):
        pass

    def item(kind=SimpleNamespace, parent=parent, markers=()):
        own = [SimpleNamespace(name=name) for name in markers]
        return kind(name="a", nodeid="n", location=(), parent=parent, own_markers=own)

    def meets(item):
        session.log.clear()
        attempt = session.ends.begin(item, SETUP)
        session.ends.end(attempt, SETUP)
        assert attempt.item is item
        assert session.ends.attempt is attempt
        return "meet" in session.log, attempt.plan is usual.plan

    usual = session.planned = session.plan(resident=True)
    assert meets(item()) == (True, True)
    session.ends.expect_alike(session.ends.attempt, parents, limits)
    in_python = isinstance(session.ends, PythonPhaseEnds)
    for _ in range(2):
        assert meets(item()) == (in_python, True)
        assert meets(item(markers=["parametrize", "slow"])) == (in_python, True)
    session.planned = session.plan(judged=True)
    for other in (item(Other), item(parent=object()), item(markers=["slow", "limit"])):
        assert meets(other) == (True, False)
    parents[0]["own_markers"].append(SimpleNamespace(name="limit"))
    assert meets(item()) == (True, False)
    parents[0]["own_markers"].clear()
    again = item()
    assert meets(again) == (in_python, not in_python)
    attempt = session.ends.attempt
    again.own_markers.append(SimpleNamespace(name="slow"))
    session.log.clear()
    assert session.ends.begin(again, CALL) is attempt  # with what it has measured so far
    assert "meet" in session.log


def test_the_call_window(session):
    """Opened for the running test alone; one that a wrapper further out opened is opened anew."""
    ends, item = session.ends, session.item()
    assert ends.open_call_window(item) is None
    ends.close_call_window(None)
    session.run(item, SETUP)
    assert ends.open_call_window(item) is None  # none is planned
    window = Window(session.log)
    session.planned = session.plan(None, window, None)
    session.run(item, SETUP)
    attempt = ends.begin(item, CALL)
    assert ends.open_call_window(session.item("b")) is None
    session.log.clear()
    assert ends.open_call_window(item) is window
    assert ends.open_call_window(item) is window
    assert session.log == ["begin 0", "finish", "begin 0"]
    ends.end(attempt, CALL)  # nobody has closed it
    assert attempt.window is None
    assert attempt.reading is window.answer
    ends.close_call_window(Window(session.log))
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
    assert session.ends.grown is None
    sizes(5000, 1000 + NOTABLE_GROWTH)
    session.run(item, TEARDOWN)
    assert session.ends.grown == ("f::a", 1000 + NOTABLE_GROWTH)
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
    assert session.ends.grown is None


def test_errors_are_not_swallowed(session):
    """Whoever is called may raise: what they raise comes out, and the next phase is measured."""
    window = Window(session.log)
    session.planned = session.plan(window, window, None, resident=True)
    item, ends = session.item(), session.ends

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
    attempt = ends.begin(item, CALL)
    for step in (lambda: ends.open_call_window(item), lambda: ends.close_call_window(window), ends.leave):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(window, "begin", broken)
            patch.setattr(window, "finish", broken)
            patch.setattr(session.observer, "leave", broken)
            with pytest.raises(LookupError, match="broken"):
                step()
    ends.end(attempt, CALL)
    del item.own_markers
    with pytest.raises(KeyError, match="own_markers"):
        ends.begin(item, TEARDOWN)


def test_closing_a_window_that_was_opened_too_early_takes_time(session):
    """It may collect garbage, and that is measuring."""
    window = Window(session.log)
    session.planned = session.plan(None, window, None)
    item, ends = session.item(), session.ends
    ends.begin(item, CALL)
    ends.open_call_window(item)
    before = ends.measuring_seconds
    window.finish = lambda: setattr(session, "time", session.time + 1000)
    ends.open_call_window(item)
    assert ends.measuring_seconds - before > 1000


def test_who_is_called_may_change_what_it_was_called_from(session):
    """An observer leaves the list, an attempt goes, while they are asked something."""

    class Leaving(Observer):
        @property
        def takes_usage(self):
            session.observers.clear()
            return True

        @takes_usage.setter
        def takes_usage(self, value):
            pass

    class Markers(list):
        def __len__(self):
            session.ends.attempt = None
            return 0

    session.observers[:] = [Leaving(session.log)]
    session.observer = None
    item = session.item()
    session.run(item, SETUP)
    assert session.observers == []
    item.own_markers = Markers()
    assert session.ends.begin(item, CALL).item is item


@pytest.mark.skipif(_phase_ends is None, reason="the extension was not built")
def test_what_was_never_made():
    """A subclass may forget to; nothing of it can be used, and nothing breaks."""
    half = _phase_ends.PhaseEnds.__new__(_phase_ends.PhaseEnds)
    for step in (
        lambda: half.begin(1, SETUP),
        lambda: half.end(1, SETUP),
        half.leave,
        lambda: half.open_call_window(1),
        lambda: half.close_call_window(1),
        lambda: half.expect_alike(1, [], frozenset()),
    ):
        with pytest.raises(RuntimeError, match="never called"):
            step()
    assert half.attempt is None
    assert half.measuring_seconds == 0
    with pytest.raises(TypeError, match="item"):
        _phase_ends.Attempt()
    for lacking in (SimpleNamespace(nodeid="n"), 5):
        with pytest.raises(AttributeError):
            _phase_ends.Attempt(lacking)
    with pytest.raises(AttributeError, match="resident"):
        _phase_ends.Planned(5, (None, None, None))


@pytest.mark.skipif(_phase_ends is None, reason="the extension was not built")
def test_what_is_in_use_is_not_made_again():
    """What it holds may be running just then."""
    ends = Session((_phase_ends.Planned, _phase_ends.Attempt, _phase_ends.PhaseEnds)).ends
    with pytest.raises(RuntimeError, match="called before"):
        _phase_ends.PhaseEnds.__init__(ends, None, None, None, None, None, [], True)


@pytest.mark.skipif(_phase_ends is None, reason="the extension was not built")
@pytest.mark.parametrize("first", ["_phase_ends", "phase_ends"])
def test_either_may_be_loaded_first(first):
    """They need each other, and find each other whichever comes first, and when they are loaded once more."""
    code = f"""
import importlib, sys
for _ in range(2):
    importlib.import_module("pytest_memory.plugin.{first}")
    from pytest_memory.plugin import _phase_ends, phase_ends
    assert phase_ends.PhaseEnds is _phase_ends.PhaseEnds and phase_ends.OWN_FRAMES == 0
    for name in [name for name in sys.modules if name.startswith("pytest_memory")]:
        del sys.modules[name]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.skipif(_phase_ends is None, reason="the extension was not built")
def test_what_is_no_attempt():
    """The C way says so, and does not look into it."""
    session = Session((_phase_ends.Planned, _phase_ends.Attempt, _phase_ends.PhaseEnds))
    ends = session.ends
    with pytest.raises(TypeError, match="an Attempt is needed, not int"):
        ends.end(1, SETUP)
    with pytest.raises(TypeError, match="an Attempt is needed, not int"):
        ends.attempt = 1
    attempt = _phase_ends.Attempt(session.item())
    with pytest.raises(RuntimeError, match="follows no plan"):
        ends.end(attempt, SETUP)
    with pytest.raises(TypeError, match="a Planned is needed, not int"):
        attempt.follow(1)
    ends.attempt = attempt
    assert ends.open_call_window(attempt.item) is None
    with pytest.raises(ValueError, match="no phase 3"):
        ends.begin(attempt.item, 3)
    with pytest.raises(ValueError, match="3 phases"):
        _phase_ends.Planned(session.planned.plan, (None,))
    ends.attempt = None
    ends.attempt = session.ends.begin(session.item(), SETUP)
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
    item.ends = session.ends
    item.attempt = session.ends.begin(item, SETUP)
    name = type(session.ends).__qualname__

    def alive():
        gc.collect()
        return sum(type(found).__qualname__ == name for found in gc.get_objects())

    count = alive()
    del session, item
    assert alive() == count - 1
