"""Decides which parts of pytest-memray's face this session has, and registers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import is_worker

if TYPE_CHECKING:
    from pytest_memory.plugin.phase_ends import Attempt
    from pytest_memory.plugin.session import MemorySession
    from pytest_memory.plugin.transport import FinishedPhase


def register_memray_face(config: pytest.Config, session: MemorySession) -> None:
    """Register what this process needs of the face.

    Raises:
        pytest.UsageError: The directory for captures cannot be made.
    """
    manager, settings = config.pluginmanager, session.settings.memray
    collecting = config.option.collectonly
    if settings.dumps is not None and not collecting:
        try:
            settings.dumps.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(f"--memray-bin-path: the directory cannot be made: {error}") from error
    if session.phases is not None:
        _watch_increase(config, session)
        if session.choice.name == "memray":
            from pytest_memory.plugin.memray_face import ForeignTrackerHint

            manager.register(ForeignTrackerHint(session.phases), "pytest-memory-foreign-tracker")
    if not is_worker(config):
        if settings.dumps is not None:
            from pytest_memory.plugin.memray_face import SharedDumps

            manager.register(SharedDumps(session), "pytest-memory-dumps")
        if settings.report and not collecting:
            from pytest_memory.plugin.memray_face import MemrayReport

            manager.register(MemrayReport(session), "pytest-memory-memray-report")


def _watch_increase(config: pytest.Config, session: MemorySession) -> None:
    """Compare peaks with those of the last run; what does it is loaded for the first test with a limit."""
    assert session.phases is not None
    followers = session.phases.followers

    def begin(attempt: Attempt, finished: FinishedPhase) -> None:
        from pytest_memory.plugin.memray_face import IncreaseWatch

        compare = IncreaseWatch(config, session).compare
        followers[followers.index(begin)] = compare
        compare(attempt, finished)

    followers.append(begin)
    if session.settings.memray.fail_on_increase and getattr(config, "cache", None) is None:
        session.note("--fail-on-increase: pytest's cache is switched off, so there is no last run to compare with")
