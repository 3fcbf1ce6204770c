"""How exact and how repeatable the heap numbers are: run it with ``python benchmarks/accuracy.py``.

For each workload, in fresh processes: the peak of eight runs one after the other in Python granularity; how far a
second process in the same order is from that, in its first run and in the others, and how far if both processes have
the same hash seed and the same addresses; the same eight runs counting only mallocs, which pymalloc's arenas make
depend on history; peak, total and count beside memray's; and the largest call stack by samples over its true bytes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

RUNS = 8


def lists() -> object:
    return [[number] for number in range(50_000)]


def dicts() -> object:
    return {str(number): number for number in range(30_000)}


def texts() -> object:
    document = [{"name": f"n{number}", "values": [number] * 5} for number in range(5_000)]
    return json.loads(json.dumps(document))


def patterns() -> object:
    return re.findall(r"(\w+)-(\d+)", "abc-123 de-4 " * 10_000)


def buffers() -> object:
    return [bytearray(1000 * number) for number in range(100)]


def names() -> object:
    """Names made at run time: CPython's cache of attributes keeps some, and their addresses say which."""
    return [getattr(Path, f"visit_{number % 500}", None) for number in range(20_000)]


def arrays() -> object:
    import numpy

    table = numpy.arange(90_000.0).reshape(300, 300)
    return numpy.linalg.svd(table)


def frames() -> object:
    import pandas

    frame = pandas.DataFrame({"a": range(20_000), "b": [str(number % 7) for number in range(20_000)]})
    return frame.groupby("b").a.sum()


WORKLOADS: dict[str, Callable[[], object]] = {
    work.__name__: work for work in (lists, dicts, texts, patterns, buffers, names, arrays, frames)
}


def measure(name: str, granularity: str) -> dict[str, object]:
    """In this process: the peaks of eight runs, and of two more the largest site by samples over its true bytes."""
    from pytest_memory.engines.base import WindowRequest
    from pytest_memory.engines.native import NativeEngine

    engine, work = NativeEngine(), WORKLOADS[name]
    counters = WindowRequest(granularity="python" if granularity == "python" else "malloc", detail="counters")
    usages = []
    for _ in range(RUNS):
        window = engine.open(counters)
        work()
        usages.append(window.close().usage)
    readings = []
    for detail in ("stacks", "sampled"):
        window = engine.open(WindowRequest(granularity=counters.granularity, detail=detail, seed=1))
        work()
        readings.append(window.close())
    true = {site.frames: site.bytes for site in readings[0].sites}
    top = readings[1].sites[0]
    return {
        "peaks": [usage.peak for usage in usages if usage],
        "last": [usages[-1].peak, usages[-1].allocated, usages[-1].allocations] if usages[-1] else None,
        "sampled": top.bytes / true[top.frames] if top.bytes and true.get(top.frames) == max(true.values()) else None,
    }


def measure_memray(name: str) -> dict[str, object]:
    """In this process: what memray's Tracker says of the eighth run, its own profile function warmed up."""
    import memray
    from memray._memray import compute_statistics

    work = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(RUNS):
            path = Path(folder) / str(turn)
            with memray.Tracker(path):
                work()
        seen = compute_statistics(str(path))
    return {"last": [seen.peak_memory_allocated, seen.total_memory_allocated, seen.total_num_allocations]}


def elsewhere(*arguments: str, alike: bool = False) -> dict[str, object]:
    """The same in a fresh process; with ``alike`` its hash seed and its addresses are always the same."""
    command, environment = [sys.executable, __file__, *arguments], dict(os.environ)
    if alike:
        command, environment["PYTHONHASHSEED"] = ["setarch", "-R", *command], "0"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def apart(name: str, *, alike: bool = False) -> tuple[dict[str, object], list[int]]:
    """What one process measures, and how many bytes each run of a second process is from it."""
    one, two = (elsewhere(name, "python", alike=alike) for _ in range(2))
    return one, [abs(a - b) for a, b in zip(one["peaks"], two["peaks"], strict=True)]


def beside(ours: list[int], theirs: list[int]) -> str:
    """Peak, total and count: ``equal``, or by how much ours are more."""
    differences = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    return "equal" if not any(differences) else ", ".join(f"{difference:+,}" for difference in differences)


def main() -> None:
    """Print the table."""
    heads = f"{'workload':10}  {'first run':>12}  {'runs 2-8':>25}  {'2nd process':>13}  {'alike':>5}  {'top site':>8}"
    print(f"{heads}  counting mallocs only")
    for name in WORKLOADS:
        one, away = apart(name)
        alike = max(apart(name, alike=True)[1]) if shutil.which("setarch") else "-"
        mallocs, memray = elsewhere(name, "malloc"), elsewhere(name, "memray")
        first, *later = one["peaks"]
        spread = f"{min(later):,} to {max(later):,}" if min(later) != max(later) else f"{later[0]:,}"
        drift = f"{min(mallocs['peaks']):,} to {max(mallocs['peaks']):,}"
        second = f"{away[0]:,}, {max(away[1:]):,} B"
        sampled = "wrong" if one["sampled"] is None else f"{one['sampled']:.2f}"
        print(f"{name:10}  {first:12,}  {spread:>25}  {second:>13}  {alike:>3} B  {sampled:>8}", end="  ")
        print(f"{drift}; memray: {beside(mallocs['last'], memray['last'])}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        workload, how = sys.argv[1:]
        print(json.dumps(measure_memray(workload) if how == "memray" else measure(workload, how)))
