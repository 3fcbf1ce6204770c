"""Decides whether this session has benchmarks to measure, and registers what that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import OPTIONS, SESSION_PLUGIN, ini_value, is_worker
from pytest_memory.engines.choose import choose_engine
from pytest_memory.plugin.options import told_to_user

if TYPE_CHECKING:
    from pytest_memory.plugin.session import MemorySession

FLAG = "--benchmark-memory"
"""The flag with which all flags of the family begin."""

_NAMES = ("benchmark", "pytest_benchmark.plugin")
"""What pytest-benchmark is called: by its entry point, and by ``-p pytest_benchmark.plugin``."""

_MISSING = "needs pytest-benchmark, which is not loaded"
_ADVICE = "pip install 'pytest-memory[benchmark]'"


def has_benchmarks(manager: pytest.PytestPluginManager) -> bool:
    """Whether pytest-benchmark is here."""
    return any(manager.has_plugin(name) for name in _NAMES)


def register_benchmarks(config: pytest.Config, session: MemorySession) -> None:
    """Register the measuring of benchmarks where tests run, and the telling where the user looks.

    Without pytest-benchmark everything else works; asking for this part of it is an error.

    Raises:
        pytest.UsageError: A flag or ini key that cannot be used, or that needs pytest-benchmark.
    """
    manager = config.pluginmanager
    if not has_benchmarks(manager):
        flags = _flags_given(config)
        if flags:
            raise pytest.UsageError(f"{flags[0]} {_MISSING}; {_ADVICE}")
        if ini_value(config, "benchmark_memory"):
            session.note(f"ini key {FLAG.lstrip('-').replace('-', '_')} {_MISSING}.")
        return
    from pytest_memory.plugin.benchmark import BenchmarkMeasuring
    from pytest_memory.plugin.benchmark_settings import read_benchmark_settings
    from pytest_memory.plugin.benchmark_telling import BenchmarkTelling

    try:
        settings = read_benchmark_settings(config, session.settings.granularity)
        if settings.profile is not None:
            choose_engine("memray")  # raises with the words on how to install it
    except (ValueError, RuntimeError) as error:
        raise told_to_user(error) from error
    if session.phases is not None and session.meter is not None:
        measuring = BenchmarkMeasuring(config, session, settings)
        manager.register(measuring, f"{SESSION_PLUGIN}-benchmark-passes")
        check = manager.get_plugin(f"{SESSION_PLUGIN}-marker-check")
        if check is not None:
            check.also_read(measuring.rules)
    if not is_worker(config):
        manager.register(BenchmarkTelling(config, session, settings), f"{SESSION_PLUGIN}-benchmarks")


def _flags_given(config: pytest.Config) -> list[str]:
    """The flags of this family that stand on the command line."""
    return [
        option.flag
        for option in OPTIONS
        if option.flag.startswith(FLAG) and getattr(config.option, option.dest, None) is not None
    ]
