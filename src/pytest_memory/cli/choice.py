"""Picking one of several tests by what was typed of its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_memory.cli.errors import WrongUsage

_LISTED = 20


def pick(wanted: str, names: Sequence[str], kind: str, *, same: Callable[[str], str] = str) -> str:
    """Find the name that is meant: the very name, or the only one that contains what was typed.

    Args:
        wanted: What was typed.
        names: What there is.
        kind: What a name is of, for messages.
        same: How what was typed is written in a name.

    Raises:
        WrongUsage: No name matches, or several do; the message lists them.
    """
    written = same(wanted)
    if written in names:
        return written
    found = [name for name in names if written in name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise WrongUsage(f"no {kind} matches {wanted!r}", f"there are: {listed(names)}")
    raise WrongUsage(f"{wanted!r} matches {len(found)} {kind}s; be more specific: {listed(found)}")


def listed(names: Sequence[str]) -> str:
    """Names in one line, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(sorted(names)[:_LISTED]) + (f" and {more} more" if more > 0 else "")
