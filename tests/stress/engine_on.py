"""Has the native engine count in a process: two windows that stay open, and on request more.

``engine_on.begin(FOLDER)`` starts the extension module in a folder by itself. It needs next to no other modules: a
suite may look into ``sys.modules``.

``python engine_on.py COUNTS MODULE ARGUMENTS...`` runs a module as ``python -m`` does, with two windows more around
every ``unittest`` test, and writes into the file COUNTS how many there were and why any of them was void.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec

NAME = "pytest_memory.engines.native._native"
WINDOWS = []


def load(folder):
    """The extension module, also for whoever imports it afterwards."""
    paths = (os.path.join(folder, f"_native{suffix}") for suffix in EXTENSION_SUFFIXES)  # noqa: PTH118
    path = next(filter(os.path.exists, paths))
    loader = ExtensionFileLoader(NAME, path)
    core = loader.create_module(ModuleSpec(NAME, loader, origin=path))
    loader.exec_module(core)
    sys.modules[NAME] = core
    return core


def begin(folder):
    """Open the windows. A process that the engine declines to measure goes on without."""
    if WINDOWS:  # the site module reads what lies in a folder with two names twice
        return
    try:
        core = load(folder)
        core.install()
        core.answers(tuple, tuple)
        for ledger, stacks in ((core.PYTHON, ({}, tuple, (), (), None)), (core.MALLOC, None)):
            WINDOWS.append(core.opener(ledger, False, False, 0, stacks, 0, False).open(1))
    except (ImportError, RuntimeError):  # an interpreter inside the interpreter, an allocator in LD_PRELOAD
        return


READINGS = {}


def measured(run, engine, requests):
    """``TestCase.run`` inside two windows, each counted under the reason why it was void, or under none."""
    from pytest_memory.errors import WindowRefused

    def inner(case, *arguments, **named):
        try:
            windows = [engine.open(request) for request in requests]
        except WindowRefused as refusal:
            READINGS[str(refusal)] = READINGS.get(str(refusal), 0) + 1
            return run(case, *arguments, **named)
        try:
            return run(case, *arguments, **named)
        finally:
            for window in reversed(windows):
                reading = window.close()
                READINGS[reading.unmeasured] = READINGS.get(reading.unmeasured, 0) + 1
                assert reading.usage is None or 0 <= reading.usage.retained <= reading.usage.peak, reading.usage

    return inner


def main(counts, module, *arguments):
    """Run the module, and write down what was counted however it ends."""
    import json
    import runpy
    import unittest
    from pathlib import Path

    from pytest_memory.engines.base import WindowRequest
    from pytest_memory.engines.native import NativeEngine

    requests = (
        WindowRequest(granularity="python", detail="stacks", leaks=True),
        WindowRequest(granularity="malloc", detail="sampled"),
    )
    unittest.TestCase.run = measured(unittest.TestCase.run, NativeEngine(), requests)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(counts).write_text(json.dumps(READINGS))


if __name__ == "__main__":
    main(*sys.argv[1:])
