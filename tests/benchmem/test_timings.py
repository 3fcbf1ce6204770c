"""Timings are pytest-benchmark's own: the stored ones are the same with memory and without."""

import json
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks into the process with dladdr")

# A clock without wall time. Reading it takes one unit; so does the action, but a thousand units more for everything
# that slows an action down: an allocator of Python's that is not Python's own, a tracer, a profiler.
VIRTUAL = """
import ctypes
import sys

class Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")]

class Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("symbol", ctypes.c_char_p),
                ("address", ctypes.c_void_p)]

def file_of(address):
    place = Place()
    assert ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), ctypes.byref(place))
    return place.file

PYTHON = file_of(ctypes.cast(ctypes.pythonapi.PyMem_GetAllocator, ctypes.c_void_p).value)
now = 0

def clock():
    global now
    now += 1
    return now

def work():
    global now
    now += 1
    for domain in range(3):
        allocator = Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(allocator))
        now += 1000 * (file_of(allocator.malloc) != PYTHON)
    now += 1000 * (sys.gettrace() is not None) + 1000 * (sys.getprofile() is not None)
"""

SUITE = """
from virtual import work

def test_called(benchmark):
    benchmark(work)

def test_pedantic(benchmark):
    benchmark.pedantic(work, rounds=5, iterations=3, warmup_rounds=1)

def test_slow(benchmark, monkeypatch):
    import sys
    def slowed():
        sys.setprofile(lambda *_: None)
        work()
        sys.setprofile(None)
    benchmark.pedantic(slowed, rounds=2)
"""

NUMBERS = ("min", "max", "mean", "median", "stddev", "rounds", "iterations", "total")


def test_the_stored_timings_are_those_of_a_run_without_memory(pytester, monkeypatch):
    """On a clock that tells who is watching, every stored number of every benchmark is the same, minima included."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(virtual=VIRTUAL, test_it=SUITE)

    def stored(*flags):
        result = pytester.runpytest_subprocess(
            "-p",
            "pytest_benchmark.plugin",
            "--benchmark-timer=virtual.clock",
            "--benchmark-min-time=50",
            "--benchmark-max-time=500",
            "--benchmark-json=out.json",
            *flags,
        )
        result.assert_outcomes(passed=3)
        entries = json.loads((pytester.path / "out.json").read_text())["benchmarks"]
        assert all(("benchmem" in entry["extra_info"]) is ("--benchmark-memory" in flags) for entry in entries)
        return {entry["name"]: {name: entry["stats"][name] for name in NUMBERS} for entry in entries}

    plain = stored()
    assert (plain["test_pedantic"]["min"], plain["test_slow"]["min"]) == (pytest.approx(4 / 3), 1002)
    for flags in (["--benchmark-memory"], ["--memory", "--memory-detail=stacks", "--benchmark-memory"]):
        assert stored("-p", "memory", *flags) == plain
