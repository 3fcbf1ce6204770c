"""Which frame of a call stack to show, and how to write it down."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePath

from pytest_memory.model import StackFrame

_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


def own_frame(frames: Sequence[StackFrame], roots: Sequence[str]) -> StackFrame | None:
    """The frame in which the reader recognises their own code.

    Args:
        frames: A call stack, most recent call first.
        roots: Folders of the project under test.

    Returns:
        The most recent frame inside the project; else the most recent outside the standard library; else the most
        recent; ``None`` for an empty stack.
    """
    outside_library = None
    for frame in frames:
        if _is_inside(frame.filename, roots):
            return frame
        if outside_library is None and not _is_library(frame.filename):
            outside_library = frame
    return outside_library or (frames[0] if frames else None)


def describe_frame(frame: StackFrame, roots: Sequence[str]) -> tuple[str, str]:
    """A frame as function and ``file:line``, the path relative to the project or to its package folder."""
    return frame.function, f"{_short_path(frame.filename, roots)}:{frame.lineno}"


def project_roots(rootpath: str, test_files: Iterable[str]) -> tuple[str, ...]:
    """The folders of the project under test: its root, and installed packages whose own tests are run.

    Args:
        rootpath: pytest's root directory.
        test_files: Absolute paths of the test files; one below ``site-packages`` makes its package part of the project.
    """
    installed = {root for path in test_files if (root := _package_root(path)) is not None}
    return (*sorted(installed), rootpath)


def _package_root(path: str) -> str | None:
    parts = PurePath(path).parts
    for folder in _PACKAGE_FOLDERS:
        if folder in parts:
            position = len(parts) - 1 - parts[::-1].index(folder)
            return str(PurePath(*parts[: position + 2]))
    return None


@lru_cache(maxsize=4096)
def _is_inside(filename: str, roots: tuple[str, ...]) -> bool:
    for root in roots:
        if filename.startswith(root.rstrip("/\\") + "/") or filename.startswith(root.rstrip("/\\") + "\\"):
            remainder = filename[len(root) :]
            return not any(folder in remainder for folder in _PACKAGE_FOLDERS) and not _is_library(filename)
    return False


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    return tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})


def _is_library(filename: str) -> bool:
    if filename.startswith("<"):
        return True
    return filename.startswith(_library_folders()) and not any(folder in filename for folder in _PACKAGE_FOLDERS)


def _short_path(filename: str, roots: Sequence[str]) -> str:
    path = PurePath(filename)
    for root in roots:
        if path.is_relative_to(root) and not any(folder in path.relative_to(root).parts for folder in _PACKAGE_FOLDERS):
            base = PurePath(root)
            return str(path.relative_to(base.parent if _package_root(root) is not None else base))
    package = _package_root(filename)
    if package is not None:
        return str(path.relative_to(PurePath(package).parent))
    for folder in _library_folders():
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return filename
