"""The price of the flight recorder, and what it catches, beside pytest-memlog.

Times whole runs of networkx.classes, interleaved: plain (this plugin idle), --memlog at 0.1 s and at 0.01 s. Starting
and ending the recorder counts. A ratio is taken within each round; printed are the median of the rounds and their
range, and the ratio of the fastest runs, since what else the machine does only ever adds to one. CPU time is that of
the test process; ``with recorder`` adds the recorder's.

With ``--instructions`` and valgrind installed, callgrind counts the instructions of the test process, with the same
hash seed: a figure that no other load of the machine disturbs. It takes some fifty times as long as the suite, leaves
out what the kernel does and the recorder, whose interval it therefore does not depend on. That slow, no phase is brief
enough to go without a reading of memory, so it counts more of them than there are.

With ``--memlog-python`` the real pytest-memlog runs one module of these tests in an environment of its own (it needs
pytest 7), beside that environment's own plain run: it waits up to two intervals after each test, and all tests would
take minutes a round. Ours runs the same module for comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pytest_memory.model import Timeline
from pytest_memory.recorder.channel import JOURNAL_NAME
from pytest_memory.recorder.reader import read_journal

SUITE = ("--pyargs", "networkx.classes")
MODULE = ("--pyargs", "networkx.classes.tests.test_coreviews")
SPIKE = 100 * 1024**2
SPIKES = """
import pytest, time

@pytest.mark.parametrize("number", range(300))
def test_spike(number):
    time.sleep(0.002 * (number % 7))
    spike = bytearray(b"x") * (100 * 1024**2)
    del spike
"""


@dataclass
class Mode:
    """One way of running the suite, and what its rounds took in seconds."""

    name: str
    python: str
    options: tuple[str, ...]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    recorder_cpu: list[float] = field(default_factory=list)
    recorder_resident: list[float] = field(default_factory=list)
    tests: int = 0


def clean_environment() -> dict[str, str]:
    """The environment of every run: no plugin but those named, and no option of this machine's."""
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every run compiles the plugin anew
    return environment


def run(mode: Mode, folder: Path, what: Sequence[str]) -> None:
    """One round in an empty folder."""
    environment = clean_environment()
    command = [mode.python, "-m", "pytest", "-q", f"--rootdir={folder}", *mode.options, *what]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    mode.wall.append(time.perf_counter() - begun)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{mode.name}: pytest failed\n{output}")
    mode.tests = int(output.rsplit(" passed", 1)[0].split()[-1])
    recorder = 0.0
    for journal in folder.glob(f".pytest_cache/d/memory/*/{JOURNAL_NAME}"):
        used = read_journal(journal).metadata["recorder"]
        recorder = used["cpu_seconds"]
        mode.recorder_cpu.append(recorder)
        mode.recorder_resident.append(used["resident_peak"])
    # The kernel counts a child that was waited for with its parent: the recorder's share is taken off again.
    mode.cpu.append(usage.ru_utime + usage.ru_stime - recorder)


def price(modes: list[Mode], rounds: int, what: Sequence[str] = SUITE) -> None:
    """Run all modes in turn and print the table; the first mode is what the others are compared with."""
    for place in range(-1, rounds):  # one round before the first, which fills caches, does not count
        for mode in modes:
            with tempfile.TemporaryDirectory() as folder:
                run(mode, Path(folder), what)
            if place < 0:
                for figures in (mode.wall, mode.cpu, mode.recorder_cpu, mode.recorder_resident):
                    figures.clear()
            else:
                took = f"{mode.wall[-1]:.2f} s wall, {mode.cpu[-1]:.2f} s CPU"
                print(f"round {place + 1}: {mode.name}: {took}", flush=True)
    plain = modes[0]
    print(f"\n{plain.tests} tests, {rounds} rounds; × is the ratio to {plain.name}\n")
    ratios = "× median (range) | × fastest"
    print(f"| mode | wall | {ratios} | CPU | {ratios} | with recorder | µs CPU a test | recorder CPU | ", end="")
    print("recorder memory |\n|" + " --- |" * 11)
    for mode in modes:
        extra = (min(mode.cpu) - min(plain.cpu)) / mode.tests * 1e6
        own = min(mode.recorder_cpu, default=0.0)
        memory = f"{max(mode.recorder_resident) / 1024**2:.1f} MiB" if mode.recorder_resident else "—"
        cells = (
            *compared(mode.wall, plain.wall),
            *compared(mode.cpu, plain.cpu),
            f"{(min(mode.cpu) + own) / min(plain.cpu):.3f}",
            f"{extra:.0f}",
            f"{own:.2f} s" if own else "—",
            memory,
        )
        print(f"| {mode.name} | {' | '.join(cells)} |")


def compared(seconds: list[float], plain: list[float]) -> tuple[str, str, str]:
    """The median, the ratios within the rounds, and the ratio of the fastest."""
    ratios = [one / other for one, other in zip(seconds, plain, strict=True)]
    spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    return f"{statistics.median(seconds):.2f} s", spread, f"{min(seconds) / min(plain):.3f}"


def count(modes: list[Mode]) -> None:
    """Count the instructions of the test process in each mode. Two at a time, as they disturb no count."""

    def counted(mode: Mode) -> int:
        callgrind = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
        with tempfile.TemporaryDirectory() as folder:
            run(mode, Path(folder), SUITE)  # writes the bytecode
        with tempfile.TemporaryDirectory() as folder:
            command = [*callgrind, mode.python, "-m", "pytest", "-q", f"--rootdir={folder}", *mode.options, *SUITE]
            environment = {**clean_environment(), "PYTHONHASHSEED": "0"}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or found is None:
            sys.exit(f"{mode.name}: pytest failed\n{done.stdout}{done.stderr}")
        return int(found[1])

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(counted, modes))
    print("\n| mode | millions of instructions | × plain | thousands more a test |\n| --- | --- | --- | --- |")
    for mode, one in zip(modes, counts, strict=True):
        extra = (one - counts[0]) / mode.tests / 1e3
        print(f"| {mode.name} | {one / 1e6:.0f} | {one / counts[0]:.4f} | {extra:.0f} |")


def spikes(modes: list[Mode]) -> None:
    """Plant 300 short spikes of 100 MiB and print who saw how many."""
    print("\n| mode | spikes seen by exact peaks | by samples |\n| --- | --- | --- |")
    for mode in modes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "test_spikes.py").write_text(SPIKES)
            run(mode, folder, ("test_spikes.py",))
            journals = list(folder.glob(f".pytest_cache/d/memory/*/{JOURNAL_NAME}"))
            exact = str(exactly_seen(read_journal(journals[0]))) if journals else "—"
            print(f"| {mode.name} | {exact} | {sampled(folder / 'memlog.json')} |", flush=True)


def exactly_seen(timeline: Timeline) -> int:
    """Tests whose exact peak shows the spike."""
    peaks = {
        span.nodeid: span.resident.peak - span.resident.start
        for span in timeline.spans
        if span.activity == "call" and span.resident is not None and span.resident.peak is not None
    }
    return sum(peak > 0.95 * SPIKE for peak in peaks.values())


def sampled(log: Path) -> int:
    """Tests with a sample high up in the spike."""
    entries = json.loads(log.read_text())
    floor = min(entry["rss"] for entry in entries)
    return len({entry["name"] for entry in entries if entry["name"] and entry["rss"] - floor > 0.5 * SPIKE})


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memlog-python", help="interpreter of an environment with pytest-memlog and networkx")
    parser.add_argument("--instructions", action="store_true", help="count those of the test process, and no more")
    arguments = parser.parse_args()
    if arguments.instructions:
        count(our_modes()[:2])
        return
    price(our_modes(), arguments.rounds)
    theirs = []
    if arguments.memlog_python:
        python, memlog = arguments.memlog_python, ("-p", "pytest_memlog.plugin", "--memlog")
        theirs = [
            Mode("pytest-memlog at 0.1 s", python, memlog),
            Mode("pytest-memlog at 0.01 s", python, (*memlog, "--memlog-interval=0.01")),
        ]
        print("\nOne module, ours and pytest-memlog, each beside the plain run of its own environment:")
        price(our_modes(), arguments.rounds, MODULE)
        price([Mode("plain, its environment", python, ()), *theirs], arguments.rounds, MODULE)
    spikes([*our_modes()[1:], *theirs])


def our_modes() -> list[Mode]:
    """Plain, and the two intervals."""
    plugin = ("-p", "pytest_memory.entry")
    return [
        Mode("plain", sys.executable, plugin),
        Mode("--memlog at 0.1 s", sys.executable, (*plugin, "--memlog")),
        Mode("--memlog at 0.01 s", sys.executable, (*plugin, "--memlog", "--memlog-interval=0.01")),
    ]


if __name__ == "__main__":
    main()
