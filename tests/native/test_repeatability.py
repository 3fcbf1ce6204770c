"""The same tests in the same order have the same numbers, in another process and when they run again."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.store.runs import read_run

SUITE = Path(__file__).with_name("repeated_suite.py")
NAMES = "test_repeated.py::test_names"


def session(folder, seed):
    """Heap usage of each phase of each test, from a pytest process of its own with its own order of sets."""
    folder.mkdir()
    shutil.copy(SUITE, folder / "test_repeated.py")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "pytest_memory.entry",
        "--memory",
        "--memory-report=run.json",
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"PYTHONHASHSEED": seed, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = read_run(folder / "run.json")
    assert run.environment.engine.name == "native", done.stdout
    return {(record.nodeid, phase): record.phases[phase].heap for record in run.records for phase in record.phases}


@pytest.fixture(scope="module")
def sessions(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repeated")
    return session(folder / "one", "1"), session(folder / "two", "2")


def test_another_process_reads_the_same_to_the_byte(sessions):
    """Hash seeds and addresses differ from process to process; peaks, totals and counts of a test do not."""
    one, two = sessions
    calls = [key for key in one if key[1] == "call" and "test_work" in key[0]]
    assert len(calls) == 48
    assert {key: two[key] for key in calls} == {key: one[key] for key in calls}


def test_names_made_at_run_time_are_made_as_often(sessions):
    """Which of them the interpreter's cache of attributes lets go depends on addresses: totals and counts do not."""
    usages = [run[NAMES, "call"] for run in sessions]
    assert len({(usage.allocated, usage.allocations) for usage in usages}) == 1
    assert usages[0].allocations >= 5_000


def test_the_cache_of_attributes_keeps_names(engine):
    """It is why peaks and retained bytes of such tests differ: emptied inside the window, it leaves nothing behind."""

    def retained(*, emptied):
        ctypes.pythonapi.PyType_ClearCache()
        window = engine.open(WindowRequest())
        names = [f"visit_{number}" for number in range(1_000)]  # all at once: each has an address of its own
        for name in names:
            getattr(Path, name, None)
        del names, name
        if emptied:
            ctypes.pythonapi.PyType_ClearCache()
        return window.close().usage.retained

    retained(emptied=True)  # ctypes pays for its first call
    assert retained(emptied=False) > 8_000
    assert retained(emptied=True) < 800


def test_fixtures_agree_between_processes(sessions):
    """What pytest allocates to set up and tear down is within 256 bytes."""
    one, two = sessions
    assert one.keys() == two.keys()
    for key, usage in one.items():
        if key == (NAMES, "call"):
            continue
        assert abs(usage.peak - two[key].peak) <= 256, key


@pytest.mark.parametrize("work", ["lists", "dicts", "texts", "patterns", "buffers", "mixed"])
def test_the_second_to_the_eighth_run_agree(sessions, work):
    """A first run may pay for what it leaves behind in caches; later ones differ by 1 % or 2 KiB at most."""
    peaks = [usage.peak for (nodeid, phase), usage in sessions[0].items() if f"[{work}-" in nodeid and phase == "call"]
    assert len(peaks) == 8
    later = peaks[1:]
    assert max(later) - min(later) <= max(0.01 * min(later), 2048)
