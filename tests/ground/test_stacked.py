"""Windows inside each other, in C and in Python: the same rules."""

import gc

import pytest

from pytest_memory.stacked import PythonStackedWindow

try:
    from pytest_memory._stacked import StackedWindow
except ImportError:
    StackedWindow = None

KINDS = [pytest.param(PythonStackedWindow, id="Python")]
if StackedWindow is not None:
    KINDS.append(pytest.param(StackedWindow, id="C"))


class Refused(RuntimeError):
    """What opens may refuse."""


class Running:
    """What measures, as an engine's window does."""

    def __init__(self, log, seed):
        self.log = log
        self.seed = seed
        log.append(f"open {seed}")

    def close(self):
        self.log.append(f"close {self.seed}")
        return self.seed


class Slow(Running):
    """Another kind of the same."""

    def close(self):
        self.log.append("slowly")
        return super().close()


class Stack:
    """Some windows, and what happened."""

    def __init__(self, kind, nests=True):
        self.kind = kind
        self.nests = nests
        self.log = []
        self.opened = []
        self.measures = Running

    def start(self, seed):
        if isinstance(seed, BaseException):
            raise seed
        return self.measures(self.log, seed)

    def refused(self, error):
        if error is not None and not isinstance(error, Refused):
            raise error
        return f"refused: {error}"

    def window(self, collector=None):
        return self.kind(self.opened, self.start, self.refused, collector, self.nests)


@pytest.fixture(params=KINDS)
def stack(request):
    return Stack(request.param)


def test_a_window_answers_with_what_was_measured(stack):
    """Opened anew it answers anew; what measures may be of another kind then."""
    window = stack.window()
    window.begin(1)
    assert stack.opened == [window]
    assert window.running.seed == 1
    assert (window.finish(), window.running, window.reading) == (1, None, 1)
    assert window.finish() == 1  # nothing is closed twice
    stack.measures = Slow
    window.begin(2)
    assert window.finish() == 2
    stack.measures = Running
    window.begin(3)
    assert window.finish() == 3
    assert stack.opened == []
    assert stack.log == ["open 1", "close 1", "open 2", "slowly", "close 2", "open 3", "close 3"]


def test_windows_left_open_inside_end_with_their_parent(stack):
    """An exception has passed by; each says what it measured all the same."""
    outer, middle, inner = (stack.window() for _ in range(3))
    for number, window in enumerate((outer, middle, inner)):
        window.begin(number)
    assert outer.finish() == 0
    assert stack.log[3:] == ["close 2", "close 1", "close 0"]
    assert [window.finish() for window in (inner, middle)] == [2, 1]
    assert stack.opened == []
    assert len(stack.log) == 6


def test_one_that_ended_with_its_parent_leaves_others_open(stack):
    """To finish it again closes nothing that was opened since."""
    outer, inner, later = (stack.window() for _ in range(3))
    outer.begin(0)
    inner.begin(1)
    outer.finish()
    later.begin(2)
    assert inner.finish() == 1
    assert stack.opened == [later]
    assert later.finish() == 2


def test_a_refusal_is_an_answer(stack):
    """Any other error is none."""
    window = stack.window()
    window.begin(Refused("busy"))
    assert stack.opened == [window]
    assert window.finish() == "refused: busy"
    assert stack.opened == []
    for error in (RuntimeError("broken"), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            window.begin(error)
        stack.opened.clear()
    assert stack.log == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_nest_is_not_asked_inside(kind):
    """Only what measures is in the way: inside a window that was refused it may be asked."""
    stack = Stack(kind, nests=False)
    outer, inner = stack.window(), stack.window()
    outer.begin(1)
    inner.begin(2)
    assert inner.finish() == "refused: None"
    assert outer.finish() == 1
    outer.begin(Refused("busy"))
    inner.begin(3)
    assert inner.finish() == 3
    assert outer.finish() == "refused: busy"


def test_garbage_is_collected_before_the_end(stack):
    """A collector that fails is heard; the window is still open then."""
    window = stack.window(lambda: stack.log.append("collect"))
    window.begin(1)
    window.finish()
    window.finish()
    assert stack.log == ["open 1", "collect", "close 1"]
    broken = stack.window(lambda: 1 / 0)
    broken.begin(2)
    with pytest.raises(ZeroDivisionError):
        broken.finish()
    assert stack.opened == [broken]


def test_a_collection_may_end_the_window(stack):
    """A finaliser closes it, or ends it for good (:meth:`Meter.end_windows`)."""
    windows = []

    def collector():
        if windows:
            windows.pop().finish()

    window = stack.window(collector)
    window.begin(1)
    windows.append(window)
    assert window.finish() == 1
    assert stack.log == ["open 1", "close 1"]

    def ender():
        ended.running.close()
        ended.running = None
        ended.reading = "ended"

    ended = stack.window(ender)
    ended.begin(2)
    assert ended.finish() == "ended"
    assert stack.opened == []
    assert stack.log[2:] == ["open 2", "close 2"]


def test_an_answer_that_was_given_stands(stack):
    """What was measured by then is closed and forgotten (:meth:`HeapWindow.substitute`)."""
    window = stack.window()
    window.begin(1)
    window.reading = "better"
    assert window.finish() == "better"
    assert stack.log == ["open 1", "close 1"]


def test_a_window_that_was_never_opened(stack):
    """There is nothing to say."""
    with pytest.raises(RuntimeError, match="never opened"):
        stack.window().finish()


@pytest.mark.skipif(StackedWindow is None, reason="the extension was not built")
def test_a_window_that_was_never_made():
    """A subclass may forget to."""
    half = StackedWindow.__new__(StackedWindow)
    with pytest.raises(RuntimeError, match="never made"):
        half.begin(1)
    with pytest.raises(RuntimeError, match="never made"):
        half.finish()
    with pytest.raises(TypeError):
        half.__init__((), None, None, None, True)


def test_a_cycle_can_be_collected(stack):
    """The window holds what holds the window."""

    class Held(stack.kind):
        __slots__ = ("__weakref__",)

    window = Held(stack.opened, stack.start, stack.refused, None, True)
    window.begin(1)
    window.running.log.append(window)
    gc.collect()
    alive = sum(isinstance(found, Held) for found in gc.get_objects())
    stack.opened.clear()
    stack.log.clear()
    cycle = [window]
    window.reading = cycle
    del window, cycle
    gc.collect()
    assert sum(isinstance(found, Held) for found in gc.get_objects()) == alive - 1
