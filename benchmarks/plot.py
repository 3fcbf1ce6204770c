"""How long ``plot`` and ``timeline`` take on large inputs, and how large their pages are.

    python benchmarks/plot.py [--peer PATH-TO-BENCHMEM]

Inputs are generated: 5 runs of 5,000 benchmarks each, and a log of 1,000,000 samples of 20,000 tests. With ``--peer``
the same runs are also given to another installation's ``benchmem plot`` (pytest-benchmem 0.5.5 takes ``--columns``).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS, TESTS, SIZES = 5, 1_000, (10, 100, 1_000, 10_000, 100_000)
SAMPLES, LOGGED_TESTS = 1_000_000, 20_000
VIEWS = (("sweep", RUNS), ("compare", 2), ("scatter", 2), ("scaling", 1))


def write_run(path: Path, seed: int) -> Path:
    """5,000 benchmarks: 1,000 tests at five sizes, linear in memory with some noise."""
    dice = random.Random(seed)
    benchmarks = []
    for test in range(TESTS):
        for size in SIZES:
            peak = int((2_000 + (8 + test % 7) * size) * dice.gauss(1, 0.05))
            seconds = 1e-7 * size * dice.uniform(0.95, 1.05)
            benchmarks.append(
                {
                    "fullname": f"benchmarks/area_{test // 100}/test_{test // 10}.py::TestIt::test_work_{test}[{size}]",
                    "params": {"n": size},
                    "group": None,
                    "stats": {"min": seconds, "max": 1.4 * seconds, "mean": 1.1 * seconds, "median": 1.1 * seconds},
                    "extra_info": {
                        "benchmem": {"peak_bytes": [peak], "allocations": [size], "total_bytes": [3 * peak]}
                    },
                }
            )
    path.write_text(json.dumps({"benchmarks": benchmarks}))
    return path


def write_log(path: Path) -> Path:
    """A million samples, each test fifty of them long, with spikes and slow growth."""
    dice = random.Random(1)
    per_test = SAMPLES // LOGGED_TESTS
    entries, level = [], 60_000_000
    for test in range(LOGGED_TESTS):
        name = f"tests/package_{test // 200}/test_module_{test // 20}.py::TestClass::test_case_number_{test}[parameter]"
        height = dice.choice((0, 1, 5, 200)) * 1_000_000
        for number in range(per_test):
            rss = level + (height if number == per_test // 2 else 0)
            entries.append({"rss": rss, "time": 1000 + 0.1 * len(entries), "name": name if number else ""})
        level += 20_000
    path.write_text(json.dumps(entries))
    return path


def timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Wall time of a command in seconds, the best of three, and its peak of resident memory in MiB."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - started)
    return best, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="another benchmem, given the same runs")
    peer = parser.parse_args().peer
    ours = [sys.executable, "-c", "from pytest_memory.cli import main; main()"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        runs = [str(write_run(folder / f"{number}.json", number)) for number in range(RUNS)]
        print(f"{'what':<34}{'seconds':>9}{'MB':>7}")
        for view, count in VIEWS:
            command = ["plot", *runs[:count], "--view", view, "--metric", "peak", "-o", "ours.html"]
            report(f"plot --view {view}, {count} × 5,000", timed(ours + command, folder)[0], folder / "ours.html")
            if peer:
                command = ["plot", *runs[:count], "--view", view, "--columns", "peak", "-o", "peer.html"]
                report("  the other benchmem", timed([peer, *command], folder)[0], folder / "peer.html")
        log = write_log(folder / "memlog.json")
        seconds, memory = timed([*ours, "timeline", str(log), "-o", "timeline.html"], folder)
        report("timeline, 1,000,000 samples", seconds, folder / "timeline.html")
        print(f"(the timeline's process held {memory} MiB at its peak)")


def report(what: str, seconds: float, page: Path) -> None:
    """Print one line of the table."""
    print(f"{what:<34}{seconds:>9.2f}{page.stat().st_size / 1e6:>7.1f}", flush=True)


if __name__ == "__main__":
    main()
