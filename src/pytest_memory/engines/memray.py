"""The memray engine. Placeholder until its branch lands."""

from __future__ import annotations

from pytest_memory.engines.none import NoEngine
from pytest_memory.errors import EngineUnavailable


class MemrayEngine(NoEngine):
    """Not there yet."""

    def __init__(self) -> None:
        raise EngineUnavailable("not built yet")
