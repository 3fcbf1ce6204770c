"""What counting costs code that does nothing but allocate, beside tracemalloc and memray.

    python benchmarks/micro.py
    python benchmarks/micro.py --work strings --tool 'python sampled' --seconds 5
    python benchmarks/micro.py --instructions

Each workload runs in a process of its own, first once under every tool, then again and again in short repetitions,
interleaved, each tool switched on for its repetition alone and outside the clock; a ratio compares the fastest
repetition under a tool with the fastest without any, in CPU time, since what else the machine does only ever adds to
one. ``held`` is what the engine's own tables keep resident at the end.

With ``--instructions`` and valgrind installed, callgrind counts the instructions of one more repetition under each
tool, which no other load of the machine disturbs. It does not see what a cache miss or a locked instruction costs.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine

# --- workloads: each makes its inputs once, and returns what is repeated ---


def churn() -> Callable[[], object]:
    def churning() -> None:
        for number in range(60_000):
            _ = [number, {}]

    return churning


def growth() -> Callable[[], object]:
    def grow() -> object:
        lists = [[number, str(number)] for number in range(15_000)]
        return {number: [words] for number, words in enumerate(lists)}

    return grow


def json_texts() -> Callable[[], object]:
    document = [{"name": f"n{number}", "values": [number] * 5, "more": {"a": 1.5}} for number in range(1_500)]
    return lambda: json.loads(json.dumps(document))


def regex() -> Callable[[], object]:
    text, pattern = "abc-123 de-4 fghij-567 " * 1_500, re.compile(r"(\w+)-(\d+)")
    return lambda: pattern.findall(pattern.sub(r"\2-\1", text))


def strings() -> Callable[[], object]:
    return lambda: ["x" * (2000 + number % 7) for number in range(4_000)] and "".join(map(str, range(30_000)))


def calls() -> Callable[[], object]:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

        def moved(self, by: int) -> Point:
            return Point(self.x + by)

    def call() -> None:
        point = Point(1000)
        for number in range(20_000):
            point = point.moved(number)

    return call


def arrays() -> Callable[[], object]:
    import numpy

    table = numpy.arange(2_500.0).reshape(50, 50)
    return lambda: [numpy.add(table, number).sum(axis=0) * 2 for number in range(1_500)]


def frames() -> Callable[[], object]:
    import pandas

    frame = pandas.DataFrame({"a": range(2_000), "b": [number % 7 for number in range(2_000)]})
    return lambda: [frame[frame.a > number].groupby("b").a.sum() for number in range(12)]


def compiling() -> Callable[[], object]:
    source = Path(argparse.__file__).read_text(encoding="utf-8")[:40_000].rpartition("\nclass ")[0]
    return lambda: compile(source, "source", "exec")


WORKLOADS = {
    "churn": churn,
    "growth": growth,
    "json": json_texts,
    "regex": regex,
    "strings": strings,
    "calls": calls,
    "numpy": arrays,
    "pandas": frames,
    "compile": compiling,
}

# --- tools ---

Tool = Callable[[], AbstractContextManager[object]]


def native(engine: NativeEngine, request: WindowRequest) -> Tool:
    @contextlib.contextmanager
    def measuring() -> Iterator[None]:
        window = engine.open(request)
        try:
            yield
        finally:
            window.close()

    return measuring


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def memray_tracker(*, python: bool) -> Tool:
    import memray

    folder, numbers = Path(tempfile.mkdtemp()), itertools.count()

    @contextlib.contextmanager
    def tracking() -> Iterator[None]:
        path = folder / str(next(numbers))
        with memray.Tracker(path, trace_python_allocators=python):
            yield
        path.unlink()

    return tracking


def tools(wanted: list[str]) -> dict[str, Tool]:
    """The tools by name, ``plain`` first; memray only where it is installed."""
    engine = NativeEngine()
    found: dict[str, Tool] = {"plain": contextlib.nullcontext}
    for granularity, detail in itertools.product(("python", "malloc"), ("counters", "sampled", "stacks")):
        request = WindowRequest(granularity=granularity, detail=detail, seed=1)  # type: ignore[arg-type]
        found[f"{granularity} {detail}"] = native(engine, request)
    found["tracemalloc"] = tracing
    with contextlib.suppress(ImportError):
        found["memray"] = memray_tracker(python=False)
        found["memray python"] = memray_tracker(python=True)
    return {name: tool for name, tool in found.items() if not wanted or name == "plain" or name in wanted}


def repetition(work: Callable[[], object], tool: Tool) -> float:
    """CPU seconds of the work under a tool that is already on."""
    gc.collect()
    with tool():
        began = time.process_time()
        work()
        return time.process_time() - began


def measure(name: str, wanted: list[str], seconds: float) -> dict[str, object]:
    """In this process: the fastest repetition under each tool, and what the engine holds afterwards."""
    work, under = WORKLOADS[name](), tools(wanted)
    fastest = {tool: repetition(work, under[tool]) for tool in under}
    ends = time.monotonic() + seconds * len(under)
    while time.monotonic() < ends:
        for tool in random.sample(list(under), len(under)):
            fastest[tool] = min(fastest[tool], repetition(work, under[tool]))
    return {"seconds": fastest, "held": NativeEngine().held_bytes()}


def marked(name: str, wanted: list[str]) -> None:
    """In this process, which callgrind watches: a repetition under each tool, between two calls that mark it."""
    work, under = WORKLOADS[name](), tools(wanted)
    for tool in under.values():
        for _ in range(2):
            repetition(work, tool)
        gc.collect()
        with tool():
            os.getppid()
            work()
            os.getppid()


def elsewhere(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The same program in a fresh process, with the same hash seed each time."""
    command = [*prefix, sys.executable, __file__, *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def instructions(name: str, under: list[str]) -> list[float]:
    """Instructions of one repetition under each tool, in millions. Callgrind writes a file at each mark."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("--dump-before=getppid", f"--callgrind-out-file={folder}/out")
        elsewhere("--marked", name, *under, prefix=("valgrind", "--tool=callgrind", *options))
        files = [Path(folder) / f"out.{2 * number + 2}" for number in range(len(under))]
        found = [re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.MULTILINE) for file in files]
    return [int(count[1]) / 1e6 for count in found if count]


def print_times(names: list[str], wanted: list[str], seconds: float) -> None:
    """A row per tool, a column per workload."""
    measured = {name: json.loads(elsewhere("--measure", name, str(seconds), *wanted).stdout) for name in names}
    print(f"{'CPU time ÷ plain':18}" + "".join(f"{name:>9}" for name in names))
    for tool in measured[names[0]]["seconds"]:
        times = {name: measured[name]["seconds"][tool] for name in names}
        if tool == "plain":
            print(f"{'plain, ms':18}" + "".join(f"{times[name] * 1e3:9.2f}" for name in names))
        else:
            print(f"{tool:18}" + "".join(f"{times[name] / measured[name]['seconds']['plain']:9.2f}" for name in names))
    print(f"{'held, MiB':18}" + "".join(f"{measured[name]['held'] / 2**20:9.1f}" for name in names), flush=True)


def print_instructions(names: list[str], wanted: list[str]) -> None:
    """The same for instructions. memray is left out: it does not run under valgrind."""
    under = [tool for tool in tools(wanted) if "memray" not in tool]
    counts = {name: dict(zip(under, instructions(name, under), strict=True)) for name in names}
    print(f"\n{'instructions ÷ plain':22}" + "".join(f"{name:>9}" for name in names))
    print(f"{'plain, millions':22}" + "".join(f"{counts[name]['plain']:9.1f}" for name in names))
    for tool in under[1:]:
        print(f"{tool:22}" + "".join(f"{counts[name][tool] / counts[name]['plain']:9.2f}" for name in names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="append", choices=WORKLOADS, help="default: all of them")
    parser.add_argument("--tool", action="append", default=[], help="default: all of them")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each workload and tool")
    parser.add_argument("--instructions", action="store_true", help="count them with callgrind; takes minutes")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--marked", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, seconds, *wanted = options.measure
        print(json.dumps(measure(name, wanted, float(seconds))))
    elif options.marked:
        marked(options.marked[0], options.marked[1:])
    else:
        names = options.work or list(WORKLOADS)
        print_times(names, options.tool, options.seconds)
        if options.instructions and not shutil.which("valgrind"):
            sys.exit("--instructions needs valgrind")
        if options.instructions:
            print_instructions(names, options.tool)


if __name__ == "__main__":
    main()
