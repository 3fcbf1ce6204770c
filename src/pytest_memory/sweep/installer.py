"""uv, the installer: finding it, and running it with errors that say what it said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_memory.errors import PytestMemoryError, ToolUnavailable

_LINES_OF_REASON = 6
_MARKS = re.compile(r"^[\s×╰─▶│├→·]*(error:|cause:|hint:)?")
_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")


class InstallerFailed(PytestMemoryError, RuntimeError):
    """uv ran and failed; the message is what it said."""


def find_uv() -> str:
    """The uv program: the one of the ``uv`` distribution beside us, else the one on the path.

    Raises:
        ToolUnavailable: There is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolUnavailable(
            "a sweep needs uv, which is not installed", "install it with: pip install 'pytest-memory[sweep]'"
        )
    return found


def foreign_environment() -> dict[str, str]:
    """Our environment variables without those that would lead another interpreter back to our own packages."""
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}


def run_uv(arguments: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None) -> str:
    """Run uv quietly.

    Args:
        arguments: What follows ``uv``.
        environment: All environment variables.
        cwd: Where to run it.

    Returns:
        What it wrote to its standard output.

    Raises:
        InstallerFailed: It failed.
        ToolUnavailable: It is not installed.
    """
    try:
        done = subprocess.run(
            [find_uv(), "--no-progress", "--color", "never", *arguments],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InstallerFailed(f"uv could not be started: {error}") from error
    if done.returncode:
        raise InstallerFailed(_reason(done.stderr) or f"uv {arguments[0]} exited with {done.returncode}")
    return done.stdout


def _reason(stderr: str) -> str:
    """The lines of uv's complaint without its marks, joined; the last ones if there are many."""
    lines = [_MARKS.sub("", line).strip() for line in stderr.splitlines()]
    told = [line for line in lines if line and not line.startswith(("Using ", "warning:", "Resolved ", "Creating "))]
    return " ".join(told[-_LINES_OF_REASON:])
