"""Where the heap window of a call opens and closes for tests that are no plain functions, such as unittest's.

Registered when the first of them turns up: each wrapper costs every test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.plugin.calls import passes_pyfunc_call

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_memory.plugin.phases import PhaseHooks


class OtherKinds(Hooks):
    """Opens and closes the heap window of a test for which ``pytest_pyfunc_call`` is not certain to fire."""

    __slots__ = ("_phases",)

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the heap of the call."""
        if passes_pyfunc_call(item):
            return (yield)
        window = self._phases.open_call_window(item)
        try:
            return (yield)
        finally:
            if self._phases.call_window() is window:  # pytest_pyfunc_call fired after all: its window was the one
                self._phases.close_call_window(window)
