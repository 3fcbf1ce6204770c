"""Stores memory where pytest-benchmark stores nothing: without timings it leaves its files unwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_memory.plugin.benchmark_entries import BenchmarkEntry, stored_entry


def save_without_timings(config: pytest.Config, entries: Sequence[BenchmarkEntry]) -> None:
    """Write what ``--benchmark-json``, ``--benchmark-save`` and ``--benchmark-autosave`` ask for.

    The file has pytest-benchmark's shape, hooks and storage, with empty ``stats``.

    Args:
        config: Holds pytest-benchmark's session.
        entries: What to store.
    """
    session: Any = config._benchmarksession  # type: ignore[attr-defined]  # pytest-benchmark's only door
    name = session.save or session.autosave
    if not (session.json or name):
        return
    commit = config.hook.pytest_benchmark_generate_commit_info(config=config)
    config.hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    output = config.hook.pytest_benchmark_generate_json(
        config=config, benchmarks=[], include_data=False, machine_info=session.get_machine_info(), commit_info=commit
    )
    output["benchmarks"] += [stored_entry(entry) for entry in entries]
    config.hook.pytest_benchmark_update_json(config=config, benchmarks=[], output_json=output)
    if session.json:
        session.save_json(output)
    if name:
        session.storage.save(output, name)
