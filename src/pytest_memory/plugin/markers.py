"""Finds the ``limit_memory`` and ``limit_leaks`` markers of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.plugin.options import told_to_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_memory.plugin.settings import Settings

MARKS = frozenset(("limit_memory", "limit_leaks"))
"""Those that limit a test."""


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
        finder = TestMarks()
        for item in items:
            try:
                marks = finder.of(item)
                if marks:
                    self._read(marks)
                for reader in self._readers:
                    reader(item)
            except ValueError as error:
                problems.setdefault(str(told_to_user(error)), item.nodeid)
        if problems:
            raise pytest.UsageError("\n".join(f"{nodeid}: {problem}" for problem, nodeid in problems.items()))

    def _read(self, marks: list[pytest.Mark]) -> None:
        from pytest_memory.plugin.limit_markers import leak_limit, limit_memory_limits

        tuple(limit_memory_limits(marks, self._settings.positional))
        leak_limit(marks)


class TestMarks:
    """Finds the ``limit_memory`` and ``limit_leaks`` markers that apply to a test.

    Tests come one after another, most with the parents of the one before: those are climbed once. Their markers are
    looked at each time, since they may change, and found among their attributes: that takes a tenth of asking for them.

    Attributes:
        parents: The attributes of all nodes that the last test is in.
    """

    __slots__ = ("_parent", "parents")
    __test__ = False  # no test of pytest's

    def __init__(self) -> None:
        self._parent: pytest.Collector | None = None
        self.parents: list[dict[str, Any]] = []

    def of(self, item: pytest.Item) -> list[pytest.Mark]:
        """Those of one test, the closest first."""
        parent = item.parent
        if parent is not self._parent:
            self._parent = parent
            self.parents = [vars(node) for node in parent.listchain()[::-1]] if parent is not None else []
        own = item.own_markers
        found = [mark for mark in own if mark.name in MARKS] if own else []
        for attributes in self.parents:
            markers = attributes["own_markers"]
            if markers:
                found += [mark for mark in markers if mark.name in MARKS]
        return found
