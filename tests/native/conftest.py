from __future__ import annotations

import pytest

from pytest_memory.engines.native import NativeEngine
from pytest_memory.errors import EngineUnavailable


@pytest.fixture(scope="session")
def engine():
    try:
        return NativeEngine()
    except EngineUnavailable as error:
        pytest.skip(str(error))
