"""A session with ``--memlog`` and nothing else of ours; nothing that measures or judges is loaded for it.

Should a marker of ours turn up, :mod:`pytest_memory.plugin.registration` comes later, and finds the flight under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import Hooks, is_controller
from pytest_memory.model.activity import ACTIVITIES
from pytest_memory.plugin.options import OptionReader, told_to_user
from pytest_memory.plugin.recorder import OWN_PHASES, take_off
from pytest_memory.plugin.recorder_settings import read_flight_settings

if TYPE_CHECKING:
    from pytest_memory.plugin.recorder_tests import TestLog

_SETUP, _CALL, _TEARDOWN = map(ACTIVITIES.index, ("setup", "call", "teardown"))


def register_recording_alone(config: pytest.Config) -> None:
    """Register what this process needs to be recorded.

    Raises:
        pytest.UsageError: A flag or ini key that cannot be used.
    """
    try:
        settings = read_flight_settings(OptionReader(config), config.invocation_params.dir)
    except ValueError as error:
        raise told_to_user(error) from error
    if settings.memlog and not config.option.collectonly:
        flight = take_off(config, settings, watermark=True)
        if flight.tests is not None and not is_controller(config):
            config.pluginmanager.register(OwnPhases(flight.tests), OWN_PHASES)
            flight.follow_announcements()


class OwnPhases(Hooks):
    """Follows the phases where nothing of ours measures them.

    These are no wrappers, and read no more than they must: a session that is only recorded hardly pays for it.
    """

    __slots__ = ("_enter",)

    def __init__(self, log: TestLog) -> None:
        self._enter = log.enter

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The setup begins."""
        self._enter(item, _SETUP)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """The call begins."""
        self._enter(item, _CALL)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The teardown begins."""
        self._enter(item, _TEARDOWN)
