"""The state of one session: settings, meter, records and notes; registered with pytest and kept in its stash."""

from __future__ import annotations

import datetime
import platform
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory import __version__
from pytest_memory.declaration import Hooks
from pytest_memory.plugin.carrying import Waiting
from pytest_memory.plugin.collector import Collector
from pytest_memory.plugin.phases import PhaseHooks
from pytest_memory.plugin.transport import Showcase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_memory.meter import Meter
    from pytest_memory.model import EngineChoice, Environment, Run, Summary, TestRecord
    from pytest_memory.plugin.phase_ends import PhaseObserver
    from pytest_memory.plugin.settings import Settings

SESSION: pytest.StashKey[MemorySession] = pytest.StashKey()
"""Where the session is found in ``config.stash`` while the plugin is loaded."""


class MemorySession(Hooks):
    """Everything this process knows about the memory of the session.

    Attributes:
        settings: What to do.
        meter: Measures; ``None`` in a controller of pytest-xdist, which runs no test.
        choice: The heap engine, and why those before it were refused.
        phases: Measures each phase of each test; ``None`` where ``meter`` is.
        collector: Makes the records.
        showcase: Keeps whole call stacks for the report.
        observers: Told of each phase; to be added to before the first test runs.
        notes: Sentences for the reader on what was not measured, and why.
        measuring_seconds: Time spent measuring in workers that have ended.
        engine_bytes: Resident memory of their engines' own tables.
        let_go: In a worker, what :attr:`PhaseHooks.when_let_go` is told until a report takes it along; else ``None``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        choice: EngineChoice,
        meter: Meter | None,
        junit: bool = False,
        rootpath: Path | None = None,
    ) -> None:
        self.settings = settings
        self.meter = meter
        self.choice = choice
        self.observers: list[PhaseObserver] = []
        self.collector = Collector()
        self.showcase = Showcase(settings.showcase)
        self.notes: list[str] = []
        self.measuring_seconds = 0.0
        self.engine_bytes = 0
        self.let_go: list[tuple[str, int, int]] | None = None
        self.rootpath = rootpath
        self.phases = (
            PhaseHooks(settings, meter, self.observers, self.showcase, junit=junit) if meter is not None else None
        )
        if self.phases is not None:
            self.collector.waiting = Waiting(self.phases)
            self.phases.when_let_go = self._let_go
        self._started = datetime.datetime.now(datetime.timezone.utc)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """No test runs any more: what comes now, to the interpreter's last moments, need not pass the hooks."""
        if self.meter is not None:
            if self.phases is not None:
                self.phases.no_more_tests()
            self.meter.engine.stand_aside()
            self.note(_of_one_id(getattr(session, "items", ())))

    def _let_go(self, nodeid: str, end: int, resident: int) -> None:
        if self.let_go is not None:
            self.let_go.append((nodeid, end, resident))
        else:
            self.collector.let_go(None, nodeid, end, resident)

    def note(self, sentence: str) -> None:
        """Tell the reader something once."""
        if sentence and sentence not in self.notes:
            self.notes.append(sentence)

    def handover(self) -> dict[str, Any]:
        """What a worker hands to its controller when it ends, as plain JSON types."""
        from pytest_memory.plugin.transport import encode_showcase

        return {
            "engine": self.choice.name,
            "refused": [list(pair) for pair in self.choice.refused],
            "measuring_seconds": self.total_measuring_seconds(),
            "engine_bytes": self.total_engine_bytes(),
            "notes": self.all_notes(),
            "sites": encode_showcase(self.showcase.sites()),
            "let_go": self.let_go or [],
        }

    def receive(self, worker: str, handed: Mapping[str, Any]) -> None:
        """Take what a worker handed over."""
        from pytest_memory.model import EngineChoice
        from pytest_memory.plugin.unpacking import decode_showcase

        self.choice = EngineChoice(handed["engine"], tuple((name, reason) for name, reason in handed["refused"]))
        self.measuring_seconds += handed["measuring_seconds"]
        self.engine_bytes += handed["engine_bytes"]
        for sentence in handed["notes"]:
            self.note(sentence)
        for nodeid, end, resident in handed["let_go"]:
            self.collector.let_go(worker, nodeid, end, resident)
        self.collector.add_whole_sites(worker, decode_showcase(handed["sites"]))

    def total_measuring_seconds(self) -> float:
        """Time spent measuring, in all processes."""
        here = [part.measuring_seconds for part in (self.meter, self.phases) if part is not None]
        return self.measuring_seconds + sum(here)

    def total_engine_bytes(self) -> int:
        """Resident memory of the engines' own tables, in all processes."""
        return self.engine_bytes + (self.meter.engine.held_bytes() if self.meter is not None else 0)

    def all_notes(self) -> list[str]:
        """The notes of this session and of its engine, each once."""
        engine = self.meter.engine.notes() if self.meter is not None else ()
        return list(dict.fromkeys((*self.notes, *engine)))

    def run(self) -> Run:
        """The whole run, when the last test has ended."""
        from pytest_memory.model import Run

        return Run(
            environment=self.environment(),
            records=self.records(),
            measuring_seconds=self.total_measuring_seconds(),
            engine_bytes=self.total_engine_bytes(),
            notes=tuple(self.all_notes()),
        )

    def summary(self, count: int | None) -> Summary:
        """The same in short.

        Args:
            count: How many attempts are shown; ``None`` for all.
        """
        from pytest_memory.model import Summary

        self.collector.add_whole_sites(None, self.showcase.sites())
        heaviest = self.collector.heaviest(count)
        tally = self.collector.tally
        return Summary(
            environment=self.environment(),
            tests=tally.tests,
            attempts=tally.attempts,
            seconds=tally.seconds,
            heaviest=heaviest,
            unmeasured=tally.unmeasured,
            unjudged=tally.unjudged,
            measuring_seconds=self.total_measuring_seconds(),
            engine_bytes=self.total_engine_bytes(),
            notes=tuple(self.all_notes()),
        )

    def records(self) -> tuple[TestRecord, ...]:
        """One record for each attempt, when the last test has ended."""
        self.collector.add_whole_sites(None, self.showcase.sites())
        return self.collector.records()

    def environment(self) -> Environment:
        """Where and how this session measures."""
        from pytest_memory.model import Environment

        settings = self.settings
        reader = self.meter.resident if self.meter is not None else None
        return Environment(
            engine=self.choice,
            granularity=settings.granularity,
            detail=settings.detail,
            resident=reader.mode if reader is not None else settings.resident,
            python=platform.python_version(),
            implementation=platform.python_implementation(),
            platform=f"{sys.platform}-{platform.machine()}",
            commit=_commit(self.rootpath) if settings.reports else None,
            version=__version__,
            started=self._started.isoformat(timespec="seconds"),
        )


@lru_cache(maxsize=1)  # the run and its summary both ask
def _commit(folder: Path | None) -> str | None:
    """The revision checked out in a folder, or None where there is none."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _of_one_id(items: Sequence[pytest.Item]) -> str:
    """What to say of different tests to which pytest gave one node id."""
    if len({item.nodeid for item in items}) == len(items):
        return ""
    files: dict[str, set[str]] = {}
    for item in items:
        files.setdefault(item.nodeid, set()).add(item.location[0])
    twin = next((nodeid for nodeid, found in files.items() if len(found) > 1), None)
    if twin is None:
        return ""
    return (
        f"tests in several files have one node id, such as {twin!r}, and count as one: pytest names no file outside "
        "its root directory; set --rootdir to a folder that holds them all"
    )
