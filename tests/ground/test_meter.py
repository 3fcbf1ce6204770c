"""The meter: windows nest, answer once, never raise, and are counted in its own seconds."""

import gc

import pytest

from pytest_memory.engines.base import Capabilities, HeapReading, WindowRequest
from pytest_memory.engines.none import NoEngine
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import HeapUsage, ResidentUsage

REQUEST = WindowRequest()


class FakeWindow:
    """Answers with the number that the engine gave it when it was opened."""

    def __init__(self, engine, number):
        self.engine = engine
        self.number = number

    def close(self):
        self.engine.log.append(f"close {self.number}")
        return HeapReading(HeapUsage(peak=self.number))


class FakeEngine:
    """Numbers its windows from 1, and writes down what is done to it."""

    name = "fake"

    def __init__(self, nests=True, refuse=""):
        self.capabilities = Capabilities(
            metrics=frozenset({"peak"}),
            granularities=("python",),
            details=("counters",),
            nests=nests,
            cheap=True,
            threads=False,
            captures=False,
        )
        self.refuse = refuse
        self.log = []
        self.opened = 0

    def open(self, request):
        if self.refuse:
            raise WindowRefused(self.refuse, "advice that belongs elsewhere")
        self.opened += 1
        self.log.append(f"open {self.opened}")
        return FakeWindow(self, self.opened)

    def opener(self, request):
        return lambda seed: self.open(request.seeded(seed))

    def stand_aside(self):
        self.log.append("aside")

    def stand_by(self):
        self.log.append("by")

    def notes(self):
        return ()

    def held_bytes(self):
        return 0


class FakeClock:
    """Goes on by one second each time somebody looks."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now


def peak(reading):
    return reading.usage.peak


def test_a_window_gives_what_the_engine_measured():
    """The reading is the engine's own."""
    engine = FakeEngine()
    window = Meter(engine).open_heap(REQUEST)
    assert peak(window.close()) == 1
    assert engine.log == ["open 1", "close 1"]


def test_the_request_reaches_the_engine():
    """What somebody asks for is what the engine is asked."""
    seen = []

    class Listening(FakeEngine):
        def open(self, request):
            seen.append(request)
            return super().open(request)

    request = WindowRequest(granularity="malloc", current_thread_only=True)
    Meter(Listening()).open_heap(request).close()
    assert seen == [request]


def test_a_window_may_be_opened_again():
    """Each time it measures anew, with the seed that it is given."""
    seen = []

    class Listening(FakeEngine):
        def open(self, request):
            seen.append(request.seed)
            return super().open(request)

    engine = Listening()
    window = Meter(engine).heap_window(REQUEST)
    for seed in (7, 8):
        window.open(seed)
        window.close()
    assert peak(window.close()) == 2
    assert seen == [7, 8]
    assert engine.log == ["open 1", "close 1", "open 2", "close 2"]


def test_a_window_opened_again_forgets_its_refusal():
    """What was said of it before is said of it no more."""
    engine = FakeEngine(refuse="busy")
    window = Meter(engine).heap_window(REQUEST)
    window.open()
    assert window.close().unmeasured == "busy"
    engine.refuse = ""
    window.open()
    assert peak(window.close()) == 1


def test_windows_nest():
    """A window inside a window is one of the same engine, and closes first."""
    engine = FakeEngine()
    meter = Meter(engine)
    outer, inner = meter.open_heap(REQUEST), meter.open_heap(REQUEST)
    assert peak(inner.close()) == 2
    assert peak(outer.close()) == 1
    assert engine.log == ["open 1", "open 2", "close 2", "close 1"]


def test_an_inner_window_left_open_ends_with_its_parent():
    """An exception may skip a close; the parent's close ends the window inside first."""
    engine = FakeEngine()
    meter = Meter(engine)
    outer = meter.open_heap(REQUEST)
    meter.open_heap(REQUEST)
    assert peak(outer.close()) == 1
    assert engine.log == ["open 1", "open 2", "close 2", "close 1"]
    assert peak(meter.open_heap(REQUEST).close()) == 3


def test_a_window_closed_twice_answers_the_same():
    """The second close is no second measurement."""
    engine = FakeEngine()
    window = Meter(engine).open_heap(REQUEST)
    assert window.close() == window.close()
    assert engine.log == ["open 1", "close 1"]


def test_a_window_closed_by_its_parent_still_answers():
    """Whoever closes late gets the reading that was taken when the parent ended it."""
    meter = Meter(FakeEngine())
    outer, inner = meter.open_heap(REQUEST), meter.open_heap(REQUEST)
    outer.close()
    assert peak(inner.close()) == 2


def test_closing_late_leaves_other_windows_open():
    """A window that has already ended closes nothing that was opened since."""
    engine = FakeEngine()
    meter = Meter(engine)
    outer, inner = meter.open_heap(REQUEST), meter.open_heap(REQUEST)
    outer.close()
    later = meter.open_heap(REQUEST)
    inner.close()
    assert "close 3" not in engine.log
    assert peak(later.close()) == 3


def test_a_refusal_is_a_reading_with_its_reason():
    """Measuring never costs a test: what the engine refuses closes without numbers and says why."""
    reading = Meter(FakeEngine(refuse="another tool holds the hooks")).open_heap(REQUEST).close()
    assert reading.usage is None
    assert reading.unmeasured == "another tool holds the hooks"


def test_a_refusal_without_its_class_is_one_all_the_same():
    """Short of memory, the class of refusals may not be loadable: the engine says it with what is built in."""
    engine = FakeEngine()

    def refuse(request):
        raise RuntimeError("a table is full")

    engine.open = refuse
    assert Meter(engine).open_heap(REQUEST).close().unmeasured == "a table is full"


@pytest.mark.parametrize("error", [NotImplementedError, RecursionError])
def test_other_errors_are_none(error):
    """What an engine's own mistake raises is no refusal."""
    engine = FakeEngine()

    def fail(request):
        raise error("a mistake")

    engine.open = fail
    with pytest.raises(error):
        Meter(engine).open_heap(REQUEST)


def test_no_engine():
    """With --memory-engine=none every window says so."""
    reading = Meter(NoEngine()).open_heap(REQUEST).close()
    assert reading.unmeasured == "no heap engine is active"


def test_an_engine_that_cannot_nest():
    """The inner window says that the engine cannot nest; the outer one measures on."""
    engine = FakeEngine(nests=False)
    meter = Meter(engine)
    outer, inner = meter.open_heap(REQUEST), meter.open_heap(REQUEST)
    assert inner.close().unmeasured == "the fake engine cannot open a window inside another of its own"
    assert peak(outer.close()) == 1
    assert engine.log == ["open 1", "close 1"]


def test_an_engine_that_cannot_nest_opens_inside_a_refused_window():
    """A window that was refused is in nobody's way."""
    engine = FakeEngine(nests=False, refuse="busy")
    meter = Meter(engine)
    outer = meter.open_heap(REQUEST)
    engine.refuse = ""
    assert peak(meter.open_heap(REQUEST).close()) == 1
    assert outer.close().unmeasured == "busy"


class TestInterrupted:
    """While somebody takes timings no window is open and the engine is off the hot paths."""

    def test_every_window_ends_before_the_engine_stands_aside(self):
        engine = FakeEngine()
        meter = Meter(engine)
        outer, inner = meter.open_heap(REQUEST), meter.open_heap(REQUEST)
        with meter.interrupted("timings were taken"):
            engine.log.append("timing")
        assert engine.log == ["open 1", "open 2", "close 2", "close 1", "aside", "timing", "by"]
        assert inner.close().unmeasured == "timings were taken"
        assert outer.close().unmeasured == "timings were taken"

    def test_a_better_reading_may_take_the_place(self):
        """A benchmark's memory passes answer for the call that was interrupted."""
        meter = Meter(FakeEngine())
        window = meter.open_heap(REQUEST)
        with meter.interrupted("timings were taken"):
            pass
        window.substitute(HeapReading(HeapUsage(peak=77)))
        assert peak(window.close()) == 77

    def test_the_engine_comes_back_after_an_exception(self):
        engine = FakeEngine()
        meter = Meter(engine)
        with pytest.raises(ZeroDivisionError), meter.interrupted("timings were taken"):
            raise ZeroDivisionError
        assert engine.log == ["aside", "by"]
        assert peak(meter.open_heap(REQUEST).close()) == 1


def test_collect_collects_before_the_window_opens_and_before_it_closes(monkeypatch):
    """collect=True keeps garbage from before out of the numbers, and garbage from inside out of what is retained."""
    engine = FakeEngine()
    monkeypatch.setattr(gc, "collect", lambda: engine.log.append("collect"))
    Meter(engine).open_heap(REQUEST, collect=True).close()
    assert engine.log == ["collect", "open 1", "collect", "close 1"]


def test_no_collection_unless_asked(monkeypatch):
    """A garbage collection per test would turn seconds into minutes."""
    monkeypatch.setattr(gc, "collect", lambda: pytest.fail("nobody asked for a collection"))
    Meter(FakeEngine()).open_heap(REQUEST).close()


def test_measuring_seconds():
    """What measuring cost is the time between the two looks at the clock of each open and each close."""
    meter = Meter(FakeEngine(), clock=FakeClock())
    assert meter.measuring_seconds == 0
    meter.open_heap(REQUEST).close()
    assert meter.measuring_seconds == 2
    window = meter.heap_window(REQUEST)
    window.begin(0)
    window.finish()
    assert meter.measuring_seconds == 2


class FakeResident:
    """Resident memory that anybody may set."""

    mode = "exact"

    def open(self):
        return self

    def close(self):
        return ResidentUsage(start=1, end=2, peak=3)


def test_resident_memory():
    """Resident memory is read through the meter too."""
    meter = Meter(NoEngine(), FakeResident(), clock=FakeClock())
    assert meter.open_resident().close() == ResidentUsage(start=1, end=2, peak=3)


def test_resident_memory_left_out():
    """Without a reader there is no window."""
    assert Meter(NoEngine()).open_resident() is None
