from __future__ import annotations

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
