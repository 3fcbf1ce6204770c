from __future__ import annotations

import os

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


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """In a worker of pytest-xdist, call a test again that was off: the worker's own thread talks to the controller.

    What that thread allocates inside a window is counted, as it should be, and stands in nobody's books. An engine
    that counts wrong does so every time. Without workers there is one try.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for _ in range(2):
        try:
            pyfuncitem.obj(**arguments)
        except AssertionError:
            continue
        return True
    return None  # pytest's own call is the last try, with its report
