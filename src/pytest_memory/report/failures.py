"""The section of a failed test that lists its allocations."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.model import AllocationSite
from pytest_memory.units import format_size

ALLOCATIONS_TITLE = "memray-max-memory"
_SHORT_LIST = 10


def allocations_section(sites: Sequence[AllocationSite], verbosity: int) -> tuple[str, str]:
    """Title and text: the largest call stacks at the peak, all of them with ``-vv``."""
    shown = sites if verbosity >= 2 else sites[:_SHORT_LIST]
    lines = ["List of allocations:"]
    for site in shown:
        frame = site.frames[0] if site.frames else None
        where = f"{frame.function}:{frame.filename}:{frame.lineno}" if frame is not None else "<unknown>"
        lines.append(f"\t- {format_size(site.bytes)} allocated here:\n\t\t{where}")
    return ALLOCATIONS_TITLE, "\n".join(lines)
