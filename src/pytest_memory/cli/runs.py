"""The RUNS argument that several commands share: which files exist, and under which label each is shown."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.store.benchmark_json import unique_labels
from pytest_memory.store.lineup import LabelledRun


def labelled_runs(arguments: Sequence[str], labels: Sequence[str] = ()) -> list[LabelledRun]:
    """Find the runs that were named on the command line.

    Args:
        arguments: Paths, oldest first, or ``LABEL=PATH``, where ``PATH`` may have wildcards: all files of one label
            are pooled.
        labels: One label per argument, which replaces the file's stem; equal labels are pooled.

    Raises:
        WrongUsage: A file does not exist, a pattern matches none, or there are more or fewer labels than runs.
        CommandFailed: One file is named twice.
    """
    given = [_split(argument) for argument in arguments]
    if labels and len(labels) != len(given):
        raise WrongUsage(f"{len(labels)} label(s) for {len(given)} run(s)", "give one --label per run, in order")
    missing = [text for _, text, paths in given if not paths]
    if missing:
        raise WrongUsage(
            f"missing: {missing}",
            "name a file of --memory-report, or see what --benchmark-save wrote with: find .benchmarks -name '*.json'",
        )
    plain = [paths[0] for label, _, paths in given if label is None]
    stems = iter(unique_labels(plain))
    chosen = [next(stems) if label is None else label for label, _, _ in given]
    runs = [
        LabelledRun(label, path) for label, (_, _, paths) in zip(labels or chosen, given, strict=True) for path in paths
    ]
    _refuse_twice(runs)
    return runs


def require_two(runs: Sequence[LabelledRun]) -> None:
    """Refuse to compare a run with nothing but itself.

    Raises:
        CommandFailed: All runs have one label.
    """
    if len({run.label for run in runs}) < 2:
        raise CommandFailed("compare needs two distinct runs", "give two files, or two different labels")


def _split(argument: str) -> tuple[str | None, str, list[Path]]:
    """Label if there is one, what was written of the path, and the files."""
    label, equals, pattern = argument.partition("=")
    if not equals or not label or Path(argument).exists():
        return None, argument, [Path(argument)] if Path(argument).exists() else []
    if Path(pattern).exists():
        return label, pattern, [Path(pattern)]
    return label, pattern, [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (a pattern may be absolute)


def _refuse_twice(runs: Sequence[LabelledRun]) -> None:
    seen: dict[Path, LabelledRun] = {}
    for run in runs:
        path = run.path.resolve()
        if path in seen:
            raise CommandFailed(
                f"{str(run.path)!r} is given twice, and a comparison needs two distinct runs", "name each file once"
            )
        seen[path] = run
