"""What is paid whatever is measured: putting the native engine's hooks in place, opening and closing a window, and
writing the breadcrumb.

    python benchmarks/fixed.py
    python benchmarks/fixed.py --libraries 1000 --rounds 20

Each round starts a process, loads the made-up libraries (they import malloc, realloc and free), then those of numpy and
pandas where they are installed, and times ``install``; then windows, a thousand at a time, from Python, with a reading
that does nothing; then the writes of a breadcrumb, in C and in Python. The fastest of all rounds is printed, and with
memray what starting and stopping its Tracker takes in the same process.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import mmap
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_memory.recorder.cells import END, make_cells
from pytest_memory.recorder.cells_python import PythonCells

SOURCE = """
#include <stdlib.h>
void *give{0}(void) {{ return realloc(malloc({0}), 9); }}
void take{0}(void *p) {{ free(p); }}
"""


def fastest(call: Callable[[], object], times: int, rounds: int) -> float:
    """Seconds that one call takes, in the fastest round."""
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            call()
        seconds.append((time.process_time() - began) / times)
    return min(seconds)


def measure(libraries: list[str]) -> dict[str, float]:
    """In this process."""
    for library in libraries:
        ctypes.CDLL(library)
    with contextlib.suppress(ImportError):
        import pandas  # noqa: F401
    from pytest_memory.engines.native import _native as core

    began = time.process_time()
    core.install()
    core.answers(tuple, tuple)
    found = {"install": time.process_time() - began, "libraries": len(core.libraries())}

    def nothing(*_: object) -> None:
        pass

    for name, granularity in (("python", core.PYTHON), ("malloc", core.MALLOC)):
        for detail, stacks in (("counters", None), ("sampled", ({}, tuple, (), (), None))):
            arguments = (granularity, False, False, 0, stacks, 0, False)
            key = f"window, {name} {detail}"
            opener = core.opener(*arguments)
            found[key] = fastest(lambda opener=opener: opener.open(1).close(), 1000, 20)  # type: ignore[misc]
    found["a call from Python and its result"] = fastest(lambda: nothing(1, 2, 3, 4), 1000, 20)
    found |= breadcrumbs()
    with contextlib.suppress(ImportError):
        found["memray's Tracker"] = fastest(track, 1, 5)
    return found


def breadcrumbs() -> dict[str, float]:
    """What a phase and what the beginning of a test takes, to be written by whoever writes here and in Python."""
    found = {}
    with mmap.mmap(-1, END) as memory:
        for make in (make_cells, PythonCells):
            cells = make(memory, time.monotonic)
            writer = "Python" if isinstance(cells, PythonCells) else "C"
            found[f"breadcrumb, a phase, in {writer}"] = fastest(lambda enter=cells.enter: enter(2), 1000, 20)  # type: ignore[misc]
            found[f"breadcrumb, a test, in {writer}"] = fastest(
                lambda begin=cells.begin: begin("tests/test_it.py::TestIt::test_it[1]"),  # type: ignore[misc]
                1000,
                20,
            )
            cells.release()
    return found


def track() -> None:
    import memray

    with tempfile.TemporaryDirectory() as folder, memray.Tracker(Path(folder) / "capture"):
        pass


def make_libraries(folder: Path, count: int) -> list[str]:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    paths = []
    for number in range(count):
        source, library = folder / f"made{number}.c", folder / f"libmade{number}.so"
        source.write_text(SOURCE.format(number), encoding="utf-8")
        subprocess.run([*compiler, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        paths.append(str(library))
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--measure", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure)))
        return
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        libraries = make_libraries(Path(folder), options.libraries)
        for _ in range(options.rounds):
            command = [sys.executable, __file__, "--measure", *libraries]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            for name, seconds in json.loads(done.stdout).items():
                best[name] = min(best.get(name, seconds), seconds)
    print(f"CPU time, with {best.pop('libraries'):.0f} libraries loaded")
    for name, seconds in best.items():
        print(f"{name:36} {seconds * 1e6:12.2f} µs")


if __name__ == "__main__":
    main()
