"""What is written into a breadcrumb is the same in C and in Python."""

import itertools
import mmap
import struct
import sys
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.recorder.cells import END, NAME_ROOM, NAME_STRIDE, NAMES_AT, STATES_AT, make_cells
from pytest_memory.recorder.cells_python import PythonCells

if sys.platform != "linux":
    pytest.skip("the writer in C is built on Linux", allow_module_level=True)

LAYOUT = STATES_AT, NAMES_AT, NAME_STRIDE, NAME_ROOM
names = st.text(max_size=200) | st.sampled_from(
    ["é" * NAME_ROOM, "x" * NAME_ROOM, "x" * (NAME_ROOM + 1), "\udc80caf\udce9"]
)
activities = st.integers(0, 255)
writes = st.lists(
    st.tuples(st.just("enter"), activities)
    | st.tuples(st.just("begin"), names)
    | st.tuples(st.just("begin"), names, activities)
)


def ticking():
    """A clock that goes on by an odd step each time somebody looks."""
    return itertools.count(1_234.5, 0.1).__next__


@contextmanager
def released(cells):
    """Let go of the memory whatever happens, or closing it would hide what did."""
    try:
        yield cells
    finally:
        cells.release()


def compiled(memory, clock=None):
    return pytest.importorskip("pytest_memory.recorder._cells").Cells(memory, *LAYOUT, clock)


@pytest.fixture(params=[compiled, PythonCells])
def cells(request):
    with mmap.mmap(-1, END) as memory, released(request.param(memory, ticking())) as cells:
        yield cells


@given(writes)
def test_both_leave_the_same_bytes(written):
    """Whatever is written, in any order: the state, its check, the name cut at its room, and the times given back."""
    told = []
    with mmap.mmap(-1, END) as first, mmap.mmap(-1, END) as second:
        for memory, make in ((first, PythonCells), (second, compiled)):
            with released(make(memory, ticking())) as cells:
                told.append([getattr(cells, name)(*arguments) for name, *arguments in written])
        assert told[0] == told[1]
        assert first[:] == second[:]


def test_the_writer_in_c_serves_where_it_was_built():
    """It needs no one to ask for it."""
    with mmap.mmap(-1, END) as memory:
        compiled(memory).release()
        with released(make_cells(memory, time.monotonic)) as cells:
            assert type(cells).__module__ == "pytest_memory.recorder._cells"
            before = time.monotonic()
            assert before <= cells.enter(1) <= time.monotonic()


def test_without_a_compiler_python_writes(monkeypatch):
    """An install without a compiler has breadcrumbs too."""
    monkeypatch.setitem(sys.modules, "pytest_memory.recorder._cells", None)
    with mmap.mmap(-1, END) as memory, released(make_cells(memory, time.monotonic)) as cells:
        assert type(cells) is PythonCells


def test_what_was_let_go_takes_no_more(cells):
    """Nothing is written into memory that may be somebody else's by now."""
    cells.begin("a")
    cells.release()
    cells.release()
    for write in (lambda: cells.begin("b"), lambda: cells.enter(1)):
        with pytest.raises(ValueError, match="the breadcrumb is closed"):
            write()


@pytest.mark.parametrize("activity", [-1, 256])
def test_an_activity_is_one_byte(cells, activity):
    """A number that does not fit is refused, and not cut."""
    with pytest.raises((ValueError, struct.error)):
        cells.enter(activity)


def test_a_name_is_text(cells):
    """Anything else is a mistake of ours."""
    with pytest.raises((TypeError, AttributeError)):
        cells.begin(b"test")


@pytest.mark.parametrize("make", [compiled, PythonCells])
def test_a_clock_that_fails_is_heard(make):
    """What it raises comes out, and no state was written."""

    def broken():
        raise OSError("no clock")

    with mmap.mmap(-1, END) as memory:
        with released(make(memory, broken)) as cells:
            for write in (lambda: cells.enter(1), lambda: cells.begin("a")):
                with pytest.raises(OSError, match="no clock"):
                    write()
        assert not any(memory[:NAMES_AT])


@pytest.mark.parametrize("make", [compiled, PythonCells])
@pytest.mark.parametrize(
    "write", [lambda cells: cells.enter(1), lambda cells: cells.begin("a")], ids=["enter", "begin"]
)
def test_a_breadcrumb_that_is_closed_while_it_is_written(make, write):
    """Whatever runs in between may close it: then it is closed, and no memory is touched that is gone."""
    memory = mmap.mmap(-1, END)

    def closing():
        cells.release()
        memory.close()
        return 7.0

    cells = make(memory, closing)
    with pytest.raises(ValueError, match="closed"):
        write(cells)


def test_the_writer_in_c_takes_what_it_is_given():
    """A word that it does not know is no reason to take another clock."""
    with mmap.mmap(-1, END) as memory, pytest.raises(TypeError, match="no keyword"):
        pytest.importorskip("pytest_memory.recorder._cells").Cells(memory, *LAYOUT, clock=ticking())


@pytest.mark.parametrize(
    "layout", [((-1, 256), 4096, 100, 80), ((192, END), 4096, 100, 80), (STATES_AT, END - 100, 100, 80)]
)
def test_cells_lie_inside_the_memory(layout):
    """A layout that does not fit is refused before anything is written."""
    Cells = pytest.importorskip("pytest_memory.recorder._cells").Cells
    with mmap.mmap(-1, END) as memory, pytest.raises(ValueError, match="do not fit"):
        Cells(memory, *layout)
