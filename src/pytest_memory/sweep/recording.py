"""Running the suite in one environment and keeping its run, so that an interrupted sweep can be taken up again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from pytest_memory import __version__
from pytest_memory.sweep.provision import Venv
from pytest_memory.sweep.suite import Suite

_LINES_OF_LOG = 15


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What is run in every environment of a sweep.

    Attributes:
        suite: The suite.
        out: Directory of the runs, absolute.
        memory: Whether memory is measured beside time.
        pytest_args: Further arguments for pytest.
        provisioned_with: Whatever else decides about the numbers (pins, interpreter, date), for ``already_recorded``.
    """

    suite: Suite
    out: Path
    memory: bool = True
    pytest_args: tuple[str, ...] = ()
    provisioned_with: tuple[str, ...] = ()

    def path(self, label: str) -> Path:
        """Where the run of one version is kept."""
        return self.out / f"{label}.json"

    def log(self, label: str) -> Path:
        """Where pytest's output of one version is kept; not below a name that ``discover_runs`` would take."""
        return self.out / ".sweep" / f"{label}.log"

    def command(self, venv: Venv, report: Path) -> list[str]:
        """The command for one environment, writing pytest-benchmark's JSON to ``report``."""
        memory = ["--benchmark-memory"] if self.memory else []
        measured = ["--benchmark-only", f"--benchmark-json={report}", *memory]
        return [str(venv.python), "-m", "pytest", self.suite.argument, *measured, *self.pytest_args]

    def fingerprint(self, version: str) -> str:
        """Changes with anything that would change the numbers."""
        parts = [version, self.suite.digest, self.memory, self.pytest_args, self.provisioned_with, __version__]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of one version.

    Attributes:
        version: What the user asked for.
        label: The name of its run.
        path: The run, or ``None`` if there is no data.
        benchmarks: How many benchmarks it holds.
        seconds: Wall time of pytest.
        problem: What went wrong, with the last lines of pytest's output; empty if nothing did.
    """

    version: str
    label: str
    path: Path | None
    benchmarks: int
    seconds: float
    problem: str = ""


def already_recorded(run: SuiteRun, version: str, label: str) -> bool:
    """Whether a run of this very version, suite and configuration is there from before.

    A branch or a specifier may mean something else today, so that only exact versions count.
    """
    try:
        Version(version.strip())
        kept = _mark(run, label).read_text(encoding="utf-8")
    except (InvalidVersion, OSError, UnicodeDecodeError):
        return False
    return kept == run.fingerprint(version) and _benchmarks(run.path(label)) > 0


def record_version(venv: Venv, run: SuiteRun, label: str, *, echo: Callable[[str], None] | None = None) -> Recording:
    """Run the suite in one environment; its run is moved into place only when it is complete.

    Args:
        venv: An environment that could be made.
        run: What to run.
        label: The name for the run.
        echo: Given each line of pytest's output as it comes; it goes to the log in any case.

    Returns:
        What became of it; a run with failed tests but with data is kept, and told as a problem.

    Raises:
        OSError: The directory of the runs cannot be written.
    """
    report = venv.cwd.parent / "run.json"
    log = run.log(label)
    log.parent.mkdir(parents=True, exist_ok=True)
    _mark(run, label).unlink(missing_ok=True)
    started = time.monotonic()
    status = _run(run.command(venv, report), venv, log, echo)
    seconds = time.monotonic() - started
    count = _benchmarks(report)
    if not count:
        problem = f"no benchmark data from {venv.version} (pytest exited with {status})"
        return Recording(venv.version, label, None, 0, seconds, _with_tail(problem, log))
    run.out.mkdir(parents=True, exist_ok=True)
    part = run.out / ".sweep" / f"{label}.part"
    shutil.move(report, part)
    part.replace(run.path(label))
    if status:
        problem = f"pytest exited with {status} for {venv.version}; its {count} benchmarks are kept"
        return Recording(venv.version, label, run.path(label), count, seconds, _with_tail(problem, log))
    _mark(run, label).write_text(run.fingerprint(venv.version), encoding="utf-8")
    return Recording(venv.version, label, run.path(label), count, seconds)


def _run(command: list[str], venv: Venv, log: Path, echo: Callable[[str], None] | None) -> int:
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=venv.cwd,
            env=dict(venv.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                kept.write(line)
                if echo is not None:
                    echo(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def _benchmarks(report: Path) -> int:
    """How many benchmarks a file of pytest-benchmark holds; 0 if it is not one."""
    try:
        document = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return 0
    found = document.get("benchmarks") if isinstance(document, dict) else None
    return len(found) if isinstance(found, list) else 0


def _mark(run: SuiteRun, label: str) -> Path:
    return run.out / ".sweep" / f"{label}.done"


def _with_tail(problem: str, log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    tail = "".join(f"\n    {line}" for line in lines[-_LINES_OF_LOG:])
    return f"{problem}; all of its output is in {log}{tail}"
