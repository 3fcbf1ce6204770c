"""Registers what a session needs that measures, judges or tells."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import SESSION_PLUGIN, is_controller, is_worker
from pytest_memory.engines.choose import choose_engine
from pytest_memory.instruments.resident import resident_reader
from pytest_memory.meter import Meter, measuring_here
from pytest_memory.plugin.benchmark_switch import register_benchmarks
from pytest_memory.plugin.calls import FunctionCalls
from pytest_memory.plugin.markers import MarkerCheck
from pytest_memory.plugin.memray_switch import register_memray_face
from pytest_memory.plugin.options import told_to_user
from pytest_memory.plugin.recorder import register_recorder
from pytest_memory.plugin.session import SESSION, MemorySession
from pytest_memory.plugin.settings import Settings, read_settings
from pytest_memory.plugin.terminal import TerminalReport

if TYPE_CHECKING:
    from pytest_memory.meter import Clock


def register(config: pytest.Config) -> None:
    """Register everything that this session needs.

    Raises:
        pytest.UsageError: A flag or ini key that cannot be used.
    """
    try:
        settings = read_settings(config)
        session = _make_session(config, settings)
    except (ValueError, RuntimeError) as error:
        raise told_to_user(error) from error
    config.stash[SESSION] = session
    if session.meter is not None:
        ownership = ExitStack()
        ownership.enter_context(measuring_here(session.meter))
        config.add_cleanup(ownership.close)
    manager = config.pluginmanager
    manager.register(session, SESSION_PLUGIN)
    if session.phases is not None:
        manager.register(session.phases, f"{SESSION_PLUGIN}-phases")
        if session.phases.measures_heap:
            manager.register(FunctionCalls(session.phases), f"{SESSION_PLUGIN}-functions")
        manager.register(MarkerCheck(settings, worker=is_worker(config)), f"{SESSION_PLUGIN}-marker-check")
        if any(manager.has_plugin(name) for name in ("flaky", "flaky.flaky_pytest_plugin")):
            session.phases.follow_reports(config)
            from pytest_memory.plugin.unreported import UnreportedCalls

            manager.register(UnreportedCalls(), f"{SESSION_PLUGIN}-unreported")
    register_memray_face(config, session)
    register_recorder(config, session)
    register_benchmarks(config, session)
    if is_worker(config):
        from pytest_memory.plugin.workers import LoggedReports, WorkerEnd

        manager.register(WorkerEnd(config, session), f"{SESSION_PLUGIN}-worker")
        if session.phases is not None:
            session.let_go = []
            manager.register(LoggedReports(session.phases, session.let_go), f"{SESSION_PLUGIN}-logged-reports")
        return
    manager.register(session.collector, f"{SESSION_PLUGIN}-collector")
    manager.register(TerminalReport(config, session), f"{SESSION_PLUGIN}-terminal")
    if is_controller(config):
        from pytest_memory.plugin.workers import ControllerEnd

        manager.register(ControllerEnd(session), f"{SESSION_PLUGIN}-controller")


def _clock(config: pytest.Config) -> Clock:
    """The clock by which this process tells what measuring costs.

    A worker of pytest-xdist has sent a report when a phase begins. Where it shares a processor with the controller,
    that reads the report first, and by the clock on the wall its time would be ours.
    """
    return time.thread_time if is_worker(config) and sys.platform == "linux" else time.perf_counter


def _make_session(config: pytest.Config, settings: Settings) -> MemorySession:
    try:
        engine, choice = choose_engine(settings.engine)
    except RuntimeError as error:
        raise pytest.UsageError(f"{settings.engine_reason}: {told_to_user(error)}") from error
    can = engine.capabilities
    if settings.granularity not in can.granularities:
        settings = settings._replace(granularity=can.granularities[0])
    if settings.detail not in can.details:  # whoever cannot sample gives every site
        settings = settings._replace(detail=can.details[-1])
    reader, resident_note = resident_reader(settings.resident)
    session = MemorySession(
        settings,
        choice=choice,
        meter=None if is_controller(config) else Meter(engine, reader, _clock(config)),
        junit=bool(getattr(config.option, "xmlpath", None)),
        rootpath=config.rootpath,
    )
    session.note(resident_note)
    return session
