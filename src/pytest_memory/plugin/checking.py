"""Checks what flags and ini keys say where nothing of ours is wanted: a mistake is not to wait for the day it is."""

from __future__ import annotations

import pytest

from pytest_memory.plugin.options import told_to_user
from pytest_memory.plugin.settings import read_settings


def check_settings(config: pytest.Config) -> None:
    """Read everything as a session that measures does, and keep nothing of it.

    Raises:
        pytest.UsageError: A flag or ini key that cannot be used.
    """
    from pytest_memory.plugin.benchmark_switch import has_benchmarks

    try:
        settings = read_settings(config)
        if has_benchmarks(config.pluginmanager):
            from pytest_memory.plugin.benchmark_settings import read_benchmark_settings

            read_benchmark_settings(config, settings.granularity)
    except ValueError as error:
        raise told_to_user(error) from error
