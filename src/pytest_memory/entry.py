"""The pytest11 module: the door through which pytest comes in, in every session.

pytest reads the modules of a plugin as it has rewritten them, which takes three times as long as an ordinary import. So
this one is short, and finds :mod:`pytest_memory.declaration` before pytest does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType

import pytest


class OwnModules:
    """Finds the modules of this package before pytest does.

    pytest would look for assertions to rewrite in them, since they are a plugin's; there are none.
    """

    @classmethod
    def come_first(cls, config: pytest.Config) -> None:
        """Stand in front of pytest's import hook until the session ends."""
        if cls not in sys.meta_path:
            sys.meta_path.insert(0, cls)
            config.add_cleanup(lambda: sys.meta_path.remove(cls))

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find one of our modules where it must be, without a look at what else is there."""
        if not name.startswith("pytest_memory.") or not path:
            return None
        stem = f"{path[0]}/{name.rpartition('.')[2]}"
        for file, loader in (
            (f"{stem}.py", SourceFileLoader),
            (f"{stem}/__init__.py", SourceFileLoader),
            (stem + EXTENSION_SUFFIXES[0], ExtensionFileLoader),
        ):
            if os.access(file, os.R_OK):
                return spec_from_file_location(name, file, loader=loader(name, file))
        return PathFinder.find_spec(name, path, target)


sys.meta_path.insert(0, OwnModules)
try:
    from pytest_memory.declaration import (
        benchmark_memory,
        memory_scaling,
        pytest_addoption,
        pytest_configure,
        pytest_load_initial_conftests,
    )
finally:
    sys.meta_path.remove(OwnModules)

__all__ = [
    "benchmark_memory",
    "memory_scaling",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
]
