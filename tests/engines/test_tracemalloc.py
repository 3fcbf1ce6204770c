"""The portable fallback."""

import subprocess
import sys
import tracemalloc

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.tracemalloc import TracemallocEngine
from pytest_memory.errors import WindowRefused

KEPT = []


@pytest.fixture(autouse=True)
def nobody_traces():
    if tracemalloc.is_tracing():
        pytest.skip("this run itself is traced")
    yield
    KEPT.clear()
    tracemalloc.stop()


def test_peak_and_retained_are_exact_and_the_rest_is_unknown():
    """What it cannot give is None, never 0."""
    window = TracemallocEngine().open(WindowRequest())
    gone = bytearray(2_000_000)
    del gone
    KEPT.append(bytearray(300_000))
    usage = window.close().usage
    assert 2_000_000 < usage.peak < 2_010_000
    assert 300_000 < usage.retained < 310_000
    assert (usage.allocated, usage.allocations) == (None, None)
    assert not tracemalloc.is_tracing()


def test_memory_older_than_the_window_does_not_count():
    """Freeing it inside the window lowers nothing."""
    older = [bytearray(1_000_000)]
    window = TracemallocEngine().open(WindowRequest())
    older.clear()
    block = bytearray(400_000)
    reading = window.close()
    assert len(block) < reading.usage.peak < 410_000


def test_leaks_name_the_stack_with_functions():
    """The frames of a leak lead from the allocation outwards, each with the name of its function."""

    def leak():
        KEPT.append(bytearray(500_000))

    def work():
        leak()

    window = TracemallocEngine().open(WindowRequest(leaks=True))
    work()
    site = window.close().leaked[0]
    assert site.bytes >= 500_000
    assert [frame.function for frame in site.frames] == ["leak", "work"]


def test_what_the_window_itself_keeps_is_no_leak():
    reading = TracemallocEngine().open(WindowRequest(leaks=True)).close()
    assert reading.usage.retained < 1000
    assert sum(site.bytes for site in reading.leaked) < 1000


def test_frames_without_source_have_no_function():
    """tracemalloc knows files and lines alone: where no source can be read, no name is made up."""

    def leak():
        exec(compile("kept.append(bytearray(500_000))", "<nowhere>", "exec"), {"kept": KEPT})

    window = TracemallocEngine().open(WindowRequest(leaks=True))
    leak()
    inner, outer = window.close().leaked[0].frames[:2]
    assert (inner.function, inner.filename) == ("?", "<nowhere>")
    assert outer.function == "leak"


def test_naming_leaks_looks_at_each_line_once_and_traces_nothing(monkeypatch):
    """A test that imports leaves thousands of stacks, which share their lines; naming makes many objects."""
    asked = []

    def naming(filename, lineno):
        asked.append((filename, lineno, tracemalloc.is_tracing()))
        return "name"

    def deep(levels):
        if levels:
            deep(levels - 1)
        KEPT.append(bytearray(1000))

    monkeypatch.setattr("pytest_memory.engines.tracemalloc.enclosing_function", naming)
    window = TracemallocEngine().open(WindowRequest(leaks=True))
    deep(50)
    leaked = window.close().leaked
    assert len(leaked) > 50
    assert sum(len(site.frames) for site in leaked) > 1000
    assert len(set(asked)) == len(asked) < 20
    assert sorted(asked) == asked
    assert not any(tracing for _, _, tracing in asked)


def test_a_session_of_somebody_else_goes_on_undisturbed():
    """Measuring would reset their peak: the window is refused and tracing goes on."""
    tracemalloc.start()
    block = bytearray(1_000_000)
    del block
    before = tracemalloc.get_traced_memory()[1]
    with pytest.raises(WindowRefused, match="already tracing for somebody else"):
        TracemallocEngine().open(WindowRequest())
    assert tracemalloc.is_tracing()
    assert tracemalloc.get_traced_memory()[1] >= before >= 1_000_000


def test_a_test_that_stops_tracing_is_not_measured():
    """The figures are gone with the session; the reading says why."""
    window = TracemallocEngine().open(WindowRequest())
    tracemalloc.stop()
    reading = window.close()
    assert reading.usage is None
    assert "tracemalloc.stop()" in reading.unmeasured


def test_one_thread_alone_is_refused():
    """tracemalloc does not know which thread allocated."""
    with pytest.raises(WindowRefused, match="one thread alone"):
        TracemallocEngine().open(WindowRequest(current_thread_only=True))


def test_it_works_without_memray_and_anywhere():
    """The fallback imports nothing but the standard library and our ground floors."""
    code = "import sys, pytest_memory.engines.tracemalloc as t; t.TracemallocEngine(); print('memray' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
