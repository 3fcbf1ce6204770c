"""What the interpreter maps for itself is no object of the program."""

from __future__ import annotations

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
