"""Beside other tools that watch a process: right numbers, or a reason, and never a silent 0."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import sys
import threading
import tracemalloc

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.errors import WindowRefused

PYTHON = WindowRequest(granularity="python", detail="counters")
STACKS = WindowRequest(granularity="python", detail="stacks")
SIZE = 1_000_000


def peak(engine, request=PYTHON):
    window = engine.open(request)
    block = bytearray(SIZE)
    usage = window.close().usage
    del block
    return usage.peak


def right(value):
    return SIZE < value < SIZE + 2_000


@pytest.mark.parametrize("beneath", [True, False])
def test_tracemalloc_started_before_a_window(engine, beneath):
    """Its own books do not count, whether it stands above the hooks or beneath them."""
    if beneath:
        engine.stand_aside()
    tracemalloc.start(10)
    try:
        assert right(peak(engine))
        assert right(peak(engine, STACKS))
        _, seen = tracemalloc.get_traced_memory()
        assert seen >= SIZE
    finally:
        tracemalloc.stop()
    assert right(peak(engine))


def test_tracemalloc_started_and_stopped_inside_a_window(engine):
    """It stands on top of the hooks, and gives way to them again."""
    window = engine.open(PYTHON)
    tracemalloc.start()
    block = bytearray(SIZE)
    tracemalloc.stop()
    assert right(window.close().usage.peak)
    del block


def test_tracemalloc_started_inside_one_window_and_stopped_inside_the_next(engine):
    """Between the two, it stands on top of hooks that nobody can take out."""
    window = engine.open(PYTHON)
    tracemalloc.start()
    block = bytearray(SIZE)
    assert right(window.close().usage.peak)
    assert right(peak(engine))
    window = engine.open(PYTHON)
    tracemalloc.stop()
    another = bytearray(SIZE)
    assert right(window.close().usage.peak)
    del block, another


def test_tracemalloc_stopped_over_the_hooks_makes_the_reading_void(engine):
    """Where the hooks stand on top of it, its end takes them along: not measured, and never 0."""
    engine.stand_aside()
    tracemalloc.start()
    window = engine.open(PYTHON)
    tracemalloc.stop()
    block = bytearray(SIZE)
    reading = window.close()
    assert (reading.usage, reading.unmeasured) == (None, "another tool replaced the allocation hooks")
    assert right(peak(engine))
    del block


@pytest.mark.parametrize("install", [sys.setprofile, sys.settrace], ids=["profile", "trace"])
def test_a_profiler_or_tracer(engine, install):
    """Stacks are walked without a profile function, so one may be there."""
    calls = []
    before = sys.getprofile() if install is sys.setprofile else sys.gettrace()
    install(lambda *event: calls.append(event[1]))
    try:
        value = peak(engine, STACKS)
    finally:
        install(before)
    assert calls
    assert SIZE < value < SIZE + 20_000


def test_gevent_switches_stacks_under_an_open_window(engine):
    """A greenlet's frames are walked while it runs, and only then."""
    gevent = pytest.importorskip("gevent")

    def work(size):
        gevent.sleep(0)
        block = bytearray(size)
        gevent.sleep(0)
        return len(block)

    gevent.joinall([gevent.spawn(work, 10)])
    window = engine.open(WindowRequest(granularity="malloc", detail="stacks"))
    jobs = [gevent.spawn(work, SIZE + n) for n in range(5)]
    gevent.joinall(jobs)
    reading = window.close()
    assert sum(site.bytes for site in reading.sites) == reading.usage.peak
    assert any(site.frames[0].function == "work" and site.bytes > SIZE for site in reading.sites)


def test_faulthandler_dumps_inside_a_window(engine, tmp_path):
    """A dump in the middle of counting disturbs nothing, and is not disturbed."""
    window = engine.open(STACKS)
    with open(tmp_path / "everybody", "w") as file:  # noqa: PTH123
        faulthandler.dump_traceback(file)
    with open(tmp_path / "this thread", "w") as file:  # noqa: PTH123
        faulthandler.dump_traceback(file, all_threads=False)
    assert window.close().usage.allocations > 0
    assert "most recent call first" in (tmp_path / "everybody").read_text()  # it stops after a hundred threads
    assert "test_coexistence" in (tmp_path / "this thread").read_text()


def test_a_forked_child_has_no_window_and_may_open_its_own(engine):
    """What a child allocates is not its parent's."""
    window = engine.open(PYTHON)
    child = os.fork()
    if child == 0:
        reading = window.close()
        good = reading.usage is None and "forked" in reading.unmeasured and right(peak(engine))
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert window.close().usage.peak < 50_000


def test_a_child_forked_by_a_collection_while_a_window_is_made_counts_in_it(engine):
    """Where making an object may collect garbage (CPython before 3.12), a finalizer may fork."""
    opener = engine.opener(PYTHON)
    opener(0).close()
    children = []

    def fork(phase, _):
        if phase == "start" and not children:
            children.append(os.fork())

    thresholds = gc.get_threshold()
    gc.collect()
    gc.disable()
    kept = [[] for _ in range(50)]
    gc.callbacks.append(fork)
    gc.set_threshold(5)
    gc.enable()
    window = opener(0)
    gc.set_threshold(*thresholds)
    block = bytearray(SIZE)
    reading = window.close()
    gc.callbacks.remove(fork)
    del block, kept
    if children == [0]:
        os._exit(0 if reading.usage is None or SIZE < reading.usage.peak < SIZE + 20_000 else 1)
    assert SIZE < reading.usage.peak < SIZE + 20_000
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0]


def _in_child(queue):
    from pytest_memory.engines.native import NativeEngine

    queue.put(right(peak(NativeEngine())))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing_measures_itself(engine, method):
    """However it was started."""
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=_in_child, args=(queue,))
    process.start()
    assert queue.get()
    process.join()


def test_only_one_thread_at_a_time_is_counted_alone(engine):
    """A window over another thread alone inside such a window is refused, with the reason."""
    alone = WindowRequest(granularity="malloc", detail="counters", current_thread_only=True)
    window = engine.open(alone)
    refusals = []

    def attempt():
        try:
            engine.open(alone).close()
        except WindowRefused as refusal:
            refusals.append(str(refusal))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    window.close()
    assert refusals == ["another thread is being counted alone"]


def test_a_window_that_nobody_closes_ends_with_its_object(engine):
    """An exception that loses a window does not leave the hooks at work."""
    window = engine.open(PYTHON)
    del window
    assert right(peak(engine))


@pytest.mark.parametrize("loadable", [True, False])
def test_windows_too_deep_inside_each_other_are_refused(engine, monkeypatch, loadable):
    """Thirty-two open at once are enough for anybody; the reason is told even if the class of refusals is not there."""
    if not loadable:
        monkeypatch.setitem(sys.modules, "pytest_memory.errors", None)
    windows = []
    with pytest.raises(WindowRefused if loadable else RuntimeError, match="too many windows"):
        for _ in range(100):
            windows.append(engine.open(PYTHON))
    while windows:
        windows.pop().close()
    assert right(peak(engine))


def test_an_interrupt_is_no_refusal(engine, monkeypatch):
    """Ctrl-C while the class of refusals is being loaded goes where it belongs."""
    import builtins

    real = builtins.__import__

    def interrupted(name, *arguments, **named):
        if name == "pytest_memory.errors":
            raise KeyboardInterrupt
        return real(name, *arguments, **named)

    windows = []
    monkeypatch.delitem(sys.modules, "pytest_memory.errors")
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            windows.append(engine.open(PYTHON))
    monkeypatch.undo()
    while windows:
        windows.pop().close()


def test_standing_aside_leaves_the_allocators_as_they_were(engine):
    """Nobody's timings pay for hooks that count nothing."""
    engine.stand_aside()
    engine.stand_by()
    assert right(peak(engine))
