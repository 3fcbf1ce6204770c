"""Wires the flight recorder to pytest: breadcrumb, recorder process, journal, and what is said of them."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_memory.instruments.cgroup import memory_bounds
from pytest_memory.instruments.children import process_table
from pytest_memory.instruments.watermark import Watermark
from pytest_memory.model import ACTIVITIES, CONTROLLER, Phase, PhaseUsage, Span
from pytest_memory.plugin.recorder_growth import GrowthReport
from pytest_memory.plugin.recorder_guard import CallGuard
from pytest_memory.plugin.recorder_places import Place, log_path, make_place, tell_last_death
from pytest_memory.plugin.recorder_settings import FlightSettings, GuardSettings
from pytest_memory.plugin.session import MemorySession
from pytest_memory.plugin.workers import is_controller, is_worker
from pytest_memory.recorder.channel import Breadcrumb
from pytest_memory.recorder.journal import FILE_NAME, JournalWriter, Kind, create_journal, pack_test
from pytest_memory.recorder.sessions import crumb_path, remove_session

_SESSION_KEY = "pytest_memory_session"
"""Where a worker of pytest-xdist finds its session's folder, in its ``workerinput``."""

_AUTOPSY = "pytest_memory.report.autopsy:render_autopsies"


def register_recorder(config: pytest.Config, session: MemorySession) -> None:
    """Register what this process needs of the recorder, the guard and the growth report."""
    if config.option.collectonly:
        return
    settings = session.settings.flight
    manager = config.pluginmanager
    if settings.growth is not None and not is_worker(config):
        manager.register(GrowthReport(session, settings.growth), "pytest-memory-growth")
    flight = Flight(config, session)
    if not flight.take_off():
        return
    manager.register(flight, "pytest-memory-recorder")
    if is_controller(config):
        manager.register(WorkerFolders(flight), "pytest-memory-recorder-workers")
    if session.phases is None:
        return
    session.observers.append(flight)
    if settings.guard is not None and flight.crumb is not None:
        guard = CallGuard(flight.crumb, session.phases, keep_frames=bool(config.option.usepdb))
        session.note(guard.install())
        manager.register(guard, "pytest-memory-guard")
        config.add_cleanup(guard.uninstall)


class Flight:
    """One process's part of the session: its breadcrumb, and in the first process the recorder.

    Attributes:
        place: The folder of the session; set by :meth:`take_off`.
        crumb: The breadcrumb of this process.
    """

    def __init__(self, config: pytest.Config, session: MemorySession) -> None:
        self._config = config
        self._session = session
        self._settings: FlightSettings = session.settings.flight
        self._worker = config.workerinput["workerid"] if is_worker(config) else None  # type: ignore[attr-defined]
        self._label = CONTROLLER if is_controller(config) else self._worker
        self._journal: JournalWriter | None = None
        self._recorder: Any = None
        self._log: Path | None = None
        self._spans: list[Span] = []
        self._phase_since = 0.0
        self._fresh = False
        self._watermark: Watermark | None = None
        self._lines: list[str] = []
        self._notes: list[str] = []
        self._told: list[str] = []
        self._status = 0
        self.place: Place | None = None
        self.crumb: Breadcrumb | None = None

    def take_off(self) -> bool:
        """Leave the first breadcrumb; say whether that was possible. If not, the session's notes say why."""
        shared = self._shared_session()
        place = Place(shared.parent, shared) if shared is not None else make_place(self._config)
        if place is None:
            self._note("nothing is recorded: no folder for breadcrumbs can be written")
            return False
        self._note(place.note)
        path = crumb_path(place.session, self._label)
        try:
            started = process_table().started(os.getpid()) or 0.0
            self.crumb = Breadcrumb(path, self._label, started)
        except (OSError, ValueError) as error:
            self._note(f"nothing is recorded: the breadcrumb cannot be written ({error})")
            remove_session(place.session)
            return False
        self.place = place
        if shared is not None and (shared / FILE_NAME).exists():
            with contextlib.suppress(OSError):
                self._journal = JournalWriter(shared / FILE_NAME)
        if self._settings.memlog and self._session.settings.resident == "exact" and self._session.phases is not None:
            with contextlib.suppress(OSError, AttributeError):  # no /proc: then samples are all there is
                self._watermark = Watermark()
        _leave_behind_on_fork(self)
        self._config.add_cleanup(self._land)
        return True

    def leave_to_parent(self) -> None:
        """This process is a fork of the one that is recorded: it has no journal and no recorder."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._recorder is not None:
            self._recorder.let_go()
            self._recorder = None

    # --- the session -----------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Tell of the last session, and start the recorder while pytest goes on."""
        assert self.place is not None
        if self._worker is not None:
            return
        self._told = tell_last_death(self.place)
        if self._settings.records:
            self._start_recorder(self.place)

    def pytest_report_header(self) -> list[str]:
        """What the last session died in."""
        told, self._told = self._told, []
        return [f"memory: {sentence}" for sentence in told]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Warm up, if asked to: the recorder is ready, and a baseline sampled, before the first test."""
        if self._recorder is not None and self._settings.warmup and self._recorder.wait_until_ready():
            time.sleep(self._settings.warmup)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Let the recorder write everything."""
        self._status = int(exitstatus)
        if self._journal is not None and self._journal.failure:
            self._note(f"the journal is incomplete: {self._journal.failure}")
        if self._recorder is not None:
            self._end_recorder()
        if self._worker is not None and self.crumb is not None:
            self.crumb.end(self._status)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the log is, and how memory went."""
        for sentence in (*(f"memory: {one}" for one in self._told), *self._lines):
            terminalreporter.write_line(sentence)
        if not self._session.settings.summary:
            for note in self._notes:
                terminalreporter.write_line(f"memory: {note}")

    def _note(self, sentence: str) -> None:
        """Tell the reader: in the report where there is one, else beside our own lines."""
        if sentence:
            self._session.note(sentence)
            self._notes.append(sentence)

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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Name the test also where its phases run in another process (pytest-forked)."""
        assert self.crumb is not None
        self.crumb.begin(item.nodeid)
        self._fresh = True
        self._spans.clear()
        try:
            return (yield)
        finally:
            self.crumb.idle()

    def phase_began(self, item: pytest.Item, phase: Phase) -> None:
        """A phase begins."""
        assert self.crumb is not None
        if phase != "setup":
            self.crumb.enter(_CODES[phase])
        elif self._fresh:
            self._fresh = False
        else:  # a rerun, or a protocol of another plugin
            self.crumb.begin(item.nodeid)
        if self._watermark is not None:
            self._watermark.begin()
        self._phase_since = time.monotonic()

    def phase_ended(self, item: pytest.Item, phase: Phase, usage: PhaseUsage) -> None:
        """A phase has ended; with the last one the whole test goes into the journal."""
        if self._journal is None:
            return
        now = time.monotonic()
        resident = usage.resident
        if resident is None and self._watermark is not None:
            resident = self._watermark.end()
        heap_peak = usage.heap.peak if usage.heap is not None else None
        self._spans.append(Span(item.nodeid, phase, self._worker, self._phase_since, now, resident, heap_peak))
        if phase == "teardown":
            self._journal.append(Kind.TEST, pack_test(item.nodeid, self._worker, self._spans))
            self._spans.clear()

    # --- the recorder ----------------------------------------------------------------------------------------------

    def _start_recorder(self, place: Place) -> None:
        from pytest_memory.recorder.launch import RecorderProcess, RecorderUnavailable
        from pytest_memory.recorder.process import RecorderSettings

        settings = self._settings
        if settings.memlog:
            self._log, note = log_path(settings.path, place)
            self._note(note)
        threshold = self._threshold(settings.guard) if settings.guard is not None else None
        kill = settings.guard.kill if settings.guard is not None else 0.0
        asked = RecorderSettings(
            session=str(place.session),
            owner=os.getpid(),
            interval=settings.interval,
            memlog=str(self._log) if self._log is not None else None,
            threshold=threshold,
            last_resort=None if threshold is None else int(threshold * kill / 100),
            autopsy=_AUTOPSY,
            report=-1,
        )
        try:
            self._journal = create_journal(place.session / FILE_NAME, self._head())
            terminal = os.dup(1)
        except OSError as error:
            self._note(f"nothing is recorded: {error.strerror or error}")
            return
        try:
            self._recorder = RecorderProcess(asked, terminal)
        except RecorderUnavailable as error:
            self._note(f"nothing is recorded: {error}")
        finally:
            os.close(terminal)

    def _head(self) -> dict[str, Any]:
        return {
            "origin": time.monotonic(),
            "started": time.time(),
            "rootdir": str(self._config.rootpath),
            "interval": self._settings.interval,
            "memlog": str(self._log) if self._log is not None else None,
            "arguments": [str(argument) for argument in self._config.invocation_params.args],
        }

    def _threshold(self, guard: GuardSettings) -> int | None:
        if guard.size is not None:
            return guard.size
        limit = memory_bounds().limit
        if limit is None or guard.percent is None:
            self._note("the memory guard is off: how much memory there is cannot be read here")
            return None
        workers = len(getattr(self._config.option, "tx", None) or ()) if is_controller(self._config) else 1
        return int(limit * guard.percent / 100 / max(1, workers))

    def _end_recorder(self) -> None:
        assert self.place is not None
        answer = self._recorder.end(self._status)
        self._recorder = None
        if answer is None:
            self._note("the recorder died; what it had recorded until then is kept")
            if not self._write_log_ourselves(self.place):
                return
        elif answer["lost"]:
            self._note(f"the recording is incomplete: {answer['failure']}")
        if answer is not None and "memlog_failure" in answer:
            self._note(f"{self._log} cannot be written: {answer['memlog_failure']}")
            self._log = None
        self._lines = self._describe(self.place)

    def _write_log_ourselves(self, place: Place) -> bool:
        from pytest_memory.recorder.memlog import write_memlog

        try:
            if self._log is not None:
                write_memlog(place.session / FILE_NAME, self._log)
        except OSError as error:
            self._note(f"{self._log} cannot be written: {error.strerror or error}")
            self._log = None
        return True

    def _describe(self, place: Place) -> list[str]:
        from pytest_memory.errors import UnreadableFile
        from pytest_memory.recorder.reader import read_journal
        from pytest_memory.report.memlog import memlog_lines

        try:
            timeline = read_journal(place.session / FILE_NAME, spans=False)
        except (OSError, UnreadableFile) as error:
            self._note(f"the journal cannot be read: {error}")
            return []
        for note in timeline.notes:
            self._note(note)
        if self._log is None:
            return []
        count = sum(len(series.times) for series in timeline.series)
        return [f"memory log: {count} samples in {self._relative(self._log)}", *memlog_lines(timeline)]

    def _relative(self, path: Path) -> str:
        with contextlib.suppress(ValueError):
            return str(path.relative_to(self._config.invocation_params.dir))
        return str(path)

    def _shared_session(self) -> Path | None:
        """The folder that the controller made, if this is a worker on the same machine."""
        if self._worker is None:
            return None
        folder = self._config.workerinput.get(_SESSION_KEY)  # type: ignore[attr-defined]
        return Path(folder) if folder and Path(folder).is_dir() else None

    def _land(self) -> None:
        """The session ended in an orderly way."""
        if self.crumb is None or self.place is None:
            return
        if self.crumb.pid == os.getpid():
            self.crumb.end(self._status)
            self.crumb.close()
            if self._watermark is not None:
                self._watermark.close()
            if self._journal is not None:
                self._journal.close()
            if self._worker is not None and self._shared_session() is None:
                remove_session(self.place.session)  # one folder for each worker would soon hide what matters
        self.crumb = None


class WorkerFolders:
    """In the controller of pytest-xdist: tells each worker where the session lies."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand the folder to a worker that is about to start."""
        if self._flight.place is not None:
            node.workerinput[_SESSION_KEY] = str(self._flight.place.session)


_CODES: dict[str, int] = {"call": ACTIVITIES.index("call"), "teardown": ACTIVITIES.index("teardown")}


def _leave_behind_on_fork(flight: Flight) -> None:
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(flight)

    def in_child() -> None:
        alive = reference()
        if alive is not None:
            alive.leave_to_parent()

    os.register_at_fork(after_in_child=in_child)
