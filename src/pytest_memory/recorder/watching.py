"""One test process as the recorder sees it."""

from __future__ import annotations

import os
import signal

from ..instruments.children import descendants_resident
from ..instruments.pidfd import open_pidfd, send_signal
from ..model.activity import ACTIVITIES
from .curve import Curve
from .guarding import Guard, guard_signal
from .thinning import Sample, Thinner

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..instruments.children import ProcessTable
    from .crumbs import Crumb, CrumbReader
    from .settings import RecorderSettings

_CHILDREN_EVERY = 0.05
"""Seconds between two looks at the descendants, which cost ten times the look at the process itself."""


class WatchedProcess:
    """Samples one process and guards it.

    Args:
        index: Its number in the journal.
        crumb: What it says of itself.
        table: Reads processes.
        settings: Of the recorder.

    Attributes:
        curve: Its memory over the session, roughly.
        names: Node id of the newest test by its number in the breadcrumb.
        written_names: Number in the journal of the newest name written, by its number in the breadcrumb.
        killed: The guard ended it.
    """

    def __init__(self, index: int, crumb: CrumbReader, table: ProcessTable, settings: RecorderSettings) -> None:
        self.index = index
        self.crumb = crumb
        self.pid = crumb.header.pid
        self.worker = crumb.header.worker
        self.pidfd = open_pidfd(self.pid)
        self.thinner = Thinner()
        self.curve = Curve(self.worker, settings.interval)
        self.names: dict[int, str] = {}
        self.written_names: dict[int, int] = {}
        self.killed = False
        self._table = table
        self._started = table.started(self.pid)
        threshold, last_resort = settings.threshold, settings.last_resort
        self._guard = None if threshold is None or last_resort is None else Guard(threshold, last_resort)
        self._state: Crumb | None = None
        self._children = 0
        self._children_at = float("-inf")
        table.watch(self.pid)

    def has_ended(self) -> bool:
        """Whether the process is gone or waits for its parent."""
        now = self._table.started(self.pid)
        return now is None or now != self._started

    def sample(self, now: float, leave_out: Collection[int]) -> Sample | None:
        """Read it; ``None`` if it is gone."""
        resident = self._table.resident(self.pid)
        if not resident:  # a zombie has none
            return None
        if now - self._children_at >= _CHILDREN_EVERY:
            self._children = descendants_resident(self._table, self.pid, leave_out)
            self._children_at = now
        state = self.crumb.read() or self._state
        self._state = state
        if state is None or not state.activity:
            return Sample(now, 0, 0, resident, self._children)
        if state.number not in self.names:
            self.names = {state.number: state.nodeid}
        return Sample(now, state.number, ACTIVITIES.index(state.activity), resident, self._children)

    def keep(self, sample: Sample) -> tuple[Sample, ...]:
        """Take a sample into the curve and the journal; give those that go into the journal now."""
        nodeid = self.names.get(sample.name, "")
        self.curve.add(sample.time, sample.resident, nodeid, ACTIVITIES[sample.activity])
        return self.thinner.take(sample)

    def watch_over(self, sample: Sample, note: Callable[[str], None]) -> None:
        """Let the guard look at a sample, and do what it decides."""
        if self._guard is None:
            return
        activity, answered = ACTIVITIES[sample.activity], self.crumb.answered
        action = self._guard.look(sample.time, sample.name, activity, sample.total, answered=answered)
        if action == "stop":
            self.crumb.request(self._guard.requests, sample.total, self._guard.threshold)
            send_signal(self.pid, self.pidfd, guard_signal())
        elif action == "kill" and not self.killed:
            self.killed = send_signal(self.pid, self.pidfd, signal.SIGKILL)
            from ..units import human_bytes

            note(f"the memory guard ended process {self.pid} at {human_bytes(sample.total)}")

    def close(self) -> None:
        """Let go of it."""
        self._table.forget(self.pid)
        self.crumb.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
