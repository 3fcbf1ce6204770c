"""How what was measured of a phase gets onto its report.

A wrapper around the making of reports costs every test three times over. Where pytest itself runs the tests and makes
the reports, each gets its measurements when it is logged, in the hook that takes them off again (or, in a worker of
pytest-xdist, in one before it is sent: ``plugin/workers.py``). Where anybody else has a part in that, who may run
tests in another process or log reports later or not at all, they get them when they are made
(``plugin/made_reports.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_memory.plugin.transport import FinishedPhase, keep_phase, pack_kept, pack_phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pluggy

    from pytest_memory.plugin.phase_ends import Attempt
    from pytest_memory.plugin.phases import PhaseHooks
    from pytest_memory.plugin.transport import Kept, Packed

_KNOWN = frozenset(("_pytest", "pytest_memory", "xdist", "_hypothesis_pytestplugin"))
"""Packages whose hooks leave the reports of the tests of this process to pytest. Hypothesis only adds sections."""


class Waiting:
    """What was measured in this process and is on no report: the collector asks for it when a test is over.

    Attributes:
        leave: To be told that the test is over.
    """

    __slots__ = ("_phases", "leave")

    def __init__(self, phases: PhaseHooks) -> None:
        self._phases = phases
        self.leave = phases.leave

    def take(self, report: pytest.TestReport, location: object) -> tuple[str, list[Kept]]:
        """The node id of the test that a report tells of, and all there is of it, once.

        Args:
            report: The report.
            location: Its location, as :func:`reported` takes it.
        """
        attempt = reported(self._phases, report, location)
        if attempt is None:
            return report.nodeid, []
        finished, attempt.finished = attempt.finished, {}
        return attempt.nodeid, _kept(finished.values())

    def unfinished(self, last: object) -> tuple[str, list[Kept]] | None:
        """The node id and the phases of the test in which the session ended, if there is one.

        Args:
            last: The location of the test that was the last to come to its end.
        """
        attempt = self._phases.attempt
        if attempt is None or attempt.location is last:
            return None
        return attempt.nodeid, _kept(attempt.finished.values())


def _kept(finished: Iterable[FinishedPhase | Kept]) -> list[Kept]:
    phases: list[Any] = [*finished]
    if FinishedPhase in map(type, phases):  # seldom
        return [keep_phase(phase) if isinstance(phase, FinishedPhase) else phase for phase in phases]
    return phases


def reported(phases: PhaseHooks, report: pytest.TestReport, location: object) -> Attempt | None:
    """The attempt that a report tells of, if something waits there.

    Args:
        phases: Measures in this process.
        report: The report.
        location: Its location, found in its ``__dict__``: asked for by name it takes longer.
    """
    attempt = phases.attempt
    if attempt is None or not attempt.finished:
        return None
    told = location is attempt.location or report.nodeid == attempt.nodeid
    return attempt if told else None


def packed(finished: FinishedPhase | Kept) -> Packed:
    """What travels of a phase, whether there is more to know of it or not."""
    return pack_phase(finished) if isinstance(finished, FinishedPhase) else pack_kept(finished)


def others_run(manager: pytest.PytestPluginManager) -> bool:
    """Whether anybody but pytest runs tests in this process."""
    hook = manager.hook
    running = [*hook.pytest_runtest_protocol.get_hookimpls(), *hook.pytest_runtestloop.get_hookimpls()]
    return any(map(_foreign, [impl for impl in running if not (impl.wrapper or impl.hookwrapper)]))


def others_report(manager: pytest.PytestPluginManager) -> bool:
    """Whether anybody but pytest runs tests or makes reports in this process."""
    return others_run(manager) or any(map(_foreign, manager.hook.pytest_runtest_makereport.get_hookimpls()))


def _foreign(impl: pluggy.HookImpl) -> bool:
    return impl.function.__module__.partition(".")[0] not in _KNOWN
