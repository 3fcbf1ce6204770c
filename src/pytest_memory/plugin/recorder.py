"""Wires the flight recorder to pytest: breadcrumb, recorder process, journal, and what is said of them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.declaration import Hooks, is_controller, is_worker
from pytest_memory.instruments.started import process_started
from pytest_memory.model.activity import ACTIVITIES, CONTROLLER
from pytest_memory.plugin.recorder_places import SESSION_FOLDER, Place, make_place, tell_last_death
from pytest_memory.plugin.recorder_tests import AnnouncedTests, TestLog
from pytest_memory.recorder.channel import JOURNAL_NAME, Breadcrumb
from pytest_memory.recorder.folders import crumb_path, remove_session
from pytest_memory.recorder.forks import call_in_forks

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_memory.plugin.guard_settings import GuardSettings
    from pytest_memory.plugin.recorder_recording import Recording
    from pytest_memory.plugin.recorder_settings import FlightSettings
    from pytest_memory.plugin.session import MemorySession

OWN_PHASES = "pytest-memory-recorder-phases"
"""What follows the phases where nothing of ours measures them (``plugin/recorder_alone.py``)."""

_FLIGHT = "pytest-memory-recorder"
_ANNOUNCED = "pytest-memory-recorder-tests"


def register_recorder(config: pytest.Config, session: MemorySession) -> None:
    """Register what a process that measures needs of the recorder, the guard and the growth report.

    Raises:
        pytest.UsageError: The guard would end this process before the first test.
    """
    if config.option.collectonly:
        return
    settings = session.settings
    if settings.flight.guard is not None and not is_worker(config):
        _refuse_small_guard(config, settings.flight.guard)
    growth = settings.flight.growth
    manager = config.pluginmanager
    if growth is not None and not is_worker(config):
        from pytest_memory.plugin.recorder_growth import GrowthReport

        manager.register(GrowthReport(session, growth), "pytest-memory-growth")
    flight: Flight | None = manager.get_plugin(_FLIGHT)
    if flight is None:
        measured = settings.measure or growth is not None
        watermark = settings.flight.memlog and settings.resident == "exact" and not measured
        flight = take_off(config, settings.flight, watermark=watermark and session.phases is not None)
    flight.attach(session)
    if settings.flight.guard is not None and flight.crumb is not None and session.phases is not None:
        from pytest_memory.plugin.recorder_guard import CallGuard

        guard = CallGuard(flight.crumb, session.phases, keep_frames=bool(config.option.usepdb))
        session.note(guard.install())
        manager.register(guard, "pytest-memory-guard")
        config.add_cleanup(guard.uninstall)


def _refuse_small_guard(config: pytest.Config, guard: GuardSettings) -> None:
    from pytest_memory.instruments.children import process_table
    from pytest_memory.plugin.guard_settings import count_test_processes
    from pytest_memory.plugin.options import told_to_user

    held = process_table().resident(os.getpid())
    try:
        guard.refuse_below(held or 0, count_test_processes(config))
    except ValueError as error:
        raise told_to_user(error) from error


def take_off(config: pytest.Config, settings: FlightSettings, *, watermark: bool) -> Flight:
    """Leave the first breadcrumb of this process, and register what goes on from there.

    Args:
        config: pytest's.
        settings: The session's.
        watermark: Read resident memory at the edges of phases: nobody else does.
    """
    flight = Flight(config, settings)
    manager = config.pluginmanager
    manager.register(flight, _FLIGHT)
    tests = flight.take_off(watermark=watermark)
    if tests is not None and is_controller(config):
        from pytest_memory.plugin.recorder_seldom import WorkerFolders

        manager.register(WorkerFolders(flight), "pytest-memory-recorder-workers")
    return flight


class Flight(Hooks):
    """One process's part of the session: its breadcrumb, and in the first process the recorder.

    Attributes:
        place: The folder of the session; ``None`` if none can be made.
        tests: Follows the tests of this process; ``None`` if nothing can be written.
        crumb: The breadcrumb of this process; ``None`` if it cannot be written.
    """

    def __init__(self, config: pytest.Config, settings: FlightSettings) -> None:
        self._config = config
        self._settings = settings
        self._session: MemorySession | None = None
        self._worker: str | None = config.workerinput["workerid"] if is_worker(config) else None  # type: ignore[attr-defined]
        self._recording: Recording | None = None
        self._notes: list[str] = []
        self._status = 0
        self.place: Place | None = None
        self.tests: TestLog | None = None
        self.crumb: Breadcrumb | None = None

    def take_off(self, *, watermark: bool) -> TestLog | None:
        """Leave the first breadcrumb.

        Args:
            watermark: Read resident memory at the edges of phases: nobody else does.

        Returns:
            What follows the tests; ``None`` if nothing can be written, and then the notes say why.
        """
        shared = self._shared_session()
        place = Place(shared.parent, shared) if shared is not None else make_place(self._config)
        if place is None:
            self._note("nothing is recorded: no folder for breadcrumbs can be written")
            return None
        self._note(place.note)
        label = CONTROLLER if is_controller(self._config) else self._worker
        try:
            started = process_started(os.getpid()) or 0.0
            crumb = Breadcrumb(crumb_path(place.session, label), label, started)
        except (OSError, ValueError) as error:
            self._note(f"nothing is recorded: the breadcrumb cannot be written ({error})")
            remove_session(place.session)
            return None
        self.place, self.crumb = place, crumb
        self.tests = tests = TestLog(crumb, self._worker)
        if shared is not None and (shared / JOURNAL_NAME).exists():
            from pytest_memory.recorder.journal import JournalWriter

            with contextlib.suppress(OSError):
                tests.journal = JournalWriter(shared / JOURNAL_NAME)
        if watermark:
            from pytest_memory.instruments.watermark import Watermark

            with contextlib.suppress(OSError, AttributeError):  # no /proc: then samples are all there is
                tests.watermark = Watermark()
        call_in_forks(self.leave_to_parent)
        self._config.add_cleanup(self._land)
        return tests

    def attach(self, session: MemorySession) -> None:
        """Measuring begins: from now on it says when a phase begins and ends, and what was used."""
        self._session = session
        for note in self._notes:
            session.note(note)
        if self.tests is None or session.phases is None or self.tests.running:
            return  # a marker that a fixture added came too late to change hands in the middle of a test
        own = self._config.pluginmanager.get_plugin(OWN_PHASES)
        if own is not None:
            self._config.pluginmanager.unregister(own)
        session.observers.append(self.tests)

    def follow_announcements(self) -> None:
        """Let pytest tell where each test begins and ends."""
        if self.tests is not None and not self._config.pluginmanager.has_plugin(_ANNOUNCED):
            self._config.pluginmanager.register(AnnouncedTests(self.tests), _ANNOUNCED)

    def leave_to_parent(self) -> None:
        """This process is a fork of the one that is recorded: it has no journal and no recorder."""
        if self.tests is not None:
            self.tests.leave_to_parent()
        if self._recording is not None:
            self._recording.let_go()
            self._recording = None

    # --- the session -----------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Tell of the last session, and start the recorder while pytest goes on."""
        if self._worker is not None or self.place is None or self.tests is None:
            return
        told = tell_last_death(self.place)
        if told:
            from pytest_memory.plugin.recorder_seldom import LastDeath

            self._config.pluginmanager.register(LastDeath(told), "pytest-memory-recorder-death")
        if self._settings.records:
            from pytest_memory.plugin.recorder_recording import Recording

            self._recording = Recording(self._config, self._settings, self.place, self._note)
            self._recording.start()
            self.tests.journal = self._recording.journal
        if self._settings.warmup and self._recording is not None:
            from pytest_memory.plugin.recorder_seldom import WarmUp

            self._config.pluginmanager.register(WarmUp(self._recording), "pytest-memory-recorder-warmup")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Let the recorder write everything."""
        self._status = int(exitstatus)
        if self.tests is not None and self.tests.running:  # Ctrl-C, or pytest.exit
            self.tests.leave()
        if self.tests is not None and self.tests.journal is not None and self.tests.journal.failure:
            self._note(f"the journal is incomplete: {self.tests.journal.failure}")
        if self._recording is not None:
            self._recording.end(self._status)
        if self._worker is not None and self.crumb is not None:
            self.crumb.end(self._status)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the log is, and how memory went."""
        if self._recording is not None:
            for line in self._recording.lines(terminalreporter._tw.fullwidth):  # pytest offers no other way to ask
                terminalreporter.write_line(line)
        if self._session is None or not self._session.settings.summary:
            for note in self._notes:
                terminalreporter.write_line(f"memory: {note}")

    def _note(self, sentence: str) -> None:
        """Tell the reader: in the report where there is one, else beside our own lines."""
        if sentence and sentence not in self._notes:
            self._notes.append(sentence)
            if self._session is not None:
                self._session.note(sentence)

    # --- the tests -------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Name the module that is being imported: imports are where a collection dies."""
        if self.crumb is None or not isinstance(collector, pytest.Module):
            return (yield)
        self.crumb.begin(collector.nodeid, ACTIVITIES.index("collection"))
        try:
            return (yield)
        finally:
            self.crumb.idle()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """The measured phases say where a test begins and ends, unless somebody runs them in another process."""
        if self._session is not None and self._session.phases is not None:
            from pytest_memory.plugin.carrying import others_run

            if others_run(self._config.pluginmanager):
                self.follow_announcements()

    # --- the end ---------------------------------------------------------------------------------------------------

    def _shared_session(self) -> Path | None:
        """The folder that the controller made, if this is a worker on the same machine."""
        if self._worker is None:
            return None
        folder = self._config.workerinput.get(SESSION_FOLDER)  # type: ignore[attr-defined]
        return Path(folder) if folder and Path(folder).is_dir() else None

    def _land(self) -> None:
        """The session ended in an orderly way."""
        if self.crumb is None or self.place is None or self.tests is None:
            return
        if self.crumb.pid == os.getpid():
            self.tests.close()
            self.crumb.end(self._status)
            self.crumb.close()
            if self._worker is not None and self._shared_session() is None:
                remove_session(self.place.session)  # one folder for each worker would soon hide what matters
        self.crumb = None
