"""Where the heap window of a call opens and closes: as close to the test's own code as its kind allows.

That of the other kinds of test is in ``plugin/other_kinds.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import Hooks

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_memory.plugin.phases import PhaseHooks


class FunctionCalls(Hooks):
    """Opens and closes the heap window of a test function, as close to its code as pytest allows."""

    __slots__ = ("_phases",)

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Measure the heap of the call."""
        window = self._phases.open_call_window(pyfuncitem)
        try:
            return (yield)
        finally:
            self._phases.close_call_window(window)


def passes_pyfunc_call(item: pytest.Item) -> bool:
    """Whether a test is certain to run inside ``pytest_pyfunc_call``."""
    return type(item).runtest is pytest.Function.runtest
