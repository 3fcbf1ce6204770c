"""Programs that do what test suites do to an allocator, each run in a process of its own with the engine on.

``python programs.py NAME SECONDS`` runs one. It must end with status 0 and print ``ok``; a crash, a hang or a
reading that cannot be is a failure. Seeds are fixed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import WindowRefused

ENGINE = NativeEngine()
REQUESTS = [
    WindowRequest(granularity=granularity, detail=detail, leaks=leaks, current_thread_only=alone, seed=5)
    for granularity in ("python", "malloc")
    for detail, leaks in (("counters", False), ("sampled", False), ("stacks", False), ("stacks", True))
    for alone in (False, True)
]


def check(reading, void=False):
    """A reading is possible: nothing negative, nothing above what was allocated."""
    if reading.usage is None:
        assert void, reading.unmeasured
        return
    usage = reading.usage
    assert 0 <= usage.retained <= usage.peak <= usage.allocated, usage
    assert usage.allocations >= 0
    for site in (*reading.sites, *reading.leaked):
        assert site.frames
        assert site.count >= 0


def allocate(rng, kept):
    for _ in range(200):
        kind = rng.randrange(6)
        if kind == 0:
            kept.append(bytearray(rng.randrange(200_000)))
        elif kind == 1:
            kept.append([None] * rng.randrange(1000))
        elif kind == 2:
            kept.append({n: str(n) for n in range(rng.randrange(50))})
        elif kind == 3 and kept:
            kept.pop(rng.randrange(len(kept)))
        elif kind == 4 and kept and isinstance(kept[-1], bytearray):
            kept[-1].extend(b"x" * rng.randrange(10_000))
        else:
            kept.append("y" * rng.randrange(500))
    del kept[:-50]


def windows(rng, turns, inside, void=False):
    """Open and close windows of all kinds, nested now and then, around some work."""
    for turn in range(turns):
        outer = ENGINE.open(rng.choice(REQUESTS))
        inside()
        if turn % 3 == 0:
            inner = ENGINE.open(rng.choice(REQUESTS))
            inside()
            check(inner.close(), void)
        check(outer.close(), void)


def until(seconds):
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        yield turn
        turn += 1


def threads(seconds):
    """Threads come and go, and allocate, while windows open and close."""
    stop = threading.Event()

    def churn(seed):
        rng, kept = random.Random(seed), []
        while not stop.is_set():
            allocate(rng, kept)

    def spawn():
        while not stop.is_set():
            short = [threading.Thread(target=lambda seed=seed: allocate(random.Random(seed), [])) for seed in range(4)]
            for thread in short:
                thread.start()
            for thread in short:
                thread.join()

    workers = [threading.Thread(target=churn, args=(seed,)) for seed in range(3)] + [threading.Thread(target=spawn)]
    for worker in workers:
        worker.start()
    rng, kept = random.Random(1), []
    # A window over one thread may be met by blocks that another thread resizes: possible, but not negative.
    for _ in until(seconds):
        windows(rng, 5, lambda: allocate(rng, kept))
    stop.set()
    for worker in workers:
        worker.join()


def fork(seconds):
    """Children are forked inside windows, from processes with threads; they open windows of their own."""
    stop = threading.Event()
    noise = threading.Thread(target=lambda: [allocate(random.Random(2), []) for _ in iter(stop.is_set, True)])
    noise.start()
    rng, kept = random.Random(3), []
    for _ in until(seconds):
        window = ENGINE.open(rng.choice(REQUESTS))
        allocate(rng, kept)
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                assert window.close().usage is None
                windows(rng, 3, lambda: allocate(rng, kept))
                status = 0
            os._exit(status)
        allocate(rng, kept)
        check(window.close())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    noise.join()


def dlopen(seconds):
    """Libraries are loaded and unloaded while other threads allocate through them and windows open and close."""
    path = os.environ["STRESS_LIBRARY"]
    stop = threading.Event()
    close = ctypes.CDLL(None).dlclose

    def load():
        while not stop.is_set():
            library = ctypes.CDLL(path)
            library.hold.restype = ctypes.c_void_p
            library.release.argtypes = [ctypes.c_void_p]
            library.release(library.hold(1000))
            close(ctypes.c_void_p(library._handle))

    loader = threading.Thread(target=load)
    loader.start()
    rng, kept = random.Random(4), []
    for _ in until(seconds):
        windows(rng, 5, lambda: allocate(rng, kept))
    stop.set()
    loader.join()


def signals(seconds):
    """Python signal handlers allocate at any moment."""
    kept = []
    signal.signal(signal.SIGALRM, lambda *_: kept.append(bytearray(3000)) or kept.__delitem__(slice(None, -10)))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    rng, own = random.Random(5), []
    for _ in until(seconds):
        windows(rng, 5, lambda: allocate(rng, own))
    signal.setitimer(signal.ITIMER_REAL, 0)


def engine_code():
    """Where the engine's machine code lies."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "_native." in line and " r-xp " in line:
            begin, end = line.split()[0].split("-")
            return int(begin, 16), int(end, 16)
    raise LookupError("the engine is not loaded")


def native_signals(seconds):
    """A signal handler written in C allocates where it has interrupted the engine."""
    library = ctypes.CDLL(os.environ["STRESS_LIBRARY"])
    library.disturb.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    library.disturb(*engine_code())
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    rng, own = random.Random(6), []
    for _ in until(seconds):
        windows(rng, 5, lambda: allocate(rng, own))
    while not library.disturbed():  # on a busy machine it takes longer
        windows(rng, 5, lambda: allocate(rng, own))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(library.disturbed(), "disturbances")


def recursion(seconds):
    """To the limit, with every stack captured."""

    def descend(depth):
        block = bytearray(100)
        return descend(depth + 1) + len(block)

    for _ in until(seconds):
        window = ENGINE.open(REQUESTS[6])
        with contextlib.suppress(RecursionError):
            descend(0)
        check(window.close())


def out_of_memory(seconds):
    """Address space runs out, for the program and for the engine's own tables."""
    rng, kept = random.Random(7), []
    for request in REQUESTS:  # loads what they need: short of memory, CPython's compiler fails in many ways
        ENGINE.open(request).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for turn in until(seconds):
        resource.setrlimit(resource.RLIMIT_AS, (in_use + (turn % 40) * 10_000_000, hard))
        try:
            window = ENGINE.open(rng.choice(REQUESTS))
            with contextlib.suppress(MemoryError):
                allocate(rng, kept)
                kept.append(bytearray(600_000_000))
            with contextlib.suppress(MemoryError):
                check(window.close(), void=True)
        except (RuntimeError, MemoryError):
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        kept.clear()


def _child(number):
    rng, kept = random.Random(number), []
    windows(rng, 3, lambda: allocate(rng, kept))
    return number


def processes(seconds):
    """multiprocessing by fork, spawn and forkserver, and subprocesses, inside windows."""
    for turn in until(seconds):
        window = ENGINE.open(REQUESTS[turn % len(REQUESTS)])
        method = ("fork", "spawn", "forkserver")[turn % 3]
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(_child, range(4)) == [0, 1, 2, 3]
        assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout
        check(window.close())


def tracing(seconds):
    """tracemalloc starts and stops, profilers come and go, and garbage is collected."""
    rng, kept = random.Random(8), []
    for turn in until(seconds):
        beneath = tracemalloc.is_tracing()  # before the engine: what it takes away when it stops, it takes from us too
        outer = ENGINE.open(rng.choice(REQUESTS))
        tracemalloc.start(3)
        allocate(rng, kept)
        sys.setprofile(lambda *_: None)
        windows(rng, 3, lambda: allocate(rng, kept))
        sys.setprofile(None)
        if turn % 2:
            check(outer.close())
            tracemalloc.stop()
        else:
            tracemalloc.stop()
            check(outer.close(), void=beneath)
        gc.collect()


def interpreters(seconds):
    """Interpreters with a lock of their own allocate at the same time (CPython 3.14 has them).

    Where an allocator beneath the hooks has a context, windows are refused unless one was open when they began.
    """
    try:
        from concurrent import interpreters as others
    except ImportError:
        return
    code = f"""
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    blocks = [bytes(n) for n in range(500)]
    table = {{str(n): n for n in range(300)}}
"""

    def run():
        interpreter = others.create()
        interpreter.exec(code)
        interpreter.close()

    workers = [threading.Thread(target=run) for _ in range(3)]
    for worker in workers:
        worker.start()
    rng, kept = random.Random(10), []
    for _ in until(seconds):
        ENGINE.stand_aside()
        ENGINE.stand_by()
        try:
            windows(rng, 5, lambda: allocate(rng, kept))
        except WindowRefused as refusal:
            if "other interpreters run" not in str(refusal):
                raise
    for worker in workers:
        worker.join()


def finalisation(seconds):
    """The interpreter ends inside a window, with daemon threads that go on allocating."""
    code = (
        f"import sys, threading; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from programs import *\n"
        "for seed in range(3):\n"
        "    work = lambda s=seed: [allocate(random.Random(s), []) for _ in iter(int, 1)]\n"
        "    threading.Thread(target=work, daemon=True).start()\n"
        "windows(random.Random(9), 5, lambda: allocate(random.Random(1), []))\n"
        "left = [ENGINE.open(request) for request in REQUESTS[:8]]\n"
        "kept = [bytearray(100) for _ in range(1000)]\n"
    )
    for _ in until(seconds):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (done.returncode, done.stderr)


PROGRAMS = [
    threads,
    fork,
    dlopen,
    signals,
    native_signals,
    recursion,
    out_of_memory,
    processes,
    tracing,
    interpreters,
    finalisation,
]

if __name__ == "__main__":
    {program.__name__: program for program in PROGRAMS}[sys.argv[1]](float(sys.argv[2]))
    print("ok")
