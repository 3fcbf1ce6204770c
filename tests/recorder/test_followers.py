"""Who follows the tests makes the same frames, and leaves the same breadcrumb, in C and in Python."""

import mmap
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.recorder.cells import END, NAME_ROOM, NAME_STRIDE, NAMES_AT, STATES_AT, make_cells, make_follower
from pytest_memory.recorder.cells_python import PythonCells
from pytest_memory.recorder.following_python import PythonFollower
from pytest_memory.recorder.frames import frames
from pytest_memory.recorder.journal import FIRST_LINE, JournalWriter
from pytest_memory.recorder.reader import unpack_test

if sys.platform != "linux":
    pytest.skip("the writer in C is built on Linux", allow_module_level=True)

SETUP, CALL, TEARDOWN = 1, 2, 3
SIZES = st.integers(0, 2**64 - 2)
names = st.sampled_from(["", "a", "t.py::test_ünï[\udce9]", "x" * (NAME_ROOM + 9)]) | st.text(max_size=90)
usages = st.none() | st.tuples(SIZES, SIZES, st.none() | SIZES)
steps = st.sampled_from([0.0, 5e-5, 1e-4, 2e-4, 3.5])
calls = st.lists(
    st.tuples(st.just("begin"), names)
    | st.tuples(st.just("enter"), st.integers(0, 3), st.sampled_from([SETUP, CALL, TEARDOWN]))
    | st.tuples(st.just("end"), usages, st.none() | SIZES)
    | st.tuples(st.just("finish"))
    | st.tuples(st.just("wait"), steps)
    | st.tuples(st.just("level"), SIZES, st.none() | SIZES)
    | st.tuples(st.just("journal"), st.booleans())
    | st.tuples(st.just("watermark"), st.booleans()),
    max_size=40,
)


class Process:
    """A process whose clock and memory are told what to say."""

    def __init__(self, memory, cells, follower, worker=None):
        self.now = 10.0
        self.level = (0, 0)
        self.frames = []
        self.cells = cells(memory, lambda: self.now)
        self.follower = follower(self.cells, worker)
        self.journal(True)
        self.watermark(True)

    def journal(self, there):
        self.follower.put = self.frames.append if there else None

    def watermark(self, there):
        self.follower.read = (lambda: self.level) if there else None

    def do(self, items, name, *arguments):
        """Do one of the calls; give whether a test is running then."""
        if name == "wait":
            self.now += arguments[0]
        elif name == "level":
            self.level = arguments
        elif name == "enter":
            self.follower.enter(items[arguments[0]], arguments[1])
        elif name in ("journal", "watermark"):
            getattr(self, name)(*arguments)
        else:
            getattr(self.follower, name)(*arguments)
        return self.follower.running


def compiled_cells(memory, clock):
    layout = STATES_AT, NAMES_AT, NAME_STRIDE, NAME_ROOM
    return pytest.importorskip("pytest_memory.recorder._cells").Cells(memory, *layout, clock)


BOTH = [(compiled_cells, make_follower), (PythonCells, PythonFollower)]


@pytest.fixture(params=BOTH, ids=["C", "Python"])
def process(request):
    with mmap.mmap(-1, END) as memory:
        process = Process(memory, *request.param)
        yield process
        process.cells.release()


@given(calls, st.lists(names, min_size=4, max_size=4), st.sampled_from([None, "gw11"]))
def test_both_leave_the_same_frames(done, nodeids, worker):
    """Whatever is called, in any order: the frames, the breadcrumb, and whether a test is running."""
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in nodeids]
    with mmap.mmap(-1, END) as first, mmap.mmap(-1, END) as second:
        memories = first, second
        one, other = (Process(m, *makers, worker) for m, makers in zip(memories, BOTH, strict=True))
        try:
            assert [one.do(items, *call) for call in done] == [other.do(items, *call) for call in done]
            assert one.frames == other.frames
            assert first[:] == second[:]
        finally:
            one.cells.release()
            other.cells.release()


def test_the_follower_in_c_serves_where_the_cells_are_in_c():
    """One extension has both."""
    pytest.importorskip("pytest_memory.recorder._cells")
    with mmap.mmap(-1, END) as memory:
        cells = make_cells(memory, lambda: 1.0)
        assert type(make_follower(cells, None)).__module__ == "pytest_memory.recorder._cells"
        cells.release()


def test_a_frame_is_one_of_the_journal(process, tmp_path):
    """What the follower makes can be appended as it is, and is read back."""
    (tmp_path / "journal").write_bytes(FIRST_LINE)
    process.follower.put = JournalWriter(tmp_path / "journal").put
    process.follower.begin("t.py::test_ünï")
    process.follower.enter(SimpleNamespace(nodeid="t.py::test_ünï"), CALL)
    process.follower.finish()
    (frame,) = frames((tmp_path / "journal").read_bytes()[len(FIRST_LINE) :])
    (span,) = unpack_test(frame.payload)
    assert (span.nodeid, span.activity, span.resident) == ("t.py::test_ünï", "call", None)


def test_very_many_phases_keep_the_first(process):
    """Whatever a plugin's protocol does with a test, it can be packed."""
    item = SimpleNamespace(nodeid="a")
    for place in range(300):
        process.follower.enter(item, CALL)
        process.follower.end((place, 0, None), None)
    process.follower.finish()
    assert process.frames[0][11 + 1] == 255


def test_items_are_let_go_when_their_test_has_ended(process):
    """Nobody's objects live longer for our sake."""
    item = SimpleNamespace(nodeid="a")
    before = sys.getrefcount(item)
    process.follower.enter(item, SETUP)
    process.follower.enter(item, CALL)
    process.follower.finish()
    assert sys.getrefcount(item) == before


@pytest.mark.parametrize("name", ["put", "read"])
def test_what_a_callee_raises_is_heard(process, name):
    """Nothing is swallowed, and the follower goes on."""

    def broken(*_):
        raise OSError(name)

    process.follower.enter(SimpleNamespace(nodeid="a"), CALL)
    setattr(process.follower, name, broken)
    process.now += 1.0
    with pytest.raises(OSError, match=name):
        process.follower.finish()
    setattr(process.follower, name, None)
    process.follower.finish()
    assert not process.follower.running


@pytest.mark.parametrize("name", ["put", "read"])
def test_a_callee_may_call_back(process, name):
    """Who is called while a test ends may take itself away, or begin another: no memory is touched that is gone."""
    follower = process.follower

    def rude(*_):
        setattr(follower, name, None)
        follower.begin("t.py::another" + str(process.now))
        return 1, 2

    follower.enter(SimpleNamespace(nodeid="t.py::" + str(process.now)), CALL)
    setattr(follower, name, rude)
    process.now += 1.0
    follower.finish()
    follower.finish()
    assert not follower.running


def test_the_follower_in_c_takes_what_it_is_given():
    """Anything else is a mistake of ours, told as one."""
    module = pytest.importorskip("pytest_memory.recorder._cells")
    with mmap.mmap(-1, END) as memory:
        cells = compiled_cells(memory, lambda: 1.0)
        for arguments in ((memory, b""), (cells, "text"), (cells,)):
            with pytest.raises(TypeError):
                module.Follower(*arguments)
        with pytest.raises(ValueError, match="255 bytes"):
            module.Follower(cells, b"x" * 256)
        follower = module.Follower(cells, b"")
        with pytest.raises(TypeError):
            follower.begin(b"a")
        with pytest.raises(TypeError):
            follower.enter(None)
        with pytest.raises(AttributeError):
            follower.enter(None, CALL)
        follower.put = print
        for wrong in ((1, 2), 3, (1, 2, "3")):
            with pytest.raises(TypeError):
                follower.end(wrong, None)
        follower.read = lambda: 5
        with pytest.raises(TypeError, match="pair"):
            follower.enter(SimpleNamespace(nodeid="a"), CALL)
        cells.release()


def test_moved_cells_begin_anew():
    """After a fork they write into other memory, as if nothing had been written before."""
    for make in (compiled_cells, PythonCells):
        with mmap.mmap(-1, END) as first, mmap.mmap(-1, END) as second, mmap.mmap(-1, END) as fresh:
            cells = make(first, lambda: 3.0)
            cells.begin("a")
            before = first[:]
            cells.move(second)
            cells.begin("b")
            assert first[:] == before
            other = make(fresh, lambda: 3.0)
            other.begin("b")
            assert second[:] == fresh[:]
            cells.release()
            other.release()


def test_cells_move_only_where_they_fit():
    """A memory that is too small is refused, and they stay where they were."""
    with mmap.mmap(-1, END) as memory, mmap.mmap(-1, 4096) as small:
        cells = compiled_cells(memory, lambda: 3.0)
        with pytest.raises(ValueError, match="do not fit"):
            cells.move(small)
        assert cells.enter(1) == 3.0
        cells.release()
