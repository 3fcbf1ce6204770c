"""Waits for the recorder, which on a busy machine comes when it comes; used inside the processes under test."""

import time
from pathlib import Path

from pytest_memory.recorder.channel import JOURNAL_NAME
from pytest_memory.recorder.reader import read_journal

PATIENCE = 60


def wait_for_samples(folder=".", processes=1):
    """Wait until this many processes were sampled after this moment, in the newest session below a folder."""
    called = time.monotonic()
    while time.monotonic() < called + PATIENCE:
        journals = sorted(Path(folder).rglob(JOURNAL_NAME), key=lambda path: path.stat().st_mtime_ns)
        series = read_journal(journals[-1]).series if journals else ()
        if sum(one.times[-1] > called for one in series if one.times) >= processes:
            return
        time.sleep(0.01)
    raise AssertionError(f"the recorder has not sampled {processes} processes in {PATIENCE} s")
