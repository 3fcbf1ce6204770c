"""What the plugin costs: whole test suites of well-known projects, with and without it, in interleaved processes.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --suite networkx --variant idle --variant none --rounds 15
    python benchmarks/overhead.py --suite pandas --suite numpy-multiarray

A wheel of this checkout is built and installed in a fresh environment (kept in .venv-bench), beside one with
pytest-memray from PyPI. Each round runs every variant once, in a new order; a ratio is that of a variant to the
``plain`` run of its own round, so that a machine that slows down for a while slows both. ``spread`` is the middle half
of the ratios; ``best`` compares the fastest runs, since what else the machine does only ever adds to one. Times are
CPU seconds (user and system, children included) unless ``--wall`` is given.

With ``--instructions`` and valgrind installed, callgrind counts the instructions of each variant: a figure that no
other load of the machine disturbs. It takes some fifty times as long as the suite, leaves out what the kernel does, and
cannot run memray. The same run counts the same twice, but where names and types happen to lie decides which of them
push each other out of the interpreter's caches, and any change, of the plain run too, may move that by a percent
(Mytkowicz, Diwan, Hauswirth and Sweeney, "Producing wrong data without doing anything obviously wrong!", ASPLOS 2009).
So each round has another hash seed. The ratio is that of the means; ``spread`` compares the least and the greatest
count with the mean of the plain ones.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Suite:
    """Tests that an installed package brings along."""

    packages: tuple[str, ...]
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """One way to run them; ``peer`` runs in the environment of pytest-memray."""

    arguments: tuple[str, ...]
    peer: bool = False


FUNCTION_BASE, MULTIARRAY = "numpy.lib.tests.test_function_base", "numpy._core.tests.test_multiarray"
CONSTRUCTORS, GROUPBY = "pandas.tests.frame.test_constructors", "pandas.tests.groupby.test_groupby"
NUMPY, PANDAS = ("numpy", "hypothesis"), ("pandas", "hypothesis")
SUITES = {
    "networkx": Suite(("networkx",), ("--pyargs", "networkx.classes")),
    "numpy": Suite(NUMPY, ("--pyargs", FUNCTION_BASE, MULTIARRAY)),
    "numpy-function-base": Suite(NUMPY, ("--pyargs", FUNCTION_BASE)),
    "numpy-multiarray": Suite(NUMPY, ("--pyargs", MULTIARRAY)),
    "pandas": Suite(PANDAS, ("--pyargs", CONSTRUCTORS, GROUPBY)),
    "pandas-constructors": Suite(PANDAS, ("--pyargs", CONSTRUCTORS)),
    "pandas-groupby": Suite(PANDAS, ("--pyargs", GROUPBY)),
}
VARIANTS = {
    "plain": Variant(("-p", "no:memory")),
    "idle": Variant(()),
    "records": Variant(("--memory", "--memory-engine=none", "--memory-resident=off")),
    "none": Variant(("--memory", "--memory-engine=none")),
    "counters": Variant(("--memory", "--memory-granularity=malloc", "--memory-detail=counters")),
    "memory": Variant(("--memory",)),
    "stacks": Variant(("--memory", "--memory-detail=stacks")),
    "tracemalloc": Variant(("--memory", "--memory-engine=tracemalloc")),
    "memray": Variant(("--memory", "--memory-engine=memray")),
    "--memray": Variant(("--memray",)),
    "--memlog": Variant(("--memlog",)),
    "pytest-memray": Variant(("--memray",), peer=True),
}
DEFAULT_SUITES = ("networkx", "numpy-function-base", "pandas-constructors")


def main() -> None:
    options = parsed_options()
    suites = {name: SUITES[name] for name in options.suite or DEFAULT_SUITES}
    variants = {name: VARIANTS[name] for name in dict.fromkeys(["plain", *(options.variant or VARIANTS)])}
    packages = {package for suite in suites.values() for package in suite.packages}
    ours, peer = environments(options.environments, packages, with_peer=any(v.peer for v in variants.values()))
    rounds = options.rounds or (3 if options.instructions else 5)
    print(
        f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {rounds} round{'s' if rounds > 1 else ''}", flush=True
    )
    for name, suite in suites.items():
        if options.instructions:
            count_suite(name, suite, {key: v for key, v in variants.items() if "memray" not in key}, ours, rounds)
        else:
            measure_suite(name, suite, variants, rounds, {False: ours, True: peer}, wall=options.wall)


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=SUITES, help=f"default: {', '.join(DEFAULT_SUITES)}")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all of them")
    parser.add_argument("--rounds", type=int, help="default: 5, and 3 with --instructions")
    parser.add_argument("--wall", action="store_true", help="wall time in place of CPU time")
    parser.add_argument("--instructions", action="store_true", help="count them with callgrind; takes minutes each")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-bench", help="made if missing")
    return parser.parse_args()


def environments(folder: Path, packages: set[str], *, with_peer: bool) -> tuple[Path, Path]:
    """The interpreters of an environment with this checkout's wheel, and of one with pytest-memray."""
    ours, peer = folder / "ours", folder / "pytest-memray"
    with tempfile.TemporaryDirectory() as wheels:
        run(sys.executable, "-m", "venv", ours)
        pip(ours, "install", "--upgrade", "pip", "setuptools>=77")
        pip(ours, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, ROOT)
        (wheel,) = Path(wheels).glob("*.whl")
        pip(ours, "install", "--force-reinstall", "--no-deps", wheel)
        pip(ours, "install", wheel, "memray", *packages)
    if with_peer:
        run(sys.executable, "-m", "venv", peer)
        pip(peer, "install", "pytest-memray", *packages)
    return ours / "bin" / "python", peer / "bin" / "python"


def pip(environment: Path, *arguments: str | Path) -> None:
    run(environment / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check", *arguments)


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


def measure_suite(
    name: str, suite: Suite, variants: dict[str, Variant], rounds: int, pythons: dict[bool, Path], *, wall: bool
) -> None:
    """Measure one suite and print its table."""
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    tests = 0
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(-1, rounds):  # the first round warms up: bytecode, file cache
            for variant in random.sample(list(variants), len(variants)):
                chosen = variants[variant]
                arguments = (*chosen.arguments, *suite.arguments)
                used, tests = run_suite(pythons[chosen.peer], arguments, folder, wall)
                if round_number >= 0:
                    seconds[variant].append(used)
    print(f"\n{name}: {tests} tests, {'wall' if wall else 'CPU'} seconds")
    print(f"{'variant':14} {'median':>8} {'ratio':>7}  {'spread':13} {'best':>7} {'µs a test':>10}")
    for line in rows(seconds, tests):
        print(line)
    sys.stdout.flush()


def run_suite(python: Path, arguments: Iterable[str], folder: str, wall: bool) -> tuple[float, int]:
    """Run pytest once; give the seconds it took and the number of tests that passed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    tests, _ = pytest_run([python], arguments, folder)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (ended - began if wall else used), tests


def pytest_run(python: list[str | Path], arguments: Iterable[str], folder: str, seed: int = 0) -> tuple[int, str]:
    """Run pytest once; give the number of tests that passed, and what stands on its standard error."""
    command = [*map(str, python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONHASHSEED"] = str(seed)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    passed = re.search(r"(\d+) passed", done.stdout)
    if passed is None:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return int(passed[1]), done.stderr


def count_suite(name: str, suite: Suite, variants: dict[str, Variant], python: Path, rounds: int) -> None:
    """Count the instructions of one suite and print its table. Two counts at a time, as they disturb none."""

    def count(chosen: tuple[int, str]) -> tuple[int, int]:
        seed, variant = chosen
        with tempfile.TemporaryDirectory() as folder:
            arguments = (*variants[variant].arguments, *suite.arguments)
            return counted_instructions(python, arguments, folder, seed)

    chosen = [(seed, variant) for seed in range(rounds) for variant in variants]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(chosen, pool.map(count, chosen), strict=True))
    tests = counts[0, "plain"][0]
    counted = {variant: [counts[seed, variant][1] for seed in range(rounds)] for variant in variants}
    plain = statistics.mean(counted["plain"])
    print(f"\n{name}: {tests} tests, instructions")
    print(f"{'variant':14} {'millions':>9} {'ratio':>7}  {'spread':13} {'thousands a test':>17}")
    for variant, found in counted.items():
        mean = statistics.mean(found)
        spread = f"{min(found) / plain:.3f}–{max(found) / plain:.3f}"
        print(f"{variant:14} {mean / 1e6:9.0f} {mean / plain:7.3f}  {spread:13} {(mean - plain) / tests / 1e3:17.0f}")
    sys.stdout.flush()


def counted_instructions(python: Path, arguments: tuple[str, ...], folder: str, seed: int = 0) -> tuple[int, int]:
    """Run pytest once under callgrind; give the number of tests that passed, and the instructions of the process."""
    callgrind: list[str | Path] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", python]
    pytest_run([python], arguments, folder)  # writes the bytecode
    tests, told = pytest_run(callgrind, arguments, folder, seed)
    counted = re.search(r"Collected : (\d+)", told)
    assert counted is not None, told
    return tests, int(counted[1])


def rows(seconds: dict[str, list[float]], tests: int) -> Iterable[str]:
    """A line per variant: its median, its ratios to the plain run of the same round, and what its fastest run cost."""
    plain = seconds["plain"]
    for variant, times in seconds.items():
        ratios = [mine / base for mine, base in zip(times, plain, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        extra = (min(times) - min(plain)) / tests * 1e6
        yield (
            f"{variant:14} {statistics.median(times):8.2f} {statistics.median(ratios):7.3f}  "
            f"{f'{low:.3f}–{high:.3f}':13} {min(times) / min(plain):7.3f} {extra:10.0f}"
        )


if __name__ == "__main__":
    main()
