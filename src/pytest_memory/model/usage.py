"""What was measured over one window: heap, resident memory, and both over a phase of a test."""

from __future__ import annotations

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .literals import Detail, Granularity, Phase

NOTABLE_PHASE = 64 * 1024
"""Bytes of heap; less in a setup or teardown is not worth a word."""

LARGE_PHASE = 512 * 1024
"""Bytes of heap; from here on a sample of call stacks says where they came from."""

NOTABLE_GROWTH = 64 * 1024
"""Bytes of resident memory; to have grown by less is no growth to a reader."""

PHASES: tuple[Phase, ...] = ("setup", "call", "teardown")
GRANULARITIES: tuple[Granularity, ...] = ("python", "malloc")
DETAILS: tuple[Detail, ...] = ("counters", "sampled", "stacks")


class HeapUsage(NamedTuple):
    """Heap memory over one window; ``None`` where the engine cannot give a metric.

    Attributes:
        peak: High-water mark of the bytes allocated inside the window and still live.
        allocated: Sum of all bytes allocated inside the window.
        allocations: Number of allocation calls inside the window.
        retained: Bytes allocated inside the window and still live at its end.
    """

    peak: int | None = None
    allocated: int | None = None
    allocations: int | None = None
    retained: int | None = None


class ResidentUsage(NamedTuple):
    """Resident set size of this process over one window, in bytes.

    Attributes:
        start: When the window opened.
        end: When it closed.
        peak: The kernel's own high-water mark inside the window; ``None`` where it cannot be had.
    """

    start: int
    end: int
    peak: int | None = None

    @property
    def growth(self) -> int:
        """Bytes gained (or lost, if negative) over the window."""
        return self.end - self.start


class PhaseUsage(NamedTuple):
    """Everything measured over one phase of one attempt at a test.

    Attributes:
        seconds: Wall time of the phase, our own share included.
        heap: ``None`` if no heap window was open.
        resident: ``None`` if resident memory was not read.
        unmeasured: Why ``heap`` is ``None`` although it was wanted; empty if it was not.
    """

    seconds: float
    heap: HeapUsage | None = None
    resident: ResidentUsage | None = None
    unmeasured: str = ""
