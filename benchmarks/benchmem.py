"""What a memory pass costs, and how well its number repeats, beside pytest-benchmem from PyPI.

    python benchmarks/benchmem.py
    python benchmarks/benchmem.py --benchmarks 50 --rounds 3 --processes 20 --no-peer

*Cost*: a suite of trivial benchmarks, one timed round each, runs in interleaved processes with and without
``--benchmark-memory``, and so does a suite of one. ``start`` is what loading costs once, the difference in the suite of
one; ``each`` is what every further benchmark pays. Times are CPU seconds (user and system, the fastest round), which
other work on the machine disturbs less than the clock on the wall.

*Repeatability*: fresh processes measure a JSON round trip and a list of 10,000 tuples, each after one unmeasured call,
before and after an allocation that leaves the heap fragmented. The table has the distinct peaks of each over all
processes. pytest-benchmem is installed in an environment of its own (kept in .venv-benchmem).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".venv-benchmem"

SUITE = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(benchmark, number):
    benchmark.pedantic(list, args=((1, 2, 3),), rounds=1)
"""

PROBE = """
import json, random
from {package} import measure_memory

def round_trip():
    return json.loads(json.dumps([{{"id": n, "name": str(n), "tags": ["a", "b", str(n)]}} for n in range(500)]))

def tuples():
    return [(n, str(n)) for n in range(10_000)]

def peaks():
    return [measure_memory(action, repeats=1, warmup=1).peak_bytes for action in (round_trip, tuples)]

before = peaks()
blocks = [bytearray(random.Random(n).randrange(16, 4000)) for n in range(60_000)]
del blocks[::2]
print(json.dumps(before + peaks()))
"""

ACTIONS = ("JSON round trip", "10,000 tuples", "JSON, fragmented", "tuples, fragmented")


@dataclass(frozen=True)
class Tool:
    """A tool to measure with.

    Attributes:
        name: For the table.
        python: Its interpreter.
        package: What to import measure_memory from.
        flags: For its pytest.
    """

    name: str
    python: Path
    package: str
    flags: tuple[str, ...] = ()


def main() -> None:
    """Measure and print both tables."""
    options = _options()
    peer = PEER / "bin" / "python"
    ours = Tool("pytest-memory", Path(sys.executable), "pytest_memory")
    tools = [ours]
    if not options.no_peer:
        _install_peer()
        once = ("--benchmark-memory-repeats=1", "--benchmark-memory-warmup=0")
        tools += [
            Tool("pytest-benchmem", peer, "pytest_benchmem"),
            Tool("pytest-benchmem, one pass", peer, "pytest_benchmem", once),
        ]
    with tempfile.TemporaryDirectory() as folder:
        _print_costs(tools, Path(folder), options)
        _print_repeatability([tool for tool in tools if not tool.flags], Path(folder), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=int, default=200, help="trivial benchmarks in the suite")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant of the suite")
    parser.add_argument("--processes", type=int, default=100, help="fresh processes for repeatability")
    parser.add_argument("--no-peer", action="store_true", help="leave pytest-benchmem out")
    return parser.parse_args()


def _install_peer() -> None:
    if not PEER.exists():
        subprocess.run(["uv", "venv", "-q", "-p", sys.executable, PEER], check=True)
        python = PEER / "bin" / "python"
        subprocess.run(["uv", "pip", "install", "-q", "-p", python, "pytest-benchmem"], check=True)


def _print_costs(tools: list[Tool], folder: Path, options: argparse.Namespace) -> None:
    counts = (1, options.benchmarks)
    suites = {count: folder / f"test_trivial_{count}.py" for count in counts}
    for count, suite in suites.items():
        suite.write_text(SUITE.format(count=count))
    variants = [(tool, count, memory) for tool in tools for count in counts for memory in (False, True)]
    seconds: dict[tuple[Tool, int, bool], float] = {}
    for number in range(options.rounds + 1):
        random.shuffle(variants)
        for variant in variants:
            tool, count, memory = variant
            spent = _run_suite(tool, suites[count], memory=memory)
            if number:  # the first round writes bytecode
                seconds[variant] = min(spent, seconds.get(variant, spent))
    print(f"{options.benchmarks} trivial benchmarks, fastest of {options.rounds} rounds, CPU seconds\n")
    print(f"{'':28}{'without':>10}{'with':>10}{'start':>10}{'each':>12}")
    for tool in tools:
        start = seconds[tool, 1, True] - seconds[tool, 1, False]
        without, with_memory = (seconds[tool, options.benchmarks, memory] for memory in (False, True))
        each = (with_memory - without - start) / (options.benchmarks - 1) * 1000
        print(f"{tool.name:28}{without:>10.2f}{with_memory:>10.2f}{start:>10.2f}{each:>9.2f} ms")


def _run_suite(tool: Tool, suite: Path, *, memory: bool) -> float:
    flags = ["--benchmark-memory", *tool.flags] if memory else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [tool.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, suite],
        cwd=suite.parent,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _print_repeatability(tools: list[Tool], folder: Path, options: argparse.Namespace) -> None:
    print(f"\nPeaks in bytes over {options.processes} fresh processes: distinct values (most frequent, spread)\n")
    print(f"{'':20}" + "".join(f"{tool.name:>34}" for tool in tools))
    found = {tool: _probe(tool, folder, options.processes) for tool in tools}
    for index, action in enumerate(ACTIONS):
        cells = []
        for tool in tools:
            counted = Counter(peaks[index] for peaks in found[tool])
            width = max(counted) - min(counted)
            cells.append(f"{len(counted)} ({counted.most_common(1)[0][0]:,}, {width:,})")
        print(f"{action:20}" + "".join(f"{cell:>34}" for cell in cells))


def _probe(tool: Tool, folder: Path, processes: int) -> list[list[int]]:
    script = folder / f"probe_{tool.package}.py"
    script.write_text(PROBE.format(package=tool.package))
    found = []
    for _ in range(processes):
        done = subprocess.run([tool.python, script], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    return found


if __name__ == "__main__":
    main()
