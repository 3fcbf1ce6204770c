"""Has the native engine count in whatever process imports this: two windows that stay open, and on request more.

``python engine_on.py COUNTS MODULE ARGUMENTS...`` runs a module as ``python -m`` does, with two windows more around
every ``unittest`` test, and writes into the file COUNTS how many there were and why any of them was void.
"""

from __future__ import annotations

import collections
import json
import runpy
import sys
from pathlib import Path

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import EngineUnavailable, WindowRefused

STAYING = (
    WindowRequest(granularity="python", detail="sampled"),
    WindowRequest(granularity="malloc", detail="counters"),
)
AROUND_A_TEST = (
    WindowRequest(granularity="python", detail="stacks", leaks=True),
    WindowRequest(granularity="malloc", detail="sampled"),
)


def begin():
    """Start the engine. A process that it declines to measure, such as one in which memray records, goes on without."""
    try:
        engine = NativeEngine()
        return engine, [engine.open(request) for request in STAYING]
    except (EngineUnavailable, WindowRefused):
        return None, []


ENGINE, WINDOWS = begin()
READINGS = collections.Counter()


def measured(run):
    """``TestCase.run`` inside two windows, each counted under the reason why it was void, or under none."""

    def inner(case, *arguments, **named):
        try:
            windows = [ENGINE.open(request) for request in AROUND_A_TEST]
        except WindowRefused as refusal:
            READINGS[str(refusal)] += 1
            return run(case, *arguments, **named)
        try:
            return run(case, *arguments, **named)
        finally:
            for window in reversed(windows):
                reading = window.close()
                READINGS[reading.unmeasured] += 1
                assert reading.usage is None or 0 <= reading.usage.retained <= reading.usage.peak, reading.usage

    return inner


def main(counts, module, *arguments):
    """Run the module, and write down what was counted however it ends."""
    import unittest

    if ENGINE is None:
        NativeEngine()  # says why not
    unittest.TestCase.run = measured(unittest.TestCase.run)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(counts).write_text(json.dumps(READINGS))


if __name__ == "__main__":
    main(*sys.argv[1:])
