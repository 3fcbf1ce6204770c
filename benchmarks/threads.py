"""What counting costs libraries that allocate in several threads of their own at once, as compilers do.

    python benchmarks/threads.py
    python benchmarks/threads.py --threads 1 16 --rounds 9

A C library is compiled. Each of its threads keeps a table of blocks, mostly of some hundred bytes, and allocates,
writes to and frees them at random, holding no lock of Python's. Each round runs every variant once for every number of
threads, each in a fresh process, in a new order. What is printed is the wall time of the fastest round divided by that
of the fastest plain one with as many threads, and the middle half of the ratios round by round. ``memray`` is its
Tracker, where memray is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine

SOURCE = r"""
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096, THREADS = 256 };

struct worker { pthread_t thread; uint64_t state; long steps; void *slots[SLOTS]; };

static struct worker workers[THREADS];

static void *work(void *argument) {
    struct worker *self = argument;
    for (long step = 0; step < self->steps; step++) {
        self->state ^= self->state << 13, self->state ^= self->state >> 7, self->state ^= self->state << 17;
        void **slot = &self->slots[(self->state >> 8) % SLOTS];
        if (*slot) {
            free(*slot), *slot = NULL;
        } else {
            size_t size = 16 + (self->state >> 32) % (self->state % 64 ? 240 : 8000);
            *slot = memset(malloc(size), 1, size);
        }
    }
    return NULL;
}

int run(int threads, long steps) {
    for (int i = 0; i < threads; i++) {
        workers[i].state = (uint64_t)i * 2654435761u + 1, workers[i].steps = steps;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) return 1;
    }
    for (int i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);
    return 0;
}
"""

VARIANTS = ("plain", "counters", "sampled", "stacks", "memray")
STEPS = 400_000  # of each thread


def main() -> None:
    options = parsed_options()
    variants = [name for name in VARIANTS if name != "memray" or importlib.util.find_spec("memray")]
    seconds: dict[tuple[str, int], list[float]] = {(name, count): [] for name in variants for count in options.threads}
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(Path(folder))
        for _ in range(options.rounds):
            for name, count in random.sample(list(seconds), len(seconds)):
                command = [sys.executable, __file__, "--measure", name, "--threads", str(count), "--library", library]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
                seconds[name, count].append(float(done.stdout))
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs; wall time / plain (middle half); a step in ns")
    print(f"{'threads':14}" + "".join(f"{count:>22}" for count in options.threads))
    plain = [min(seconds["plain", count]) for count in options.threads]
    print(f"{'plain':14}" + "".join(f"{best * 1e9 / STEPS:>16.0f} ns    " for best in plain))
    for name in variants[1:]:
        print(f"{name:14}" + "".join(cell(seconds[name, count], seconds["plain", count]) for count in options.threads))


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measure", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measured(options.measure, ctypes.CDLL(options.library), options.threads[0]))
        sys.exit()
    return options


def measured(variant: str, library: ctypes.CDLL, threads: int) -> float:
    """Seconds that the threads take under a variant, in this process. A first, shorter run warms up."""
    library.run.argtypes = [ctypes.c_int, ctypes.c_long]
    library.run(threads, 1000)
    with contextlib.ExitStack() as stack:
        if variant == "memray":
            import memray

            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(memray.Tracker(Path(folder) / "capture"))
        elif variant != "plain":
            stack.callback(NativeEngine().open(WindowRequest(detail=variant)).close)  # type: ignore[arg-type]
        began = time.perf_counter()
        failed = library.run(threads, STEPS)
        took = time.perf_counter() - began
    if failed:
        sys.exit(f"{threads} threads could not be started")
    return took


def compiled(folder: Path) -> str:
    path = folder / "libthreads.so"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    command = [*compiler, "-O2", "-fno-builtin", "-shared", "-fPIC", "-pthread", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return str(path)


def cell(seconds: list[float], plain: list[float]) -> str:
    ratios = [one / other for one, other in zip(seconds, plain, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{min(seconds) / min(plain):8.2f} ({low:.2f}-{high:.2f})".rjust(22)


if __name__ == "__main__":
    main()
