"""The sections of a failed test that list its allocations, in the shape that pytest-memray's users know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_memory.model import AllocationSite, Verdict
from pytest_memory.units import format_size

ALLOCATIONS_TITLE = "memray-max-memory"
LEAKS_TITLE = "memray-leaked-memory"
_SHORT_LIST = 10
_LEAK_FRAMES = 5
"""At least; the innermost frames of a leak are often native and say little."""
_MARGIN = " " * 4

Section = tuple[str, str]
"""Title and text."""


def failure_sections(verdicts: Sequence[Verdict], *, verbosity: int, stacks: int) -> tuple[Section, ...]:
    """The sections for the limits that a test broke.

    Args:
        verdicts: All of one phase.
        verbosity: Below 0 no allocations, up to 1 the ten largest, from 2 all. Leaks are always all shown: they are
            the ones over the limit.
        stacks: Frames of each call stack.
    """
    return tuple(_sections([verdict for verdict in verdicts if verdict.sites], verbosity, stacks))


def _sections(broken: Sequence[Verdict], verbosity: int, stacks: int) -> Iterator[Section]:
    at_peak = next((verdict.sites for verdict in broken if verdict.limit.metric != "leak"), ())
    leaked = next((verdict.sites for verdict in broken if verdict.limit.metric == "leak"), ())
    if at_peak and verbosity >= 0:
        shown = at_peak if verbosity >= 2 else at_peak[:_SHORT_LIST]
        lines = ["List of allocations:", *_listing(shown, stacks)]
        if len(shown) < len(at_peak):
            lines.append(f"{_MARGIN}... and {len(at_peak) - len(shown)} more; -vv shows all")
        yield ALLOCATIONS_TITLE, "\n".join(lines)
    if leaked:
        lines = ["List of leaked allocations:", *_listing(leaked, max(stacks, _LEAK_FRAMES))]
        yield LEAKS_TITLE, "\n".join(lines)


def _listing(sites: Sequence[AllocationSite], stacks: int) -> Iterator[str]:
    for site in sites:
        yield f"{_MARGIN}- {format_size(site.bytes)} allocated here:"
        for frame in site.frames[:stacks]:
            yield f"{_MARGIN * 2}{frame.function}:{frame.filename}:{frame.lineno}"
        if not site.frames:
            yield f"{_MARGIN * 2}<no Python frame>"
        elif len(site.frames) > stacks:
            yield f"{_MARGIN * 2}..."
