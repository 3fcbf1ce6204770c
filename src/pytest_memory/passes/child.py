"""One memory pass in a process of its own: the child's side. Imported by nobody else."""

from __future__ import annotations

import base64
import faulthandler
import importlib.util
import json
import pickle
import runpy
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_memory.engines.choose import choose_engine
from pytest_memory.instruments.resident import resident_reader
from pytest_memory.meter import Meter
from pytest_memory.passes.action import Action, PassPlan
from pytest_memory.passes.isolated import ACTION, ANSWER
from pytest_memory.passes.run import one_pass


def main(folder: Path, job: dict[str, Any]) -> None:
    """Do the job and leave the answer; an exception of the action is an answer too."""
    if sys.stderr is not None:
        faulthandler.enable()
    sys.argv[:] = job["argv"]
    stage = "rebuild"
    try:
        action = _rebuild(folder, job["modules"])
        stage = "run"
        answer = {"sample": _measure(action, job)}
    except BaseException as error:  # the parent decides what becomes of it, SystemExit and KeyboardInterrupt included
        answer = _failure(stage, error)
    unfinished = folder / f"{ANSWER}.part"
    unfinished.write_text(json.dumps(answer), encoding="utf-8")
    unfinished.replace(folder / ANSWER)


def _rebuild(folder: Path, modules: dict[str, str]) -> Action:
    for name, file in modules.items():
        _provide(name, file)
    action = pickle.loads((folder / ACTION).read_bytes())
    assert isinstance(action, Action)
    return action


def _provide(name: str, file: str) -> None:
    """Make a module importable under the name it has in the parent, whatever way the parent came to it."""
    if name == "__main__":
        main_module = ModuleType("__mp_main__")  # as multiprocessing names it, so that `if __name__ == ...` stays idle
        main_module.__dict__.update(runpy.run_path(file, run_name="__mp_main__"))
        sys.modules["__main__"] = sys.modules["__mp_main__"] = main_module
        return
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is not None and found.origin is not None and Path(found.origin).absolute() == Path(file):
        return
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _measure(action: Action, job: dict[str, Any]) -> dict[str, int | None]:
    engine, _ = choose_engine(job["engine"])
    resident, _ = resident_reader("exact")
    plan = PassPlan(calls=job["calls"], granularity=job["granularity"], isolate=True)
    sample = one_pass(Meter(engine, resident), action, plan)
    return {key: getattr(sample, key) for key in ("peak_bytes", "allocations", "total_bytes", "rss_bytes")}


def _failure(stage: str, error: BaseException) -> dict[str, Any]:
    return {
        "stage": stage,
        "summary": "".join(traceback.format_exception_only(type(error), error)).strip(),
        "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        "exception": None if isinstance(error, (SystemExit, KeyboardInterrupt)) else _pickled(error),
    }


def _pickled(error: BaseException) -> str | None:
    """The exception as text, if it survives the way to the parent."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # its __reduce__ or __init__ may raise anything
        return None
    return base64.b64encode(data).decode("ascii")
