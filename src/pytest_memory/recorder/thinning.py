"""Which samples of a long session are kept.

Every sample of the first :data:`COMPLETE` is. After that a sample is kept if memory has moved by more than a band
since the last one kept, or a second has passed. The band widens each time the number kept has doubled, so that a
journal grows with the logarithm of a restless session's length. The highest sample between two kept ones is kept too,
with its own time: no peak is ever lost or lowered.
"""

from __future__ import annotations

COMPLETE = 20_000
FIRST_BAND = 256 * 1024
LONGEST_PAUSE = 1.0


class Sample:
    """One reading of one process: seconds (monotonic), name of its test, activity, bytes.

    Attributes:
        total: Bytes of the process and its descendants.
    """

    __slots__ = ("activity", "children", "name", "resident", "time", "total")

    def __init__(self, time: float, name: int, activity: int, resident: int, children: int) -> None:
        self.time = time
        self.name = name
        self.activity = activity
        self.resident = resident
        self.children = children
        self.total = resident + children


class Thinner:
    """Decides for the samples of one process.

    Args:
        complete: How many samples are kept whatever they are.
    """

    def __init__(self, complete: int = COMPLETE) -> None:
        self._complete = complete
        self._kept = 0
        self._band = FIRST_BAND
        self._next_widening = 2 * complete
        self._last: Sample | None = None
        self._highest: Sample | None = None
        self._newest: Sample | None = None

    def take(self, sample: Sample) -> tuple[Sample, ...]:
        """Take a sample; give those to keep now, in order of time."""
        self._newest = sample
        last = self._last
        if last is not None and self._kept >= self._complete and not self._moved(last, sample):
            if self._highest is None or sample.total > self._highest.total:
                self._highest = sample
            return ()
        return self._keep(sample)

    def rest(self) -> tuple[Sample, ...]:
        """What to keep at the end: the highest since the last kept one, and the newest."""
        if self._newest is None or self._newest is self._last:
            return ()
        return self._keep(self._newest)

    def _moved(self, last: Sample, sample: Sample) -> bool:
        return (
            abs(sample.resident - last.resident) > self._band
            or abs(sample.children - last.children) > self._band
            or sample.time - last.time >= LONGEST_PAUSE
        )

    def _keep(self, sample: Sample) -> tuple[Sample, ...]:
        highest, last = self._highest, self._last
        self._last, self._highest = sample, None
        kept: tuple[Sample, ...] = (sample,)
        if highest is not None and last is not None and highest.total > max(last.total, sample.total):
            kept = (highest, sample)
        self._kept += len(kept)
        if self._kept >= self._next_widening:
            self._band *= 2
            self._next_widening *= 2
        return kept
