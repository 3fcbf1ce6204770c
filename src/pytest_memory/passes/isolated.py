"""One memory pass in a process of its own: the parent's side.

The fresh interpreter gets its job through files in a temporary folder and answers through another, so neither side
can wait for the other at a full pipe. Only the way to the modules is taken from this process (``sys.path`` and the
files of the modules that the action needs), nothing else: no test runner, no plugins.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

from pytest_memory.errors import IsolationError
from pytest_memory.model import Measurement
from pytest_memory.passes.action import Action, PassPlan

JOB, ACTION, ANSWER = "job.json", "action.pickle", "answer.json"

_LARGE_PAYLOAD = 1024**2
_START = (
    "import json, sys; from pathlib import Path; folder = Path(sys.argv[1]); "
    f"job = json.loads((folder / {JOB!r}).read_text(encoding='utf-8')); sys.path[:] = job['path']; "
    "from pytest_memory.passes.child import main; main(folder, job)"
)


class ChildTraceback(Exception):
    """The traceback of an exception as its process saw it; the cause of the exception raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def measure_isolated(engine: str, action: Action, plan: PassPlan) -> Measurement:
    """Run the action in a fresh process: setup unmeasured, then ``plan.calls`` calls measured together.

    Args:
        engine: Name of the heap engine to use there.
        action: Must be picklable, with everything in it.
        plan: ``calls`` and ``granularity`` count; the rest is the caller's business.

    Returns:
        The heap numbers, and the resident high-water mark of that process from the first call on.

    Raises:
        IsolationError: The action cannot be pickled or rebuilt there, or the process died.
        BaseException: What the action raised there, with :class:`ChildTraceback` as its cause.
    """
    payload, modules = _pickled(action)
    with TemporaryDirectory(prefix="pytest-memory-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        job = {
            "path": sys.path,
            "argv": sys.argv,
            "modules": modules,
            "engine": engine,
            "calls": plan.calls,
            "granularity": plan.granularity,
        }
        (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
        (folder / ACTION).write_bytes(payload)
        finished = subprocess.run(
            [sys.executable, *_interpreter_flags(), "-c", _START, name], stdin=subprocess.DEVNULL, check=False
        )
        try:
            answer = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise IsolationError(
                f"the isolated process died with {_exit_words(finished.returncode)} before it had measured anything",
                "run the action without isolate=True to see why",
            ) from None
    if "sample" not in answer:
        _raise_failure(answer)
    return Measurement(**answer["sample"])


def _pickled(action: Action) -> tuple[bytes, dict[str, str]]:
    """The action as bytes, and the files of the modules that it refers to."""
    stream = io.BytesIO()
    pickler = _NotingPickler(stream, protocol=pickle.HIGHEST_PROTOCOL)
    try:
        pickler.dump(action)
    except Exception as error:  # any __reduce__ may run, and raise anything
        raise IsolationError(
            f"isolate=True needs a picklable action, and {action.target!r} with all that it takes is not: {error}",
            "define them at the top of a module, and pass data that pickles",
        ) from error
    payload = stream.getvalue()
    if len(payload) > _LARGE_PAYLOAD:
        warnings.warn(
            f"the isolated process is sent {len(payload)} bytes of arguments, and deserializing them counts in its "
            "resident peak; build large inputs in setup= instead",
            RuntimeWarning,
            stacklevel=2,
        )
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in sorted(pickler.modules)}
    if "__main__" in files and files["__main__"] is None:
        raise IsolationError(
            f"isolate=True cannot import {action.target!r} again: it was defined interactively",
            "define it at the top of a module",
        )
    return payload, {name: str(Path(file).absolute()) for name, file in files.items() if file and file.endswith(".py")}


class _NotingPickler(pickle.Pickler):
    """Notes the modules of the functions and classes that go by name, so that the other side can find them."""

    def __init__(self, stream: io.BytesIO, protocol: int) -> None:
        super().__init__(stream, protocol=protocol)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, FunctionType)) and isinstance(obj.__module__, str):
            self.modules.add(obj.__module__)
        return NotImplemented


def _interpreter_flags() -> list[str]:
    options = [f"-X{name}" if value is True else f"-X{name}={value}" for name, value in sys._xoptions.items()]
    return ["-" + "O" * sys.flags.optimize, *options] if sys.flags.optimize else options


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"exit code {code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"exit code {code}"


def _raise_failure(answer: dict[str, Any]) -> None:
    cause = ChildTraceback(answer["traceback"])
    if answer["stage"] == "rebuild":
        raise IsolationError(
            f"the action could not be rebuilt in its own process: {answer['summary']}",
            "define it in a module that can be imported by its name",
        ) from cause
    error = _unpickled(answer["exception"])
    if error is None:
        raise IsolationError(f"the action failed in its own process: {answer['summary']}") from cause
    raise error from cause


def _unpickled(exception: str | None) -> BaseException | None:
    if exception is None:
        return None
    try:
        error = pickle.loads(base64.b64decode(exception))
    except Exception:  # what unpickles there need not unpickle here
        return None
    return error if isinstance(error, BaseException) else None
