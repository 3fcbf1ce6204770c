"""One environment per version: made in parallel, checked, handed out one at a time, removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pytest_memory.errors import PytestMemoryError
from pytest_memory.sweep.harness import NAME, harness_requirements
from pytest_memory.sweep.installer import InstallerFailed, find_uv, foreign_environment, run_uv
from pytest_memory.sweep.suite import NOT_COPIED

Stage = Literal["venv", "install", "isolation"]
"""The steps of making an environment, in their order."""

Progress = Callable[[str, str], None]
"""Told ``(version, stage)`` as each version enters a stage: first ``"harness"`` if one is installed, at its end
``"ready"`` or ``"failed"``; called from several threads."""

_FAR_FUTURE = "9999-01-01"
_PROBE = (
    "import importlib, sys; module = importlib.import_module(sys.argv[1]); "
    "print(module.__file__ or list(module.__path__)[0])"
)


class IsolationFailed(PytestMemoryError, RuntimeError):
    """The module under test cannot be imported in its environment, or comes from outside of it."""


@dataclass(frozen=True, slots=True)
class Venv:
    """An environment for one version.

    Attributes:
        version: What the caller asked for.
        python: The environment's interpreter.
        env: All environment variables for processes in it.
        cwd: The directory to run in: it holds a copy of the suite and nothing else.
        failed_at: The stage at which making it failed, or ``None``.
        reason: Why it failed.
    """

    version: str
    python: Path
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    failed_at: Stage | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all environments of a sweep have in common."""

    requirements: tuple[str, ...]
    interpreter: str
    copy_dir: Path | None
    import_check: str | None
    as_of: str | None
    progress: Progress


def sweep(
    versions: Sequence[str],
    run: Callable[[Venv], object],
    *,
    install_spec: Callable[[str], str] = str,
    **options: object,
) -> list[str]:
    """Call ``run`` once per version, in an environment that has it.

    Args:
        versions: What to install, one after the other.
        run: Called with each environment that could be made, one at a time.
        install_spec: Turns a version into a requirement for pip; by default it is one already.
        options: As for ``provision``.

    Returns:
        The versions whose environments could not be made.

    Raises:
        ToolUnavailable: uv is not installed.
    """
    failed = []
    for venv in provision(versions, install_spec=install_spec, **options):  # type: ignore[arg-type]
        if venv.failed_at is None:
            run(venv)
        else:
            failed.append(venv.version)
    return failed


def provision(
    versions: Sequence[str],
    *,
    install_spec: Callable[[str], str] = str,
    pins: Sequence[str] = (),
    copy_dir: str | os.PathLike[str] | None = None,
    import_check: str | None = None,
    as_of: str | None = None,
    tmp_prefix: str = "pytest-memory-",
    python: str | None = None,
    harness: bool = False,
    jobs: int | None = None,
    progress: Progress = lambda version, stage: None,
) -> Iterator[Venv]:
    """Make an environment for every version, and hand them out in order.

    All are made, several at a time, before the first is handed out: an installer at work would disturb what is
    timed. Their directories are removed when the iterator ends or is closed.

    Args:
        versions: What to install, one per environment.
        install_spec: Turns a version into a requirement for pip; by default it is one already.
        pins: Requirements for every environment.
        copy_dir: A directory to copy into each environment's working directory, under its own name.
        import_check: A module that must come from the environment.
        as_of: ``YYYY-MM-DD``: as if nothing had been released since.
        tmp_prefix: Prefix of the temporary directories.
        python: An interpreter for uv: a path or a version such as ``3.12``; by default the running one.
        harness: Install this pytest-memory as well, unless a pin names it.
        jobs: How many environments are made at a time; by default one per processor, at most 4.
        progress: Told as each version enters a stage.

    Yields:
        Each version's environment; look at ``failed_at`` before using it.

    Raises:
        ToolUnavailable: uv is not installed.
        InstallerFailed: The harness cannot be built.
    """
    find_uv()
    interpreter = python or sys.executable
    with tempfile.TemporaryDirectory(prefix=tmp_prefix, ignore_cleanup_errors=True) as made:
        workspace = Path(made).resolve()
        for version in versions if harness else ():
            progress(version, "harness")
        ours = harness_requirements(pins, workspace, python=interpreter) if harness else []
        copied = Path(copy_dir).resolve() if copy_dir is not None else None
        plan = _Plan((*ours, *pins), interpreter, copied, import_check, as_of, progress)
        places = [workspace / str(number) for number in range(len(versions))]
        with ThreadPoolExecutor(max_workers=jobs or min(4, os.cpu_count() or 1)) as pool:
            pending = [
                pool.submit(_make, version, install_spec(version), place, plan)
                for version, place in zip(versions, places, strict=True)
            ]
            try:
                venvs = [each.result() for each in pending]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for venv, place in zip(venvs, places, strict=True):
            yield venv
            shutil.rmtree(place, ignore_errors=True)


def _make(version: str, requirement: str, place: Path, plan: _Plan) -> Venv:
    root = place / "venv"
    python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    venv = Venv(version, python, foreign_environment(), place / "iso")
    steps: tuple[tuple[Stage, Callable[[], None]], ...] = (
        ("venv", lambda: _create(root, venv, plan)),
        ("install", lambda: _install(requirement, venv, plan)),
        ("isolation", lambda: _isolate(root, venv, plan)),
    )
    for stage, step in steps:
        plan.progress(version, stage)
        try:
            step()
        except (InstallerFailed, IsolationFailed, OSError) as error:
            plan.progress(version, "failed")
            return replace(venv, failed_at=stage, reason=str(error))
    plan.progress(version, "ready")
    return venv


def _create(root: Path, venv: Venv, plan: _Plan) -> None:
    root.parent.mkdir(parents=True)
    run_uv(["venv", "--python", plan.interpreter, str(root)], environment=venv.env)


def _install(requirement: str, venv: Venv, plan: _Plan) -> None:
    arguments = ["pip", "install", "--python", str(venv.python)]
    if plan.as_of is not None:
        # The harness is newer than the past that is asked for; all else must not be.
        arguments += ["--exclude-newer", plan.as_of, "--exclude-newer-package", f"{NAME}={_FAR_FUTURE}"]
    run_uv([*arguments, "--", *plan.requirements, requirement], environment=venv.env)


def _isolate(root: Path, venv: Venv, plan: _Plan) -> None:
    venv.cwd.mkdir()
    # Without a configuration of its own pytest would search for one upwards, through the shared temporary directory.
    (venv.cwd / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    if plan.copy_dir is not None:
        ignored = shutil.ignore_patterns(*NOT_COPIED)
        shutil.copytree(plan.copy_dir, venv.cwd / plan.copy_dir.name, ignore=ignored, ignore_dangling_symlinks=True)
    if plan.import_check is not None:
        _check_import(plan.import_check, root, venv)


def _check_import(module: str, root: Path, venv: Venv) -> None:
    command = [str(venv.python), "-c", _PROBE, module]
    done = subprocess.run(
        command, cwd=venv.cwd, env=dict(venv.env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise IsolationFailed(f"module {module!r} cannot be imported: {last}")
    found = Path(done.stdout.strip()).resolve()
    if not found.is_relative_to(root.resolve()):
        raise IsolationFailed(
            f"module {module!r} comes from {str(found)!r}, not from the environment",
            "copy a directory that does not contain the package (--copy-dir)",
        )
