"""What the plugin costs each test, whatever the test does: thousands of empty ones, with and without it.

    python benchmarks/pertest.py
    python benchmarks/pertest.py --rounds 10 --variant none --variant memory
    python benchmarks/pertest.py --instructions
    python benchmarks/pertest.py --bytecodes --variant memory

Each process notes when each of its tests begins, and so how long each takes. Of those times the 5th percentile and the
median are kept, and of all rounds the least of each: what else the machine does only ever adds to a test. The rounds of
the variants are interleaved. What is paid once, at the start or at the end, is not in these figures.

With ``--instructions`` and valgrind installed, callgrind counts the instructions of two sessions of different length:
their difference is what a test takes, and the rest what is paid once. Neither has what the kernel does.

``--bytecodes`` counts the instructions of the interpreter instead, which are the same in every run, and says in which
functions a test executes more of them than without the plugin. It takes seconds, and shows where time can be saved.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from overhead import ROOT, VARIANTS, counted_instructions, environments, pytest_run

CONFTEST = """
import statistics, time
began = []

def pytest_runtest_logstart():
    began.append(time.perf_counter())

def pytest_sessionfinish():
    took = sorted(b - a for a, b in zip(began, began[1:]))
    with open({times!r}, "w") as file:
        print(took[len(took) // 20], statistics.median(took), file=file)
"""
STEPS = """
import collections, json, pytest, sys
counts, tests = collections.Counter(), 0

def step(frame, event, argument):
    frame.f_trace_opcodes, frame.f_trace_lines = True, False
    if event == "opcode":
        counts[frame.f_code] += 1
    return step

@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    global tests
    tests += 1
    if tests > {warm}:
        sys.settrace(step)
    yield
    sys.settrace(None)

def pytest_sessionfinish():
    each = collections.Counter()
    for code, count in counts.items():
        each[code.co_filename.split("site-packages/")[-1] + " " + code.co_name] += count / (tests - {warm})
    with open({steps!r}, "w") as file:
        json.dump(each, file)
"""
NAMES = [name for name in VARIANTS if "memray" not in name]
SHORT, LONG = 200, 700
WARM, STEPPED, SHOWN = 20, 60, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", action="append", choices=NAMES, help="default: all of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=3000)
    parser.add_argument("--instructions", action="store_true", help="count them with callgrind; a minute each")
    parser.add_argument("--bytecodes", action="store_true", help="count those of Python, and say where; seconds each")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-bench", help="made if missing")
    options = parser.parse_args()
    names = list(dict.fromkeys(["plain", *(options.variant or NAMES)]))
    python, _ = environments(options.environments, set(), with_peer=False)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs", flush=True)
    if options.bytecodes:
        step(names, python)
    elif options.instructions:
        count(names, python)
    else:
        measure(names, python, options.rounds, options.tests)


def measure(names: list[str], python: Path, rounds: int, tests: int) -> None:
    """Time the tests and print the table."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times"
        write_tests(Path(folder), tests)
        (Path(folder) / "conftest.py").write_text(CONFTEST.format(times=str(times)), encoding="utf-8")
        for round_number in range(-1, rounds):  # the first round warms up: bytecode, file cache
            for name in random.sample(names, len(names)):
                pytest_run([python], VARIANTS[name].arguments, folder)
                low, middle = map(float, times.read_text(encoding="utf-8").split())
                if round_number >= 0:
                    seen[name].append((low, middle))
    print(f"\n{tests} empty tests, {rounds} rounds, microseconds a test\n")
    print(f"{'variant':14} {'5th percentile':>15} {'over plain':>11} {'median':>8} {'over plain':>11}  medians' spread")
    least = {name: [min(column) * 1e6 for column in zip(*pairs, strict=True)] for name, pairs in seen.items()}
    for name, (low, middle) in least.items():
        medians = [pair[1] * 1e6 for pair in seen[name]]
        first, _, last = statistics.quantiles(medians, n=4) if rounds > 1 else medians * 3
        extra, more = low - least["plain"][0], middle - least["plain"][1]
        print(f"{name:14} {low:15.0f} {extra:11.0f} {middle:8.0f} {more:11.0f}  {first:.0f}–{last:.0f}")


def count(names: list[str], python: Path) -> None:
    """Count instructions and print the table. Two sessions at a time, as they disturb no count."""

    def counted(job: tuple[str, int]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            write_tests(Path(folder), job[1])
            return counted_instructions(python, VARIANTS[job[0]].arguments, folder)[1]

    jobs = [(name, tests) for name in names for tests in (SHORT, LONG)]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(jobs, pool.map(counted, jobs), strict=True))
    print(f"\n{'variant':14} {'thousands a test':>17} {'over plain':>11} {'millions once':>14} {'over plain':>11}")
    plain: tuple[float, float] | None = None
    for name in names:
        each = (counts[name, LONG] - counts[name, SHORT]) / (LONG - SHORT)
        once = counts[name, SHORT] - SHORT * each
        plain = plain or (each, once)
        print(
            f"{name:14} {each / 1e3:17.0f} {(each - plain[0]) / 1e3:11.0f} {once / 1e6:14.0f} "
            f"{(once - plain[1]) / 1e6:11.0f}"
        )


def step(names: list[str], python: Path) -> None:
    """Count bytecodes, and print how many a test executes, and in which functions."""
    counted: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        steps = Path(folder) / "steps"
        write_tests(Path(folder), STEPPED)
        (Path(folder) / "conftest.py").write_text(STEPS.format(steps=str(steps), warm=WARM), encoding="utf-8")
        for name in names:
            pytest_run([python], VARIANTS[name].arguments, folder)
            counted[name] = json.loads(steps.read_text(encoding="utf-8"))
    plain = counted.pop("plain")
    print(f"\nplain: {sum(plain.values()):.0f} bytecodes of Python a test")
    for name, found in counted.items():
        print(f"\n{name}: {sum(found.values()) - sum(plain.values()):.0f} more")
        more = {place: count - plain.get(place, 0) for place, count in found.items()}
        for place in sorted(more, key=lambda place: -more[place])[:SHOWN]:
            if more[place] >= 1:
                print(f"{more[place]:8.0f}  {place}")


def write_tests(folder: Path, count: int) -> None:
    text = "".join(f"def test_{number}(): pass\n" for number in range(count))
    (folder / "test_empty.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
