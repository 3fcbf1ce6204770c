"""Hooks of the flight recorder that few sessions need: to register one costs 0.2 million instructions."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.declaration import Hooks
from pytest_memory.plugin.recorder_places import SESSION_FOLDER

if TYPE_CHECKING:
    from pytest_memory.plugin.recorder import Flight
    from pytest_memory.plugin.recorder_recording import Recording


class LastDeath(Hooks):
    """Says what the last session died in: in the header, else at the end.

    Args:
        sentences: What to say.
    """

    def __init__(self, sentences: list[str]) -> None:
        self._sentences = sentences

    def pytest_report_header(self) -> list[str]:
        """Say it."""
        sentences, self._sentences = self._sentences, []
        return [f"memory: {sentence}" for sentence in sentences]

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say it, if there was no header."""
        for sentence in self._sentences:
            terminalreporter.write_line(f"memory: {sentence}")


class WarmUp(Hooks):
    """Lets the recorder find its feet, and sample a baseline, before the first test.

    Args:
        recording: The recorder, and how long to wait for it.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Wait."""
        self._recording.warm_up()
        return (yield)


class WorkerFolders(Hooks):
    """In the controller of pytest-xdist: tells each worker where the session lies."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand the folder to a worker that is about to start."""
        if self._flight.place is not None:
            node.workerinput[SESSION_FOLDER] = str(self._flight.place.session)
