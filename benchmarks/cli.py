"""How long the command line takes: ``--help``, and ``compare`` on few and on many benchmarks.

    python benchmarks/cli.py [--large] [--peer] [--rounds=N]

Prints a table with the wall time, the processor time and the largest resident memory of each command, in a process of
its own and each the least of N interleaved runs, beside the promise it has to keep; the exit code is 1 if one is
broken. The line above the table says what parses JSON. ``--large`` adds 20 runs of 20,000 benchmarks, ``--peer`` runs
pytest-benchmem from PyPI on the same files, once, in a virtual environment made for it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from pytest_memory.store.parsers import parser_name

ROUNDS_EACH = 10
PASSES_EACH = 3
PEER_LIMIT = 300  # seconds


@dataclass(frozen=True)
class Measured:
    """What one run of a command took: seconds, bytes, and how it ended."""

    wall: float
    processor: float
    memory: int
    code: int


def main() -> int:
    options = _options()
    print(f"Python {platform.python_version()}, JSON: {parser_name()}")
    with tempfile.TemporaryDirectory(prefix="cli-benchmark-") as folder:
        small = write_runs(Path(folder, "small"), runs=5, benchmarks=5_000)
        ours = [sys.executable, "-m", "pytest_memory"]
        cases = [("--help", ours, ["--help"], 0.15), *compare_cases(ours, small, limit=1.0)]
        if options.large:
            large = write_runs(Path(folder, "large"), runs=20, benchmarks=20_000)
            cases += [
                ("compare, 20 runs x 20,000", ours, ["compare", *large], 15.0),
                ("compare first and last of them", ours, ["compare", large[0], large[-1], "--metric", "peak"], None),
            ]
        broken = show(cases, options.rounds)
        if options.peer:
            peer = [str(install_peer(Path(folder, "peer")))]
            show([("pytest-benchmem " + name, peer, args, None) for name, args in peer_cases(small)], 1)
    return int(broken)


def compare_cases(command: list[str], runs: list[str], limit: float) -> list[tuple]:
    gates = ["--fail-on", "peak:50%", "--fail-on", "time:50%", "--significant"]
    wide, four = ["--columns", "time,peak"], ["--columns", "time,peak,allocated,allocations"]
    options = [
        ("5 runs x 5,000", runs, []),
        ("--metric peak", runs, ["--metric", "peak"]),
        ("two runs, --statistics, two gates", runs[:2], ["--statistics", *gates]),
        ("--csv", runs, ["--csv", str(Path(runs[0]).with_name("out.csv"))]),
        ("--format json", runs[:2], ["--format", "json"]),
        ("--format md", runs, ["--format", "md"]),
        ("--where", runs, ["--where", "n=3"]),
        ("--columns, all statistics, 5,000 groups", runs, wide),
        ("--columns --group-by func", runs, [*wide, "--group-by", "func"]),
        ("--columns --diff", runs, [*wide, "--diff", "--group-by", "module"]),
        ("four columns", runs, four),
        ("four columns, --group-by func", runs, [*four, "--group-by", "func"]),
        ("four columns, --diff", runs, [*four, "--diff"]),
        ("four columns, --format md", runs, [*four, "--format", "md"]),
        ("four columns, --format json", runs, [*four, "--format", "json"]),
        ("four columns, --diff, --format json", runs, [*four, "--diff", "--format", "json"]),
        ("--pivot", runs[:1], [*wide, "--pivot", "kind", "--stat", "min"]),
    ]
    return [(f"compare, {name}", command, ["compare", *paths, *more], limit) for name, paths, more in options]


def peer_cases(runs: list[str]) -> list[tuple[str, list[str]]]:
    return [
        ("--help", ["--help"]),
        ("compare, 5 runs x 5,000", ["compare", *runs]),
        ("compare, time, min only", ["compare", *runs, "--columns", "time", "--stat", "min"]),
        ("compare --diff, 2 runs", ["compare", *runs[:2], "--diff"]),
    ]


def show(cases: list[tuple], rounds: int) -> bool:
    """Print one line per case; whether one broke its promise.

    Each round runs every case once: when the machine is slow for a while, it is so for all of them.
    """
    runs: list[list[Measured]] = [[] for _ in cases]
    for turn in range(rounds):
        if sys.stderr.isatty():
            print(f"\rround {turn + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        for (_, command, arguments, _), measured in zip(cases, runs, strict=True):
            measured.append(measure([*command, *arguments]))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(f"\n{'command':<52} {'wall':>8} {'cpu':>8} {'memory':>9}  promise")
    broken = False
    for (name, _, _, limit), measured in zip(cases, runs, strict=True):
        best = least(measured)
        kept = limit is None or best.wall <= limit
        broken |= not kept
        promise = "" if limit is None else f"<= {limit:g} s" + ("" if kept else "  BROKEN")
        failed = "" if best.code in (0, 1) else f"  exit code {best.code}"
        cells = f"{best.wall:>6.2f} s {best.processor:>6.2f} s {best.memory / 2**20:>5.0f} MiB"
        print(f"{name:<52} {cells}  {promise}{failed}", flush=True)
    return broken


def least(runs: list[Measured]) -> Measured:
    """The least of each: whatever else the machine does adds to all of them."""
    return Measured(
        min(run.wall for run in runs),
        min(run.processor for run in runs),
        min(run.memory for run in runs),
        max((run.code for run in runs), key=abs),
    )


def measure(command: list[str]) -> Measured:
    # Other programs run from compiled byte code, as they do once they are installed.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = _wait(process, PEER_LIMIT)
    wall = time.perf_counter() - begun
    scale = 1 if sys.platform == "darwin" else 1024
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale, os.waitstatus_to_exitcode(status))


def _wait(process: subprocess.Popen, limit: float) -> tuple[int, int, resource.struct_rusage]:
    deadline = time.monotonic() + limit
    while True:
        found = os.wait4(process.pid, os.WNOHANG)
        if found[0]:
            return found
        if time.monotonic() > deadline:
            process.kill()
            return os.wait4(process.pid, 0)
        time.sleep(0.002)


def write_runs(folder: Path, runs: int, benchmarks: int) -> list[str]:
    """Files as ``--benchmark-json`` writes them, with ten rounds and three memory passes a benchmark.

    They are written by another process: a program started from a large one inherits its high-water mark.
    """
    folder.mkdir()
    context = multiprocessing.get_context("spawn")
    for run in range(runs):
        worker = context.Process(target=_write_run, args=(folder / f"run{run:02}.json", run, benchmarks))
        worker.start()
        worker.join()
    return sorted(map(str, folder.glob("*.json")))


def _write_run(path: Path, run: int, benchmarks: int) -> None:
    noise = random.Random(run)
    entries = [benchmark(number, run, noise) for number in range(benchmarks)]
    path.write_text(json.dumps({"machine_info": {}, "commit_info": {}, "benchmarks": entries, "version": "5.1.0"}))


def benchmark(number: int, run: int, noise: random.Random) -> dict:
    """One entry: a time between 1 µs and 100 ms with 3 % noise, and a peak that grows in every fifth of them."""
    base = 10 ** (-6 + 5 * (number * 7919 % 1000) / 1000) * (1 + 0.02 * run * (number % 7 == 0))
    data = [base * noise.lognormvariate(0, 0.03) for _ in range(ROUNDS_EACH)]
    ordered = sorted(data)
    peak = 10_000 * (number + 1) + 100 * run * (number % 5 == 0)
    kind = ("list", "set")[number % 2]
    name = f"test_{number // 20}[{kind}-{number // 2 % 10}]"
    mean, quartiles = statistics.fmean(data), (ordered[ROUNDS_EACH // 4], ordered[3 * ROUNDS_EACH // 4])
    return {
        "group": None,
        "name": name,
        "fullname": f"tests/test_module{number // 200}.py::{name}",
        "params": {"kind": kind, "n": number // 2 % 10},
        "param": name.partition("[")[2][:-1],
        "extra_info": {
            "benchmem": {
                "peak_bytes": [peak] * PASSES_EACH,
                "allocations": [number] * PASSES_EACH,
                "total_bytes": [2 * peak] * PASSES_EACH,
            }
        },
        "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0, "warmup": False},
        "stats": {
            "min": ordered[0],
            "max": ordered[-1],
            "mean": mean,
            "stddev": statistics.stdev(data),
            "rounds": ROUNDS_EACH,
            "median": statistics.median(data),
            "iqr": quartiles[1] - quartiles[0],
            "q1": quartiles[0],
            "q3": quartiles[1],
            "iqr_outliers": 0,
            "stddev_outliers": 2,
            "outliers": "2;0",
            "ld15iqr": ordered[0],
            "hd15iqr": ordered[-1],
            "ops": 1 / mean,
            "total": sum(data),
            "data": data,
            "iterations": 1,
        },
    }


def install_peer(folder: Path) -> Path:
    """Install pytest-benchmem from PyPI into an environment of its own, and give its command line."""
    uv = shutil.which("uv")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if uv:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python)]
    else:
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q"]
    subprocess.run([*install, "pytest-benchmem[plot]"], check=True)
    return python.with_name("benchmem")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also 20 runs of 20,000 benchmarks")
    parser.add_argument("--peer", action="store_true", help="also pytest-benchmem from PyPI")
    parser.add_argument("--rounds", type=int, default=10, help="runs of each command; the best counts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
