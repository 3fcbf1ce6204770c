"""Memory passes: how many, what runs inside the window and what outside, and how they end."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.engines.base import Capabilities, HeapReading, WindowRequest
from pytest_memory.engines.choose import choose_engine
from pytest_memory.errors import InvalidValue, WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import HeapUsage, Measurement
from pytest_memory.passes import Action, PassPlan, measure_passes

PLAN = PassPlan()


class ScriptedEngine:
    """Answers each window with the next reading, and notes in the diary when windows open and close."""

    name = "scripted"
    capabilities = Capabilities(
        metrics=frozenset(("peak", "allocated", "allocations")),
        granularities=("python",),
        details=("counters",),
        nests=True,
        cheap=False,
        threads=False,
        captures=False,
    )

    def __init__(self, *peaks):
        self.readings = [HeapReading(HeapUsage(peak, 2 * peak, 7)) for peak in peaks]
        self.diary = []
        self.requests = []

    def open(self, request: WindowRequest):
        self.diary.append("open")
        self.requests.append(request)
        return self

    def opener(self, request: WindowRequest):
        return lambda seed: self.open(request.seeded(seed))

    def close(self):
        self.diary.append("close")
        return self.readings.pop(0)

    def stand_aside(self):
        self.diary.append("aside")

    def stand_by(self):
        self.diary.append("by")

    def notes(self):
        return ()

    def held_bytes(self):
        return 0


def run(engine, action=lambda: None, plan=PLAN, **kwargs):
    action = action if isinstance(action, Action) else Action(action)
    return measure_passes(Meter(engine), action, plan, **kwargs)


def test_one_pass_by_default():
    """One pass, one call of the target, no warm-up: a standalone measurement is cold."""
    calls = []
    result = run(ScriptedEngine(5), lambda: calls.append(1))
    assert result.samples == (Measurement(5, 7, 10),)
    assert len(calls) == 1


@pytest.mark.parametrize(("repeats", "passes"), [(3, 3), (1, 1), (0, 1), (-4, 1)])
def test_repeats_is_the_number_of_passes(repeats, passes):
    """Less than one is treated as one."""
    assert run(ScriptedEngine(*[5] * passes), plan=PassPlan(repeats=repeats)).repeats == passes


def test_passes_ask_for_exact_counters():
    """No attribution during a pass, and the granularity of the plan."""
    engine = ScriptedEngine(1)
    run(engine, plan=PassPlan(granularity="malloc"))
    assert [(request.detail, request.granularity) for request in engine.requests] == [("counters", "malloc")]


def test_setup_and_teardown_run_outside_the_window():
    """[S] setup is untracked and runs before every pass; its (args, kwargs) are those of the call and the teardown."""
    engine = ScriptedEngine(1, 1)
    diary = engine.diary

    def setup():
        diary.append("setup")
        return ("a",), {"b": "c"}

    action = Action(
        target=lambda *args, **kwargs: diary.append(("call", args, kwargs)),
        setup=setup,
        teardown=lambda *args, **kwargs: diary.append(("teardown", args, kwargs)),
    )
    run(engine, action, PassPlan(repeats=2))
    given = ("a",), {"b": "c"}
    assert diary == ["setup", "open", ("call", *given), "close", ("teardown", *given)] * 2


def test_a_setup_may_return_nothing():
    """The arguments are then the action's own."""
    seen = []
    run(ScriptedEngine(1), Action(lambda *args: seen.append(args), args=(1, 2), setup=lambda: None))
    assert seen == [(1, 2)]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action(print, args=(1,), setup=lambda: ((2,), {})), "if setup returns the arguments"),
        (Action(print, setup=lambda: "ab c"), r"setup returned 'ab c'; return \(args, kwargs\)"),
    ],
)
def test_a_setup_that_cannot_be_followed(action, message):
    """Arguments from two sides, and something that is not a pair, are errors."""
    with pytest.raises(TypeError, match=message):
        run(ScriptedEngine(1), action)


def test_warmup_runs_before_the_first_pass_unmeasured():
    """Warm-up calls have setup and teardown like any other."""
    engine = ScriptedEngine(1)
    diary = engine.diary
    run(engine, Action(lambda: diary.append("call"), setup=lambda: diary.append("setup")), PassPlan(warmup=2))
    assert diary == ["setup", "call"] * 2 + ["setup", "open", "call", "close"]


def test_calls_are_measured_together():
    """calls=N: one setup, N calls inside one window."""
    engine = ScriptedEngine(1)
    diary = engine.diary
    run(engine, Action(lambda: diary.append("call"), setup=lambda: diary.append("setup")), PassPlan(calls=3))
    assert diary == ["setup", "open", "call", "call", "call", "close"]


@pytest.mark.parametrize(
    ("peaks", "plan", "passes"),
    [
        ([9, 8, 7, 7, 7, 7], PassPlan(repeats=None), 5),  # two stale passes in a row
        ([9, 9, 8, 8, 8], PassPlan(repeats=None), 5),  # one stale pass, then a better one
        ([5, 5, 5], PassPlan(repeats=None), 3),
        ([5, 5], PassPlan(repeats=None, patience=1), 2),
        ([5, 5, 5, 5], PassPlan(repeats=None, patience=1, min_passes=4), 4),
        (list(range(99, 0, -1)), PassPlan(repeats=None), 10),  # it never settles
        (list(range(99, 0, -1)), PassPlan(repeats=None, max_passes=4), 4),
        (list(range(99, 0, -1)), PassPlan(repeats=None, min_passes=5, max_passes=3), 5),
        ([9, 8, 7], PassPlan(repeats=None, max_time=1.0), 2),  # the clock below makes a second of each pass
        ([9, 8, 7], PassPlan(repeats=None, max_time=0.0, min_passes=1), 1),
    ],
)
def test_adaptive_passes(peaks, plan, passes):
    """repeats=None stops when the peak has settled, time is up, or there are enough passes."""
    seconds = iter(range(100))
    result = run(ScriptedEngine(*peaks), plan=plan, clock=lambda: next(seconds) - 1)
    assert result.repeats == passes


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 5), st.integers(1, 12), st.integers(1, 4))
def test_adaptive_passes_always_end(peaks, min_passes, max_passes, patience):
    """Never fewer than min_passes, never more than the larger of min_passes and max_passes."""
    plan = PassPlan(repeats=None, min_passes=min_passes, max_passes=max_passes, patience=patience)
    number = next(n for n in range(1, 100) if plan.enough((peaks * 100)[:n], 0))
    assert min_passes <= number <= max(min_passes, max_passes)


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"warmup": -1}, {"max_time": -1}, {"max_time": float("nan")}])
def test_numbers_that_make_no_sense(wrong):
    """A plan that cannot be carried out is an error at once."""
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        PassPlan(**wrong)


def test_exceptions_propagate_and_close_the_window():
    """The action's own exception reaches the caller, and nothing stays open."""
    engine = ScriptedEngine(1)
    meter = Meter(engine)
    with pytest.raises(ZeroDivisionError):
        measure_passes(meter, Action(lambda: 1 / 0), PLAN)
    assert engine.diary == ["open", "close"]
    assert gc.get_freeze_count() < 1000  # Python 3.12 keeps its immortal objects there


def test_what_could_not_be_measured_is_an_error_with_the_reason():
    """Never a zero, never silence."""
    engine = ScriptedEngine()
    engine.readings = [HeapReading(None, unmeasured="somebody else is tracking")]
    with pytest.raises(WindowRefused, match="somebody else is tracking"):
        run(engine)


def test_a_pass_starts_with_a_settled_collector_and_leaves_it_as_it_was():
    """Older objects are set aside while a pass runs, so that no collection depends on what ran before."""
    older = [[] for _ in range(2000)]
    seen = []
    run(ScriptedEngine(1), lambda: seen.append((gc.get_freeze_count() >= len(older), gc.get_count()[1:])))
    assert seen == [(True, (0, 0))]
    assert gc.get_freeze_count() < 1000  # Python 3.12 keeps its immortal objects there


def test_garbage_of_a_pass_is_collected():
    """Cycles that the action leaves do not pile up from pass to pass."""

    class Node:
        alive = 0

        def __init__(self):
            self.me = self
            Node.alive += 1

        def __del__(self):
            Node.alive -= 1

    gc.disable()
    try:
        run(ScriptedEngine(1, 1), Node, PassPlan(repeats=2))
        assert Node.alive == 0
    finally:
        gc.enable()


def test_objects_that_the_program_froze_stay_frozen():
    """A program that called gc.freeze() finds its objects frozen still; in a process whose threads let go of none."""
    code = """
import gc
from benchmem.test_passes import ScriptedEngine, run
gc.freeze()
count = gc.get_freeze_count()
run(ScriptedEngine(1))
assert gc.get_freeze_count() == count > 0
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True, timeout=60)


def test_tracers_and_profilers_pause():
    """Coverage tools allocate: what they need is not the action's."""
    seen = []
    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(lambda *_: None)
    sys.setprofile(lambda *_: None)
    try:
        run(ScriptedEngine(1), lambda: seen.append((sys.gettrace(), sys.getprofile())))
        still_there = sys.gettrace() is not None and sys.getprofile() is not None
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
    assert seen == [(None, None)]
    assert still_there


@pytest.mark.skipif(choose_engine()[0].name != "native", reason="exact to the byte with the native engine")
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2), {}), ((1,) * 9, {}), ((), {"k": 1, "l": 2}), ((1,), {"k": 2})],
)
def test_a_call_that_allocates_nothing_measures_nothing(args, kwargs):
    """Neither the passes nor the way the arguments are handed over count: peaks are the action's alone."""

    def nothing(a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0, i=0, *, k=0, l=0):  # noqa: E741
        pass

    result = measure_passes(Meter(choose_engine()[0]), Action(nothing, args, kwargs), PassPlan(repeats=2, warmup=1))
    assert result.as_dict() == {"peak_bytes": [0, 0], "allocations": [0, 0], "total_bytes": [0, 0]}


def test_keywords_that_are_no_names_are_handed_over_too():
    """A mapping may hold any text as keyword."""
    seen = []
    run(ScriptedEngine(1), Action(lambda *args, **kwargs: seen.append((args, kwargs)), (1,), {"a b": 2, "class": 3}))
    assert seen == [((1,), {"a b": 2, "class": 3})]


@pytest.mark.skipif(choose_engine()[0].name != "native", reason="exact to the byte with the native engine")
def test_the_depth_of_the_callers_stack_does_not_count():
    """The interpreter allocates room for frames in chunks: none of them falls into a window by chance."""
    meter = Meter(choose_engine()[0])

    def measure(depth):
        if depth:
            return measure(depth - 1)
        return measure_passes(meter, Action([0].__mul__, (1000,)), PLAN).samples

    assert len({measure(depth) for depth in range(200)}) == 1
