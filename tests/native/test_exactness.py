"""To the byte: the engine against a library that keeps its own books."""

from __future__ import annotations

import ctypes
import sys

import pytest

from pytest_memory.engines.base import WindowRequest

from .helper import SLOTS, Books

REQUESTS = [
    pytest.param(WindowRequest(granularity="malloc", detail=detail), id=detail)
    for detail in ("counters", "sampled", "stacks")
]


def measured(engine, request, call, *arguments):
    """The books and the reading of one call, made twice: the first pays for what ctypes sets up."""
    books = Books()
    reference = ctypes.byref(books)
    for _ in range(2):
        window = engine.open(request)
        failed = call(reference, *arguments)
        reading = window.close()
    assert not failed
    usage = reading.usage
    return books.as_tuple(), (usage.peak, usage.allocated, usage.allocations, usage.retained), reading


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("script", ["family", "mappings"])
def test_every_function_counts_what_it_did(engine, helper, request_, script):
    """All of the malloc family and of mmap, up, down, in pieces and to failure."""
    expected, seen, reading = measured(engine, request_, helper.library[script], helper.kept)
    assert seen == expected
    if request_.detail == "stacks":
        assert sum(site.bytes for site in reading.sites) == reading.usage.peak


@pytest.mark.parametrize("detail", ["counters", "sampled", "stacks"])
@pytest.mark.parametrize(("granularity", "script"), [("python", "reserve_open"), ("malloc", "reserve_mapped")])
def test_reserved_address_space_is_no_memory_yet(engine, helper, granularity, script, detail):
    """CUDA reserves 12 GiB where it starts. Where Python's objects are counted, what is opened of it counts."""
    request = WindowRequest(granularity=granularity, detail=detail)
    expected, seen, _ = measured(engine, request, helper.library[script])
    objects = seen[1] - expected[1] if granularity == "python" else 0
    assert 0 <= objects < 2000  # what ctypes makes for the call
    assert abs(seen[0] - expected[0]) <= objects
    assert seen[3] - expected[3] <= objects


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_realloc_to_nothing_frees(engine, helper):
    """glibc's ``realloc(p, 0)`` gives the block back, and is no allocation."""
    expected, seen, _ = measured(engine, REQUESTS[0].values[0], helper.library.realloc_to_nothing)
    assert seen == expected


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_walk_is_counted_to_the_byte(engine, helper, request_, seed):
    """Random sizes in random order, freed, moved and left behind."""
    books = Books()
    walk = helper.library.wander
    walk(ctypes.byref(Books()), 99, 0, helper.slots, helper.sizes)
    window = engine.open(request_)
    walk(ctypes.byref(books), seed, 20_000, helper.slots, helper.sizes)
    reading = window.close()
    helper.release_slots()
    usage = reading.usage
    assert (usage.peak, usage.allocated, usage.allocations, usage.retained) == books.as_tuple()
    if request_.detail == "stacks":
        assert sum(site.bytes for site in reading.sites) == usage.peak


@pytest.mark.parametrize("request_", REQUESTS)
def test_older_blocks_of_a_walk_count_for_nothing(engine, helper, request_):
    """A walk begun before the window frees its older blocks inside it, and their addresses are used again."""
    before, inside = Books(), Books()
    helper.library.wander(ctypes.byref(before), 5, 5_000, helper.slots, helper.sizes)
    older = list(helper.slots)
    window = engine.open(request_)
    for block in older:
        helper.library.release(block)
    ctypes.memset(helper.slots, 0, SLOTS * 8)
    helper.library.wander(ctypes.byref(inside), 6, 5_000, helper.slots, helper.sizes)
    usage = window.close().usage
    helper.release_slots()
    assert (usage.peak, usage.retained) == (inside.peak, inside.retained)


@pytest.mark.parametrize("request_", REQUESTS)
def test_eight_threads_at_once(engine, helper, request_):
    """Blocks come from all threads at once; some are freed by another thread, and some are left."""
    steps = 200_000 if request_.detail == "counters" else 20_000
    helper.library.threads(ctypes.byref(Books()), 10)
    helper.library.clean_up()
    books = Books()
    window = engine.open(request_)
    failed = helper.library.threads(ctypes.byref(books), steps)
    reading = window.close()
    helper.library.clean_up()
    usage = reading.usage
    assert not failed
    assert (usage.peak, usage.allocated, usage.allocations, usage.retained) == books.as_tuple()
    if request_.detail == "stacks":
        assert sum(site.bytes for site in reading.sites) == usage.peak


def test_a_window_inside_a_window_has_its_own_peak(engine, helper):
    """Three deep, freed in the wrong order."""
    hold, release = helper.library.hold, helper.library.release
    release(hold(10))
    outer = engine.open(REQUESTS[0].values[0])
    a = hold(1_000_000)
    middle = engine.open(REQUESTS[2].values[0])
    b = hold(300_000)
    inner = engine.open(REQUESTS[1].values[0])
    c = hold(50_000)
    release(a)
    release(b)
    d = hold(20_000)
    readings = [inner.close().usage]
    release(c)
    readings.append(middle.close().usage)
    release(d)
    readings.append(outer.close().usage)
    assert [usage.peak for usage in readings] == [70_000, 350_000, 1_350_000]
    assert [usage.retained for usage in readings] == [70_000, 20_000, 0]
    assert [usage.allocations for usage in readings] == [2, 3, 4]
