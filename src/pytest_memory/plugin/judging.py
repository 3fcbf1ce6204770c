"""Holds what was measured of a phase against the limits that bind it, and fails the phase that broke one.

Loaded with the first test that something of ours can fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_memory.model import Verdict
from pytest_memory.plugin.failing import MemoryLimitExceeded, UnusableMarker
from pytest_memory.plugin.stacks import sites_of_test
from pytest_memory.policy.leaks import judge_leaks
from pytest_memory.policy.limits import ONE_THREAD, explain, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_memory.engines.base import HeapReading
    from pytest_memory.plugin.phase_ends import Attempt
    from pytest_memory.plugin.settings import Settings
    from pytest_memory.plugin.transport import FinishedPhase
    from pytest_memory.policy.leaks import LeakLimit

_LATE = "the marker came while the test ran, and nothing was measured of it; --memory measures every test"
_LATE_FOR_WINDOW = "the marker came while the test ran, and needs a window of its own; let a fixture add it"


class Judge:
    """Judges phases.

    Args:
        settings: The session's.
        surrounding: As in :func:`pytest_memory.plugin.stacks.sites_of_test`.
        followers: Called with each phase that was held against limits and broke none; what they raise fails the phase.
    """

    __slots__ = ("_followers", "_settings", "_surrounding")

    def __init__(
        self, settings: Settings, surrounding: int, followers: Sequence[Callable[[Attempt, FinishedPhase], None]]
    ) -> None:
        self._settings = settings
        self._surrounding = surrounding
        self._followers = followers

    def judge(self, attempt: Attempt, finished: FinishedPhase) -> None:
        """Say of a phase that has just ended what became of its limits, and what its report is to tell of that."""
        plan, phase, usage = attempt.plan, finished.phase, finished.usage
        request = plan.heap.get(phase)
        one_thread = request is not None and request.current_thread_only
        verdicts = [
            judge(limit, usage, finished.sites, one_thread=one_thread) for limit in plan.limits if limit.phase == phase
        ]
        if phase == "call":
            reason = _LATE if request is None else _LATE_FOR_WINDOW
            verdicts += [Verdict(limit, "not judged", reason=reason) for limit in plan.late]
        if plan.leaks is not None and phase == "call":
            unmeasured = usage.unmeasured
            if one_thread and not plan.leaks.limit.current_thread_only:
                unmeasured = ONE_THREAD
            verdicts.append(self._judge_leaks(plan.leaks, attempt.reading, unmeasured))
        finished.verdicts = tuple(verdicts)
        finished.sections = self._sections(verdicts)

    def hold_to_account(self, attempt: Attempt, finished: FinishedPhase) -> None:
        """Fail a phase that passed and broke a limit; only now, since other plugins count on their share of it.

        Raises:
            UnusableMarker: A marker that cannot be understood.
            MemoryLimitExceeded: A limit is broken.
        """
        if attempt.plan.problem and finished.phase != "teardown":
            raise UnusableMarker(attempt.plan.problem)
        if finished.verdicts:
            self._raise_broken(attempt, finished)

    def _judge_leaks(self, leaks: LeakLimit, reading: HeapReading | None, unmeasured: str) -> Verdict:
        if unmeasured or reading is None:
            return Verdict(leaks.limit, "not judged", reason=unmeasured or "this engine does not measure leaks")
        return judge_leaks(leaks, sites_of_test(reading.leaked, self._surrounding))

    def _sections(self, verdicts: Sequence[Verdict]) -> tuple[tuple[str, str], ...]:
        if not any(verdict.sites for verdict in verdicts):
            return ()
        from pytest_memory.report.failures import failure_sections

        memray = self._settings.memray
        return failure_sections(verdicts, verbosity=memray.verbosity, stacks=memray.stacks)

    def _raise_broken(self, attempt: Attempt, finished: FinishedPhase) -> None:
        request = attempt.plan.heap.get(finished.phase)
        granularity = request.granularity if request is not None else self._settings.granularity
        broken = [explain(verdict, granularity) for verdict in finished.verdicts if verdict.outcome == "exceeded"]
        if self._settings.unmeasured_fails:
            broken += [
                f"{verdict.limit.origin} could not be judged: {verdict.reason}"
                for verdict in finished.verdicts
                if verdict.outcome == "not judged"
            ]
        if broken:
            raise MemoryLimitExceeded("\n".join(broken))
        for follow in self._followers:
            follow(attempt, finished)
