"""Finds the ``limit_memory`` and ``limit_leaks`` markers of tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.errors import PytestMemoryError
from pytest_memory.plugin.settings import Settings

_MARKS = frozenset(("limit_memory", "limit_leaks"))


class MarkerCheck(Hooks):
    """Reports every marker that cannot be understood before the first test runs.

    In a worker of pytest-xdist, where a usage error would become an internal one, the test errors at its setup
    instead.
    """

    def __init__(self, settings: Settings, *, worker: bool) -> None:
        self._settings = settings
        self._worker = worker
        self._readers: list[Callable[[pytest.Item], object]] = []

    def also_read(self, reader: Callable[[pytest.Item], object]) -> None:
        """Let somebody else's reader of markers look at each item; it raises what is wrong with them."""
        self._readers.append(reader)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the markers of all items.

        Raises:
            pytest.UsageError: Some cannot be understood; all of them are listed.
        """
        if self._worker:
            return
        problems: dict[str, str] = {}
        for item in items:
            try:
                marks = memory_marks(item)
                if marks:
                    self._read(marks)
                for reader in self._readers:
                    reader(item)
            except PytestMemoryError as error:
                problems.setdefault(str(error), item.nodeid)
        if problems:
            raise pytest.UsageError("\n".join(f"{nodeid}: {problem}" for problem, nodeid in problems.items()))

    def _read(self, marks: list[pytest.Mark]) -> None:
        from pytest_memory.plugin.limit_markers import leak_limit, limit_memory_limits

        tuple(limit_memory_limits(marks, self._settings.positional))
        leak_limit(marks)


def memory_marks(item: pytest.Item) -> list[pytest.Mark]:
    """The ``limit_memory`` and ``limit_leaks`` markers that apply to a test, the closest first."""
    found: list[pytest.Mark] = []
    node: pytest.Item | pytest.Collector | None = item
    while node is not None:  # as item.iter_markers() goes, which takes three times as long
        if node.own_markers:
            found += [mark for mark in node.own_markers if mark.name in _MARKS]
        node = node.parent
    return found
