"""What the interpreter maps for itself is no object of the program."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading

import pytest

from pytest_memory.engines.base import WindowRequest

OBJECTS = WindowRequest(granularity="python", detail="counters")
MALLOCS = WindowRequest(granularity="malloc", detail="counters")
CHUNK = 16 * 1024


def descend(depth):
    if depth:
        descend(depth - 1)


descend.__code__ = descend.__code__.replace(co_stacksize=60)  # 200 frames of more than 480 bytes: several chunks


def both(engine):
    """Usage in Python and in malloc granularity of the same descent."""
    open_objects, open_mallocs = engine.opener(OBJECTS), engine.opener(MALLOCS)  # inside a window they would count
    objects = open_objects(0)
    mallocs = open_mallocs(0)
    descend(200)
    counted_mallocs = mallocs.close().usage
    return objects.close().usage, counted_mallocs


needs_chunks = pytest.mark.skipif(sys.version_info < (3, 11), reason="frames of CPython 3.10 are objects")


@needs_chunks
def test_frames_are_not_objects(engine):
    """A deep call maps chunks for its frames; mallocs see them, and objects do not count them."""
    descend(200)
    objects, mallocs = both(engine)
    assert mallocs.allocated >= 2 * CHUNK
    assert mallocs.retained == 0
    assert (objects.peak, objects.allocated, objects.allocations, objects.retained) == (0, 0, 0, 0)


@needs_chunks
def test_the_first_frames_of_a_thread_are_not_objects(engine):
    """A thread maps its first chunk when it begins to run Python."""
    before, inside, done = (threading.Event() for _ in range(3))

    def work():
        before.wait()
        descend(200)
        inside.set()
        done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    window = engine.open(OBJECTS)
    before.set()
    inside.wait()
    usage = window.close().usage
    done.set()
    thread.join()
    assert usage.allocated < CHUNK


def test_arenas_are_not_objects(engine):
    """Every object counts with the size asked for, and the arena beneath them never."""
    blocks = [b""] * 30_000  # made before: a list may stand in memory that the interpreter keeps for lists
    window = engine.open(OBJECTS)
    for number in range(len(blocks)):
        blocks[number] = bytes(100)
    usage = window.close().usage
    expected = len(blocks) * (sys.getsizeof(b"") + 100)
    assert expected <= usage.peak < expected + CHUNK


INSIDE = """
import os, sys
sys.path[:] = {path!r}
from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import EngineUnavailable
try:
    NativeEngine()
    said = "it runs"
except EngineUnavailable as refusal:
    said = str(refusal)
os.write({descriptor}, said.encode())
"""

AROUND = """
import os, sys
try:
    import _interpreters as others
    number = others.create("legacy")
except ImportError:  # before CPython 3.13
    import _xxsubinterpreters as others
    number = others.create(isolated=False)
from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
from pytest_memory.model import HeapUsage
engine = NativeEngine()
reading, writing = os.pipe()
others.run_string(number, {inside!r}.format(path=sys.path, descriptor=writing))
others.destroy(number)
window = engine.open(WindowRequest())
block = bytearray(1000000)
usage = window.close().usage
os.close(writing)
print(os.read(reading, 1000).decode(), type(usage) is HeapUsage, 1000000 < usage.peak < 1002000, sep="|")
"""


def test_an_interpreter_inside_another_is_declined():
    """It shares the engine with the one around it, whose windows would answer with its own kinds of value."""
    code = AROUND.format(inside=INSIDE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "this is an interpreter inside another|True|True\n"


OTHERS = """
import threading, tracemalloc
try:
    import _interpreters as others
    begin = lambda: others.create("isolated")
except ImportError:  # before CPython 3.13
    import _xxsubinterpreters as others
    begin = lambda: others.create(isolated=True)
"""
ENGINE = """
from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import WindowRefused
engine = NativeEngine()
SIZE = 100_000

def peak(opening=engine.opener(WindowRequest(detail="counters", current_thread_only=True))):
    try:
        window = opening(0)
    except WindowRefused as refusal:
        return str(refusal)
    block = bytearray(SIZE)
    value = window.close().usage.peak
    return "right" if SIZE < value < SIZE + 2_000 else value

def beside(*, turns):
    done = threading.Event()
    def work(number):
        while not done.is_set():
            others.run_string(number, "for _ in range(1000): blocks = [object() for _ in range(50)]")
    numbers = [begin() for _ in range(2)]
    threads = [threading.Thread(target=work, args=[number]) for number in numbers]
    for thread in threads:
        thread.start()
    seen = {peak() for _ in range(turns)}
    done.set()
    for thread, number in zip(threads, numbers):
        thread.join()
        others.destroy(number)
    return seen
"""
UNDER_OTHERS = "other interpreters run in this process, and its allocators cannot be exchanged under them"

needs_own_locks = pytest.mark.skipif(sys.version_info < (3, 12), reason="all interpreters share one lock")


def run(code, how):
    command = [sys.executable, *how, "-c", OTHERS + code]
    return subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", check=False)


@functools.cache
def stands_others(how):
    """Whether this CPython does, without the engine: under tracemalloc, 3.12 ends in a crash."""
    return run("others.destroy(begin())", how).returncode == 0


@pytest.fixture(params=[("-X", "dev"), ("-X", "tracemalloc")], ids=" ".join)
def how(request):
    """What makes an interpreter put allocators with a context on top of its own."""
    if not stands_others(request.param):
        pytest.skip("other interpreters crash this one, without the engine too")
    return request.param


def said(code, how=()):
    """What a process says that has the engine and may begin other interpreters; it has to end as it should."""
    done = run(ENGINE + code, how)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_own_locks
def test_allocators_with_a_context_stay_as_they_are_under_other_interpreters(how):
    """The others read function and context one after the other; when they have gone, windows open again."""
    code = """
number = begin()
print(peak())
others.destroy(number)
print(peak())
"""
    assert said(code, how) == [UNDER_OTHERS, "right"]


@needs_own_locks
def test_hooks_stay_under_other_interpreters_where_they_cannot_be_taken_out(how):
    """A window that was open before has put them in, so the next one finds them; they go when the others have gone."""
    code = """
window = engine.open(WindowRequest())
number = begin()
window.close()
print(peak(), peak())
engine.stand_aside()
print(peak())
others.destroy(number)
print(peak())
number = begin()
print(peak())
others.destroy(number)
"""
    assert said(code, how) == ["right right", "right", "right", UNDER_OTHERS]


@needs_own_locks
def test_the_process_ends_with_hooks_that_could_not_be_taken_out():
    """No window closes after the other interpreter has gone."""
    code = """
window = engine.open(WindowRequest())
number = begin()
window.close()
others.destroy(number)
"""
    assert said(code, ("-X", "dev")) == []


@needs_own_locks
def test_tracemalloc_over_hooks_that_stayed_counts_nothing_twice():
    """It stands on top of them and gives way to them again, as inside a window."""
    code = """
window = engine.open(WindowRequest())
number = begin()
window.close()
tracemalloc.start()
print(peak())
tracemalloc.stop()
print(peak())
others.destroy(number)
print(peak())
"""
    assert said(code, ("-X", "dev")) == ["right"] * 3


@needs_own_locks
@pytest.mark.parametrize("hooked", [False, True])
def test_windows_beside_interpreters_that_allocate(how, hooked):
    """Nothing crashes, whether the hooks were in place when the others began or not."""
    code = f"""
window = engine.open(WindowRequest()) if {hooked} else None
number = begin()
if window:
    window.close()
print(*beside(turns=40_000))
others.destroy(number)
"""
    assert said(code, how) == ["right" if hooked else UNDER_OTHERS]


@needs_own_locks
def test_windows_beside_interpreters_that_allocate_plainly():
    """The interpreter's own allocators have no context, and can be exchanged under everybody."""
    assert said("print(*beside(turns=5_000))") == ["right"]


@needs_own_locks
def test_windows_beside_interpreters_after_tracemalloc_has_ended():
    """Who finds the hooks half put in reaches what lies beneath them now, and not what did in the first window."""
    code = "print(peak()); tracemalloc.stop(); print(*beside(turns=40_000))"
    assert said(code, ("-X", "tracemalloc")) == ["right", "right"]
