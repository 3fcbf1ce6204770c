"""What the flags of the memory guard say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_memory.errors import InvalidValue
from pytest_memory.units import parse_limit_size

if TYPE_CHECKING:
    from pytest_memory.plugin.options import Given

_DEFAULT_KILL = 125.0
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)


class GuardSettings(NamedTuple):
    """The memory guard.

    Attributes:
        size: Bytes for each test process; ``None`` if a percentage was written.
        percent: Percent of the cgroup's or the machine's memory, for all test processes together.
        kill: Percent of the threshold at which the process is ended.
    """

    size: int | None
    percent: float | None
    kill: float


def read_guard(given: Given, kill: Given | None) -> GuardSettings:
    """Read and check them.

    Args:
        given: What was written for ``--memory-guard``.
        kill: What was written for ``--memory-guard-kill``.

    Raises:
        InvalidValue: Something that cannot be used, with the flag or key it was written for.
    """
    limit = _DEFAULT_KILL if kill is None else _percent(kill)
    if limit is None or limit <= 100:
        written = kill.value if kill is not None else limit
        origin = kill.origin if kill is not None else given.origin
        raise InvalidValue(f"{origin}: {written!r} is not a percentage above 100", "write for example 125%")
    text = str(given.value)
    if "%" not in text:
        size = parse_limit_size(text, subject=given.origin)
        if size == 0:
            raise InvalidValue(f"{given.origin}: {text!r} leaves no memory at all", "write for example 2GB or 80%")
        return GuardSettings(size, None, limit)
    percent = _percent(given)
    if percent is None or not 0 < percent <= 100:
        raise InvalidValue(f"{given.origin}: {text!r} is not a percentage from 1% to 100%", "write for example 80%")
    return GuardSettings(None, percent, limit)


def _percent(given: Given) -> float | None:
    match = _PERCENT.fullmatch(str(given.value).strip())
    return float(match[1]) if match else None
