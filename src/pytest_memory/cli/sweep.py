"""``sweep``: one benchmark suite over several versions of a package."""

from __future__ import annotations

import sys
import threading
from datetime import date
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.cli.streams import emit, remark
from pytest_memory.sweep import (
    Recording,
    SuiteRun,
    Venv,
    already_recorded,
    install_requirement,
    provision,
    record_version,
    unique_labels,
)
from pytest_memory.sweep.suite import Suite, locate_suite

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STAGES = {"waiting": 0, "harness": 0, "venv": 1, "install": 2, "isolation": 3, "ready": 4, "failed": 4, "running": 4}
_DONE = 5


def sweep(
    package: Annotated[
        str, typer.Argument(help="The package on the index, with extras if wanted: 'networkx[default]'.")
    ],
    versions: Annotated[
        list[str],
        typer.Argument(help="Versions (3.1), specifiers ('>=3,<4'), or anything pip installs (git+https://...)."),
    ],
    suite: Annotated[str, typer.Option(help="The benchmarks: a directory, a file, or a test in one.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs, one JSON per version.")] = Path(".benchmarks/sweep"),
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="Measure memory beside time.")] = True,
    pytest_arg: Annotated[list[str] | None, typer.Option(help="One more argument for pytest (repeat).")] = None,
    pin: Annotated[list[str] | None, typer.Option(help="One more requirement in every environment (repeat).")] = None,
    as_of: Annotated[str | None, typer.Option(help="YYYY-MM-DD: install as if nothing was released since.")] = None,
    import_check: Annotated[str | None, typer.Option(help="A module that must come from the environment.")] = None,
    copy_dir: Annotated[
        Path | None, typer.Option(help="Directory to copy beside the suite. Default: the suite's own.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter: a path, or a version such as 3.12.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Environments made at a time. Default: up to 4.")] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/--fail-fast", help="Go on to the next version when one fails, or stop there.")
    ] = True,
    rerun: Annotated[bool, typer.Option("--rerun", help="Run versions again that are already done.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what pytest prints as it comes.")] = False,
) -> None:
    """Run a benchmark suite across several installed versions of a package."""
    where = _usable_suite(suite, copy_dir, package)
    _check_date(as_of)
    if out.exists() and not out.is_dir():
        raise WrongUsage(f"--out {str(out)!r} is not a directory")
    run = SuiteRun(
        suite=where,
        out=out.resolve(),
        memory=memory,
        pytest_args=tuple(pytest_arg or ()),
        provisioned_with=(package, *(pin or ()), f"python={python or sys.executable}", f"as_of={as_of}"),
    )
    labels = dict(zip(dict.fromkeys(versions), unique_labels(list(dict.fromkeys(versions))), strict=True))
    done = [version for version in labels if not rerun and already_recorded(run, version, labels[version])]
    for version in done:
        emit(f"sweep[{version}]: already done, kept (--rerun runs it again)")
    wanted = [version for version in labels if version not in done]
    recordings: dict[str, Recording] = {}
    failed: list[str] = []
    with _Board(wanted, quiet=verbose or not sys.stderr.isatty()) as board:
        for venv in provision(
            wanted,
            install_spec=lambda version: install_requirement(package, version),
            pins=pin or (),
            copy_dir=where.copy_dir,
            import_check=import_check,
            as_of=as_of,
            python=python,
            harness=True,
            jobs=jobs,
            progress=board.advance,
        ):
            problem = _one_version(venv, run, labels[venv.version], board, recordings, verbose=verbose)
            if problem:
                failed.append(venv.version)
                board.say(f"sweep[{venv.version}]: {problem}")
                if not keep_going:
                    break
    _conclude(run, [labels[v] for v in labels if v in done or (v in recordings and recordings[v].path)], out)
    _raise_failures(failed, recordings)


def _one_version(
    venv: Venv, run: SuiteRun, label: str, board: _Board, recordings: dict[str, Recording], *, verbose: bool
) -> str:
    """Run one version; gives what went wrong, or nothing."""
    if venv.failed_at is not None:
        return f"{venv.failed_at} failed: {venv.reason}"
    board.advance(venv.version, "running")
    board.say(f"sweep[{venv.version}]: {join(run.command(venv, venv.cwd.parent / 'run.json'))}")
    recording = record_version(venv, run, label, echo=board.say if verbose else None)
    recordings[venv.version] = recording
    board.finish(venv.version, f"{recording.benchmarks} benchmarks in {recording.seconds:.1f} s")
    return recording.problem


def _conclude(run: SuiteRun, labels: list[str], out: Path) -> None:
    emit(f"sweep: wrote {len(labels)} run(s) under {out}/")
    if not labels:
        return
    paths = join(str(out / f"{label}.json") for label in labels)
    metric = "peak" if run.memory else "time"
    if len(labels) > 1:
        emit(f"  pytest-memory compare {paths} --metric {metric}")
    emit(f"  pytest-memory plot {paths} --metric {metric}")


def _raise_failures(failed: list[str], recordings: dict[str, Recording]) -> None:
    unprovisioned = [version for version in failed if version not in recordings]
    empty = [version for version in failed if version in recordings and recordings[version].path is None]
    partial = [version for version in failed if version in recordings and recordings[version].path is not None]
    told = [
        f"{what} {', '.join(versions)}"
        for what, versions in (
            ("failed to provision:", unprovisioned),
            ("no benchmark data from", empty),
            ("not every benchmark passed in", partial),
        )
        if versions
    ]
    if told:
        raise CommandFailed("; ".join(told))


def _usable_suite(text: str, copy_dir: Path | None, package: str) -> Suite:
    if copy_dir is not None and not copy_dir.is_dir():
        raise WrongUsage(f"--copy-dir {str(copy_dir)!r} is not a directory")
    suite = locate_suite(text, copy_dir)
    if suite.copy_dir is None:
        if "/" in text or text.partition("::")[0].endswith(".py"):
            raise WrongUsage(f"--suite {text!r} does not exist", "name a directory or a file of benchmarks")
        return suite
    try:
        module = canonicalize_name(Requirement(package).name).replace("-", "_")
    except InvalidRequirement as error:
        raise WrongUsage(f"package {package!r} is not a name", "write it as on the index: 'networkx'") from error
    for candidate in (suite.copy_dir / module / "__init__.py", suite.copy_dir / f"{module}.py"):
        if candidate.exists():
            raise WrongUsage(
                f"{str(suite.copy_dir)!r} would be copied, and {candidate.relative_to(suite.copy_dir)} in it would be "
                "measured in place of every version",
                "keep the benchmarks in a directory without the package, and name that with --suite or --copy-dir",
            )
    return suite


def _check_date(text: str | None) -> None:
    if text is None:
        return
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(f"--as-of {text!r} is not a date", "write it as YYYY-MM-DD") from error


class _Board:
    """What the user watches on stderr: a line per version on a terminal, plain lines elsewhere."""

    def __init__(self, versions: list[str], *, quiet: bool) -> None:
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if not quiet:
            self._progress = _progress_display()
            for version in versions:
                self._tasks[version] = self._progress.add_task(version, total=_DONE, stage="waiting")

    def __enter__(self) -> _Board:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, version: str, stage: str) -> None:
        """A version has entered a stage."""
        with self._lock:
            if self._progress is not None:
                self._progress.update(self._tasks[version], completed=_STAGES[stage], stage=stage)
            elif stage in ("ready", "failed"):
                remark(f"sweep[{version}]: {stage}")

    def finish(self, version: str, outcome: str) -> None:
        """A version's suite has run."""
        if self._progress is not None:
            self._progress.update(self._tasks[version], completed=_DONE, stage=outcome)
        else:
            remark(f"sweep[{version}]: {outcome}")

    def say(self, line: str) -> None:
        """Print a line beside the display."""
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            emit(line)


def _progress_display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[stage]}", markup=False),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
