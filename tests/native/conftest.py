from __future__ import annotations

import json
import os
import traceback
import warnings

import pytest

from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import EngineUnavailable

from .helper import Helper, build


@pytest.fixture(scope="session")
def engine():
    try:
        return NativeEngine()
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def library_path(tmp_path_factory):
    path = build(tmp_path_factory.mktemp("native"))
    if path is None:
        pytest.skip("there is no C compiler")
    return path


@pytest.fixture
def helper(engine, library_path):
    return Helper(library_path)


@pytest.fixture(autouse=True)
def free_slots():
    """pymalloc maps an arena when it runs out of slots of some size: in nobody's window, if each size has many."""
    blocks = [bytes(size) for _ in range(100) for size in range(0, 480, 16)]
    kept = blocks[::7]  # of each size, so that the arenas stay
    del blocks
    yield
    del kept


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call the test where nothing but itself can disturb its numbers.

    In a worker of pytest-xdist that is a fork, which has one thread. The worker has a second one that listens to the
    controller: what that allocates inside a window is counted, as it should be, and stands in nobody's books.
    """
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _with_room(pyfuncitem.obj, arguments)
        return True
    receiver, sender = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12: a process with threads is forked
        child = os.fork()
    if child == 0:
        _answer(sender, pyfuncitem.obj, arguments)
    os.close(sender)
    with open(receiver) as pipe:  # noqa: PTH123
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not answer:
        pytest.fail(f"the process ended without an answer, with status {status}")
    outcome, text = json.loads(answer)
    if outcome == "skipped":
        pytest.skip(text)
    if outcome == "failed":
        pytest.fail(text, pytrace=False)
    return True


def _with_room(test, arguments):
    test(**arguments)


# Frames live in chunks from CPython 3.11 on, mapped when a call is too deep for the last: a frame that asks for
# this much begins a new one, with room for some two hundred frames, so that none is mapped inside a test's windows.
_with_room.__code__ = _with_room.__code__.replace(co_stacksize=3200)


def _answer(sender, test, arguments):
    """In the child: call, write down how that went, and end without any of what ends a session."""
    outcome = "passed", ""
    try:
        _with_room(test, arguments)
    except pytest.skip.Exception as skip:
        outcome = "skipped", str(skip)
    except BaseException:
        outcome = "failed", traceback.format_exc()
    finally:
        with open(sender, "w") as pipe:  # noqa: PTH123
            json.dump(outcome, pipe)
        os._exit(0)
