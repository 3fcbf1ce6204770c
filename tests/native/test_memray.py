"""Beside memray: the same numbers, in one process, one after the other."""

from __future__ import annotations

import ctypes
import json

import pytest

from pytest_memory.engines.base import WindowRequest

from .helper import Books

memray = pytest.importorskip("memray")

MALLOC = WindowRequest(granularity="malloc", detail="stacks")
PYTHON = WindowRequest(granularity="python", detail="counters")


def by_memray(path, work, **options):
    """Peak, allocated and allocations as memray sees them."""
    with memray.Tracker(path, **options):
        work()
    from memray._memray import compute_statistics

    statistics = compute_statistics(str(path))
    return statistics.peak_memory_allocated, statistics.total_memory_allocated, statistics.total_num_allocations


def by_engine(engine, work, request=MALLOC):
    window = engine.open(request)
    work()
    usage = window.close().usage
    return usage.peak, usage.allocated, usage.allocations


def bytearrays():
    blocks = [bytearray(1000 * size) for size in range(1, 200)]
    del blocks[::2]
    blocks.append(bytearray(700_000))


def growing_list():
    grown = []
    for _ in range(100_000):
        grown.append(None)
    grown.sort(key=lambda _: 0)


def text():
    document = json.dumps({"key": ["value" * 1000] * 100})
    return json.loads(document) and document.encode() * 3


def arrays():
    numpy = pytest.importorskip("numpy")
    table = numpy.arange(250_000.0).reshape(500, 500)
    return (table @ table).sum() + numpy.sort(table, axis=None)[0] + len(numpy.concatenate([table, table]))


WORKLOADS = [bytearrays, growing_list, text, arrays]


@pytest.mark.parametrize("work", WORKLOADS, ids=lambda work: work.__name__)
def test_malloc_granularity_equals_memray_to_the_byte(engine, tmp_path, work):
    """Peak, total and count are those that memray's Tracker reports.

    Its profile function makes CPython 3.11 build line tables, once per code object; they are built beforehand.
    """
    for turn in range(3):
        by_memray(tmp_path / f"warm{turn}", work)
    assert by_engine(engine, work) == by_memray(tmp_path / "capture", work)


def test_a_library_of_its_own_equals_memray_to_the_byte(engine, helper, tmp_path):
    """Every function of the family, and a walk of 20,000 steps."""

    def work():
        helper.library.wander(ctypes.byref(Books()), 4, 20_000, helper.slots, helper.sizes)

    work()
    helper.release_slots()
    seen = by_engine(engine, work)
    helper.release_slots()
    assert by_memray(tmp_path / "capture", work) == seen
    helper.release_slots()


def test_python_granularity_equals_memray_with_python_allocators(engine, tmp_path):
    """Every object counts for both, but for the frames that a profile function makes CPython build."""
    for turn in range(3):
        by_memray(tmp_path / f"warm{turn}", text, trace_python_allocators=True)
    ours = by_engine(engine, text, PYTHON)
    theirs = by_memray(tmp_path / "capture", text, trace_python_allocators=True)
    assert abs(ours[0] - theirs[0]) < 1024
    assert abs(ours[2] - theirs[2]) < 60


@pytest.mark.parametrize("request_", [MALLOC, PYTHON], ids=["malloc", "python"])
@pytest.mark.parametrize("python_allocators", [False, True])
def test_memray_and_the_engine_take_turns(engine, tmp_path, request_, python_allocators):
    """A Tracker takes the hooks out when it ends; the next window puts them back."""
    size = 40_000_000
    for turn in range(3):
        theirs = by_memray(
            tmp_path / f"capture{turn}", lambda: bytearray(size), trace_python_allocators=python_allocators
        )
        ours = by_engine(engine, lambda: bytearray(size), request_)
        assert size < theirs[0] < size + 20_000
        assert size < ours[0] < size + 2_000


@pytest.mark.parametrize("request_", [MALLOC, PYTHON], ids=["malloc", "python"])
def test_a_tracker_inside_a_window_makes_its_reading_void(engine, tmp_path, request_):
    """While the Tracker ran, nothing was seen: not measured, with the reason, and never 0."""
    window = engine.open(request_)
    by_memray(tmp_path / "capture", lambda: bytearray(40_000_000))
    reading = window.close()
    assert reading.usage is None
    assert reading.unmeasured == "another tool replaced the allocation hooks"


def test_a_tracker_between_two_nested_windows_makes_the_outer_void(engine, tmp_path):
    """The inner window repairs the hooks; that does not make the outer's reading right."""
    outer = engine.open(MALLOC)
    by_memray(tmp_path / "capture", lambda: bytearray(40_000_000))
    inner = engine.open(PYTHON)
    block = bytearray(1_000_000)
    assert 1_000_057 <= inner.close().usage.peak < 1_001_000
    assert outer.close().usage is None
    del block


def test_no_window_opens_under_a_tracker(engine, tmp_path):
    """Somebody else holds the hooks: the engine says so."""
    from pytest_memory.errors import WindowRefused

    with memray.Tracker(tmp_path / "capture"), pytest.raises(WindowRefused, match="another tool holds"):
        engine.open(MALLOC)
