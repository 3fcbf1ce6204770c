"""What other people's libraries do around forks and loads: it goes on as without the engine, and counts."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import EngineUnavailable

from .helper import compile_library

SOURCE = Path(__file__).with_name("others.c")
ROOT = Path(__file__).parents[2]
LONG = 60  # seconds after which a process is taken for hung

# A library with many symbols takes long to relocate; one with a slow resolver does, too. It is called before what
# stands behind it is relocated, and calls nothing.
SLOW = """
#include <stdlib.h>
static int answer(void) { return 42; }
static void *resolve(void) { for (volatile long i = 0; i < 500000000; i++); return answer; }
int slow(void) __attribute__((ifunc("resolve")));
void *hold(size_t size) { return malloc(size); }
int call(void) { return slow(); }
"""
SEALED = """
void *(*const volatile get)(size_t) = malloc;
void (*const volatile give)(void *) = free;
int (*const volatile third)(void) = slow;
"""

OWN_ALLOCATOR = """
#include <stddef.h>
#include <stdlib.h>
static char room[4096];
void *malloc(size_t size) { return room; }
void free(void *block) { if (block != room) abort(); }
void *make(void) { return malloc(1); }
"""
OWN_USER = """
#include <stdlib.h>
void *make(void);
int use(void) { free(make()); return 7; }
"""


@pytest.fixture(scope="module")
def others(engine, tmp_path_factory):
    path = compile_library(tmp_path_factory.mktemp("others"), "others", SOURCE.read_text(), "-fno-builtin")
    if path is None:
        pytest.skip("there is no C compiler")
    return path


def run_beside(others, code, environment=None, **request):
    """Standard output of a script that has the library loaded before the engine comes, and a window open."""
    before, _, behind = code.rpartition("---\n")
    script = f"""
import ctypes, os, time
others = ctypes.CDLL({str(others)!r})
others.map_much.restype = others.finish_loading.restype = ctypes.c_void_p
{before}
from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
engine = NativeEngine()
window = engine.open(WindowRequest(**{request!r}))
{behind}
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LONG)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_handler_may_wait_for_a_thread_that_ends(others):
    code = "others.end_a_worker_before_forks()\n---\nothers.start_worker(); others.fork_often(1); print('done')"
    assert run_beside(others, code) == "done"


def test_a_handler_may_hold_a_lock_under_which_a_thread_allocates(others):
    code = "others.lock_around_forks()\n---\nothers.fork_beside_a_lock(50); print('done')"
    assert run_beside(others, code) == "done"


def test_a_handler_may_allocate_in_a_thread_that_never_has(others):
    code = "others.allocate_before_forks()\n---\nothers.fork_in_a_new_thread(); print('done')"
    assert run_beside(others, code, detail="counters") == "done"


def test_threads_that_map_first_of_all_may_be_forked_beside(others):
    assert run_beside(others, "others.fork_beside_new_threads(1000); print('done')", detail="counters") == "done"


def test_a_signal_handler_that_forks_leaves_the_counting_as_it_was(others):
    code = """---
inner = engine.open(WindowRequest(granularity="malloc", detail="counters"))
others.map_under_signals(500)
inner.close(), window.close()
again = engine.open(WindowRequest(detail="counters"))
others.map_much()
print(again.close().usage.peak >= 100 << 20)
"""
    assert run_beside(others, code, detail="counters") == "True"


def test_the_child_of_a_fork_without_handlers_counts_too(others):
    """Such as ``_Fork()`` of glibc, for signal handlers."""
    if not hasattr(ctypes.CDLL(None), "_Fork"):
        pytest.skip("this C library has no _Fork()")
    code = """---
child = ctypes.CDLL(None)._Fork()
if child == 0:
    keep = bytearray(3_000_000)
    own = engine.open(WindowRequest())
    keep = bytearray(5_000_000)
    os._exit(5_000_000 <= own.close().usage.peak < 5_100_000)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_beside(others, code) == "1"


FORK_BESIDE_THREADS = """---
window.close()
others.start_allocating()
for _ in range(300):
    window = engine.open(WindowRequest(granularity="malloc", detail="stacks"))
    child = {fork}()
    if child == 0:
        window.close()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    window.close()
others.finish_allocating()
print("done")
"""


def test_windows_end_in_the_child_of_a_fork_without_handlers(others):
    """Whatever the threads of its parent were holding."""
    if not hasattr(ctypes.CDLL(None), "_Fork"):
        pytest.skip("this C library has no _Fork()")
    assert run_beside(others, FORK_BESIDE_THREADS.format(fork="ctypes.CDLL(None)._Fork")) == "done"


def test_windows_end_in_a_child_where_the_kernel_empties_no_page(others, tmp_path):
    """As Linux before 4.14."""
    old = compile_library(tmp_path, "old", "int madvise(void *a, unsigned long b, int c) { return -1; }")
    code = FORK_BESIDE_THREADS.format(fork="os.fork")
    assert run_beside(others, code, environment={"LD_PRELOAD": str(old)}) == "done"


@pytest.mark.parametrize("more", ["", SEALED], ids=["", "sealed"])
def test_what_another_thread_is_loading_is_left_to_it_until_it_is_complete(others, tmp_path, more):
    slow = compile_library(tmp_path, "slow", SLOW + more, "-fno-builtin", "-Wl,-z,relro")
    code = f"""---
window.close()
path = ctypes.create_string_buffer({os.fsencode(slow)!r})
others.start_loading(path)
for _ in range(5):
    time.sleep(0.02)
    engine.open(WindowRequest()).close()
assert others.finish_loading()
window = engine.open(WindowRequest())
library = ctypes.CDLL({str(slow)!r})
library.hold(ctypes.c_size_t(100_000_000))
print(window.close().usage.peak // 1_000_000, library.call())
"""
    assert run_beside(others, code) == "100 42"


def test_a_library_that_prefers_its_own_allocator_keeps_it(others, tmp_path):
    """Where its own names come first and slots are bound late, a slot does not say whose ``free`` it is for."""
    compile_library(tmp_path, "own", OWN_ALLOCATOR, "-fno-builtin")
    user = compile_library(
        tmp_path, "user", OWN_USER, "-fno-builtin", "-Wl,-z,lazy", f"-L{tmp_path}", "-Wl,--no-as-needed", "-lown",
        f"-Wl,-rpath,{tmp_path}",
    )  # fmt: skip
    code = f"print(ctypes.CDLL({str(user)!r}, os.RTLD_DEEPBIND | os.RTLD_LAZY).use())"
    assert run_beside(others, code) == "7"


def test_a_thread_that_ends_is_not_another_one(others):
    """Its window over itself alone stays open: what a later thread allocates is not in it."""
    code = """---
from tests.native.test_others import in_a_thread
windows = []
in_a_thread(lambda: windows.append(engine.open(WindowRequest(detail="counters", current_thread_only=True))))
in_a_thread(lambda: windows.append(bytearray(50_000_000)))
print(windows[0].close().usage.peak < 10_000)
"""
    assert run_beside(others, code) == "True"


def test_totals_are_handed_on_when_the_last_window_over_their_thread_closes(engine):
    request = WindowRequest(detail="counters", current_thread_only=True)
    for _ in range(1500):  # there are not as many
        windows = []
        in_a_thread(lambda found=windows: found.append(engine.open(request)))
        assert windows[0].close().unmeasured == ""


def test_the_mark_of_a_thread_ends_with_a_fork(engine):
    """In the child its window is over: what it allocates there is not the only thread's that is counted."""
    request = WindowRequest(detail="counters", current_thread_only=True)
    opened, over = threading.Event(), threading.Event()

    def hold_window():
        window = engine.open(request)
        opened.set()
        over.wait()
        window.close()

    holder = threading.Thread(target=hold_window)
    holder.start()
    opened.wait()
    child = os.fork()
    if not child:
        peaks = [peak_beside_another_thread(engine, request) for _ in range(2)]
        os._exit(max(peaks) < 10_000)
    over.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def peak_beside_another_thread(engine, request):
    """The peak of a window over this thread, while another allocates 50 MB."""
    ready, go, kept = threading.Event(), threading.Event(), []

    def allocate():
        ready.set()
        go.wait()
        kept.append(bytearray(50_000_000))

    other = threading.Thread(target=allocate)
    other.start()
    ready.wait()
    window = engine.open(request)
    go.set()
    other.join()
    return window.close().usage.peak


def in_a_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    while Path(f"/proc/self/task/{thread.native_id}").exists():  # Python has left it; the C library ends it
        time.sleep(0.001)


def test_what_windows_answer_with_is_equal_to_what_python_makes(engine):
    """A tuple may keep its hash (CPython 3.14)."""
    window = engine.open(WindowRequest(detail="counters"))
    reading = window.close()
    assert hash(reading.usage) == hash(tuple(reading.usage))
    assert hash(reading) == hash(tuple(reading))


def test_a_free_threaded_build_is_declined_before_the_core_is_loaded(monkeypatch):
    """To load it would switch the lock on for all that is tested."""
    monkeypatch.setattr(sys, "abiflags", "t")
    monkeypatch.setitem(sys.modules, "pytest_memory.engines.native._native", None)
    with pytest.raises(EngineUnavailable, match="free-threaded"):
        NativeEngine()
