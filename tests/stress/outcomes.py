"""Run other people's suites with the engine on and without it, and compare the outcome of every test.

``outcomes.py cpython [MODULE...]``: CPython's own tests (default: test_gc, test_threading, test_capi), by the
interpreter that runs this. The engine counts in all processes that they start, and around every test.

``outcomes.py pytest [--python PYTHON] [--plugin OPTION] -- ARGUMENTS...``: any pytest suite, without this plugin and
with ``--memory``, by a Python that has both.

A suite is run a third time, without, if the first two runs differ: a test that cannot agree with itself is told as
unsteady and does not count. Exit status 1 if any other differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest_memory

HERE = Path(__file__).parent
CPYTHON = ("test_gc", "test_threading", "test_capi")
MEASURING = ["--memory", "--memory-engine=native"]
LIMIT = 3600
"""Seconds after which a run hangs."""

Outcomes = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Suite:
    """Two commands that differ in the engine alone; each writes its outcomes as JUnit XML to the path that it gets."""

    name: str
    without: tuple[str, ...]
    engine: tuple[str, ...]
    junit: str
    counts: Path | None = None


def outcome(case: ET.Element) -> str:
    """What JUnit says of one test; regrtest has attributes for what pytest has elements for."""
    for kind in ("error", "failure", "skipped"):
        if case.find(kind) is not None:
            return kind
    return case.get("outcome", "passed")


def read(path: Path) -> Outcomes:
    """The outcomes by test; a test with subtests has several."""
    found: dict[str, list[str]] = {}
    for case in ET.parse(path).iter("testcase"):
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        found.setdefault(name, []).append(outcome(case))
    return {name: tuple(sorted(outcomes)) for name, outcomes in found.items()}


def run(command: tuple[str, ...], junit: str, folder: Path, label: str) -> Outcomes:
    """One run's outcomes; a run that crashes or hangs ends the program."""
    result = folder / f"{label}.xml"
    log = folder / f"{label}.log"
    with log.open("w") as output:
        try:
            done = subprocess.run(
                [*command, f"{junit}{result}"], cwd=folder, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            sys.exit(f"{label} hangs; the end of its output:\n{log.read_text()[-3000:]}")
    if done.returncode < 0 or not result.exists():
        sys.exit(f"{label} ended with status {done.returncode}; the end of its output:\n{log.read_text()[-3000:]}")
    return read(result)


def differing(left: Outcomes, right: Outcomes) -> list[str]:
    """Tests whose outcomes are not the same in both, or that are missing in one."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def compare(suite: Suite, folder: Path) -> bool:
    """Run a suite both ways and tell what differs; whether nothing does."""
    without = run(suite.without, suite.junit, folder, "without")
    engine = run(suite.engine, suite.junit, folder, "with")
    kinds = Counter(kind for outcomes in without.values() for kind in outcomes)
    print(
        f"{suite.name}: {len(without)} tests, {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}"
    )
    if suite.counts is not None:
        for reason, count in sorted(json.loads(suite.counts.read_text()).items()):
            print(f"    {count} windows {'not measured: ' + reason if reason else 'read'}")
    different = differing(without, engine)
    if not different:
        print("    the same outcomes with the engine on")
        return bool(without)
    unsteady = set(differing(without, run(suite.without, suite.junit, folder, "again")))
    for name in different:
        steadiness = "unsteady without the engine too" if name in unsteady else "DIFFERS"
        print(f"    {steadiness}: {name}: without {without.get(name)}, with {engine.get(name)}")
    return unsteady.issuperset(different)


def everywhere(folder: Path) -> tuple[str, str]:
    """Two interpreters of the running version that can import the engine; all processes of the second start it."""
    interpreters = []
    for label in ("without", "with"):
        home = folder / f"venv-{label}"
        venv.create(home, symlinks=True)
        (site_packages,) = home.glob("lib/python*/site-packages")
        package = Path(pytest_memory.__file__).parent
        lines = [str(package.parent), str(HERE)]
        if label == "with":
            lines.append(f"import engine_on; engine_on.begin({str(package / 'engines' / 'native')!r})")
        (site_packages / "outcomes.pth").write_text("\n".join(lines) + "\n")
        interpreters.append(str(home / "bin" / "python"))
    return interpreters[0], interpreters[1]


def cpython(module: str, folder: Path) -> Suite:
    """One of the interpreter's own test modules."""
    without, engine = everywhere(folder)
    counts = folder / "counts.json"
    return Suite(
        name=f"{module} of CPython {sys.version.split()[0]}",
        without=(without, "-m", "test", module),
        engine=(engine, str(HERE / "engine_on.py"), str(counts), "test", module),
        junit="--junit-xml=",
        counts=counts,
    )


def pytest_suite(python: str, plugin: list[str], arguments: list[str]) -> Suite:
    """A suite of pytest's, in an environment with pytest-memory."""
    shared = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    return Suite(
        name=" ".join(arguments),
        without=(*shared, "-p", "no:memory", *arguments),
        engine=(*shared, *plugin, *arguments),
        junit="--junitxml=",
    )


def all_of_cpython(modules: list[str]) -> bool:
    """Whether every module that this Python ships has the same outcomes."""
    same = True
    for module in modules or CPYTHON:
        if importlib.util.find_spec(f"test.{module}") is None:
            print(f"SKIPPED: {module} (CPython {sys.version.split()[0]} at {sys.base_prefix} was installed without it)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            same &= compare(cpython(module, Path(folder)), Path(folder))
    return same


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("cpython").add_argument("modules", nargs="*")
    suites = commands.add_parser("pytest")
    suites.add_argument("--python", default=sys.executable)
    suites.add_argument("--plugin", action="append", help=f"an option to measure with; default: {' '.join(MEASURING)}")
    suites.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and their children, ignore it
    if options.command == "cpython":
        return 0 if all_of_cpython(options.modules) else 1
    with tempfile.TemporaryDirectory() as folder:
        suite = pytest_suite(options.python, options.plugin or MEASURING, options.arguments)
        return 0 if compare(suite, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
