"""The recorder of a session: started when the session begins, asked at its end, and what is said of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.plugin.recorder_places import Place, log_path
from pytest_memory.recorder.channel import JOURNAL_NAME
from pytest_memory.recorder.journal import JournalWriter, create_journal

if TYPE_CHECKING:
    from pytest_memory.plugin.guard_settings import GuardSettings
    from pytest_memory.plugin.recorder_settings import FlightSettings
    from pytest_memory.recorder.curve import Curve
    from pytest_memory.recorder.launch import RecorderProcess

_AUTOPSY = "pytest_memory.report.autopsy:render_autopsies"


class Recording:
    """The recorder as the process that started it sees it.

    Args:
        config: pytest's.
        settings: What was asked for.
        place: The folder of the session.
        note: Takes sentences for the user.

    Attributes:
        journal: Of this process; ``None`` if it could not be made.
    """

    def __init__(
        self, config: pytest.Config, settings: FlightSettings, place: Place, note: Callable[[str], None]
    ) -> None:
        self._config = config
        self._settings = settings
        self._place = place
        self._note = note
        self._recorder: RecorderProcess | None = None
        self._log: Path | None = None
        self._entries = 0
        self._curves: list[Curve] = []
        self.journal: JournalWriter | None = None

    def start(self) -> None:
        """Start the recorder, and do not wait for it."""
        from pytest_memory.recorder.launch import RecorderProcess
        from pytest_memory.recorder.settings import RecorderSettings

        settings = self._settings
        if settings.memlog:
            self._log, note = log_path(settings.path, self._place)
            self._note(note)
        threshold = self._threshold(settings.guard) if settings.guard is not None else None
        kill = settings.guard.kill if settings.guard is not None else 0.0
        asked = RecorderSettings(
            session=str(self._place.session),
            owner=os.getpid(),
            interval=settings.interval,
            memlog=str(self._log) if self._log is not None else None,
            threshold=threshold,
            last_resort=None if threshold is None else int(threshold * kill / 100),
            autopsy=_AUTOPSY,
        )
        try:
            self.journal = create_journal(self._place.session / JOURNAL_NAME, self._head())
            terminal = os.dup(1)
        except OSError as error:
            self._note(f"nothing is recorded: {error.strerror or error}")
            return
        try:
            self._recorder = RecorderProcess(asked, terminal)
        except RuntimeError as error:
            from pytest_memory.errors import RecorderUnavailable

            if not isinstance(error, RecorderUnavailable):
                raise
            self._note(f"nothing is recorded: {error}")
        finally:
            os.close(terminal)

    def warm_up(self) -> None:
        """Wait until the recorder is ready, and then for as long as the user asked."""
        if self._recorder is not None and self._settings.warmup and self._recorder.wait_until_ready():
            time.sleep(self._settings.warmup)

    def end(self, status: int) -> None:
        """Let the recorder write everything, and take what it says of the session."""
        if self._recorder is None:
            self._log = None
            return
        answer = self._recorder.end(status)
        self._recorder = None
        if answer is None:
            self._note("the recorder died, or a test closed the pipes to it; what it had recorded until then is kept")
            self._end_ourselves()
            return
        if answer["lost"]:
            self._note(f"the recording is incomplete: {answer['failure']}")
        for note in answer["notes"]:
            self._note(note)
        if "memlog_failure" in answer:
            self._give_up_log(answer["memlog_failure"])
        if self._log is not None:
            from pytest_memory.recorder.curve import curve_from_json

            self._entries = answer["entries"]
            self._curves = [curve_from_json(curve) for curve in answer["curves"]]

    def lines(self, width: int) -> list[str]:
        """What to tell the user of the log, once it is written; none if there is no log.

        Args:
            width: Columns of the terminal.
        """
        if self._log is None:
            return []
        from pytest_memory.report.memlog import memlog_lines
        from pytest_memory.units import format_counted

        return [
            f"memory log: {format_counted(self._entries, 'sample')} in {self._relative(self._log)}",
            *memlog_lines(self._curves, width),
        ]

    def let_go(self) -> None:
        """This process is a fork of the one that started the recorder."""
        if self._recorder is not None:
            self._recorder.let_go()
            self._recorder = None

    def _head(self) -> dict[str, Any]:
        return {
            "origin": time.monotonic(),
            "started": time.time(),
            "rootdir": str(self._config.rootpath),
            "interval": self._settings.interval,
            "memlog": str(self._log) if self._log is not None else None,
            "arguments": [str(argument) for argument in self._config.invocation_params.args],
        }

    def _threshold(self, guard: GuardSettings) -> int | None:
        from pytest_memory.plugin.guard_settings import count_test_processes

        threshold = guard.threshold(count_test_processes(self._config))
        if threshold is None:
            self._note("the memory guard is off: how much memory there is cannot be read here")
        return threshold

    def _end_ourselves(self) -> None:
        from pytest_memory.errors import UnreadableFile
        from pytest_memory.recorder.curve import curve_of
        from pytest_memory.recorder.memlog import write_memlog
        from pytest_memory.recorder.reader import read_journal

        journal = self._place.session / JOURNAL_NAME
        try:
            if self._log is not None:
                self._entries = write_memlog(journal, self._log)
        except OSError as error:
            self._give_up_log(error.strerror or str(error))
        try:
            timeline = read_journal(journal, spans=False)
        except (OSError, UnreadableFile) as error:
            self._note(f"the journal cannot be read: {error}")
            return
        for note in timeline.notes:
            self._note(note)
        self._curves = [curve_of(series, self._settings.interval) for series in timeline.series]

    def _give_up_log(self, reason: str) -> None:
        self._note(f"{self._log} cannot be written: {reason}")
        self._log = None

    def _relative(self, path: Path) -> str:
        with contextlib.suppress(ValueError):
            return str(path.relative_to(self._config.invocation_params.dir))
        return str(path)
