"""Resident set size over a window, with the kernel's own high-water mark where there is one.

On Linux, writing ``5`` to ``/proc/self/clear_refs`` resets the high-water mark of this process (``VmHWM`` in
``/proc/self/status``, see proc(5)), so that it can be read per window: a spike of a few milliseconds is seen
whatever anybody's sampling interval. The price is that ``getrusage().ru_maxrss``, which is the same counter,
starts anew with each window too; ``sampled`` leaves it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import ResidentUsage

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Protocol

    ResidentMode = Literal["exact", "sampled", "off"]

    class ResidentWindow(Protocol):
        """An open window over resident memory."""

        def close(self) -> ResidentUsage:
            """End the window. Windows close in the reverse order of their opening."""
            ...

    class ResidentReader(Protocol):
        """Reads the resident memory of this process."""

        mode: ResidentMode

        @property
        def open(self) -> Callable[[], ResidentWindow]:
            """Open a window."""
            ...


class KernelResident:
    """Exact windows from Linux's own counters.

    Nested windows are right: an inner window resets the mark, and what the mark had reached goes to the outer one.

    Args:
        folder: The counters, ``/proc/self``.

    Raises:
        OSError: They are missing or may not be written.
    """

    mode: ResidentMode = "exact"

    def __init__(self, folder: str = "/proc/self") -> None:
        try:
            from ._kernel import Kernel as Compiled
        except ImportError:  # there was no compiler
            from .kernel_windows import KernelWindows
            from .procfs import ProcFiles

            self.open: Callable[[], ResidentWindow] = KernelWindows(ProcFiles(folder)).open
        else:
            self.open = Compiled(folder, ResidentUsage).open


def resident_reader(mode: ResidentMode) -> tuple[ResidentReader | None, str]:
    """Make the reader asked for, or the best there is.

    Returns:
        The reader (``None`` for ``off``), and why it is not the one asked for (empty if it is).
    """
    if mode == "off":
        return None, ""
    note = ""
    if mode == "exact":
        try:
            return KernelResident(), ""
        except OSError as error:
            reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
            note = f"the resident peak is a lower bound, read at both ends of a phase ({reason})"
    from .sampled import SampledResident

    return SampledResident(), note
