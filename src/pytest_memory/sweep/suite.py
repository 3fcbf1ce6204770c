"""The suite of a sweep: what is copied beside each version, where pytest finds it there, and whether it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

NOT_COPIED = ("__pycache__", "*.pyc", "*.ipynb", ".DS_Store", ".venv", ".git", ".pytest_cache", ".benchmarks")
"""Names (globs) that stay behind when a suite is copied."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Where a suite is, and what pytest is given for it.

    Attributes:
        argument: What pytest is given, relative to the environment's working directory.
        copy_dir: The directory that is copied there, or ``None`` for a suite that is installed with the package.
    """

    argument: str
    copy_dir: Path | None

    @property
    def digest(self) -> str:
        """A fingerprint of every copied file, so that a changed suite is run again."""
        digest = hashlib.sha256(self.argument.encode())
        for path in _files(self.copy_dir) if self.copy_dir is not None else ():
            digest.update(str(path).encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


def locate_suite(text: str, copy_dir: Path | None = None) -> Suite:
    """Resolve what the user wrote for the suite.

    Args:
        text: A path, also with ``::`` and test names behind it; what does not exist is passed to pytest as it is.
        copy_dir: The directory to copy; by default the suite itself, or the directory of its file.

    Returns:
        The suite; a path inside the copied directory points into the copy, any other stays where it is.
    """
    written, separator, tests = text.partition("::")
    path = Path(written)
    if not path.exists():
        return Suite(text, copy_dir.resolve() if copy_dir is not None else None)
    path = path.resolve()
    copied = copy_dir.resolve() if copy_dir is not None else path if path.is_dir() else path.parent
    if path.is_relative_to(copied):
        path = Path(copied.name) / path.relative_to(copied)
    return Suite(f"{path}{separator}{tests}", copied)


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in NOT_COPIED):
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path
