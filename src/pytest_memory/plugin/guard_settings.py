"""What the flags of the memory guard say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_memory.declaration import is_controller
from pytest_memory.errors import InvalidValue
from pytest_memory.units import human_bytes, parse_limit_size

if TYPE_CHECKING:
    import pytest

    from pytest_memory.plugin.options import Given

_DEFAULT_KILL = 125.0
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)


class GuardSettings(NamedTuple):
    """The memory guard.

    Attributes:
        size: Bytes for each test process; ``None`` if a percentage was written.
        percent: Percent of the cgroup's or the machine's memory, for all test processes together.
        kill: Percent of the threshold at which the process is ended.
        written: What was written, with the flag or key it was written for.
    """

    size: int | None
    percent: float | None
    kill: float
    written: str

    def threshold(self, processes: int) -> int | None:
        """Bytes at which a test is stopped; ``None`` if how much memory there is cannot be read here.

        Args:
            processes: How many test processes share a percentage.
        """
        if self.size is not None or self.percent is None:
            return self.size
        from pytest_memory.instruments.cgroup import memory_bounds

        limit = memory_bounds().limit
        return None if limit is None else int(limit * self.percent / 100 / max(1, processes))

    def refuse_below(self, held: int, processes: int) -> None:
        """Stop where the guard would end a process that has not begun to test.

        Args:
            held: Resident bytes of such a process.
            processes: How many test processes share a percentage.

        Raises:
            InvalidValue: The threshold is not above that.
        """
        threshold = self.threshold(processes)
        if threshold is None or threshold > held:
            return
        share = "" if self.size is not None else f" ({human_bytes(threshold)} for each test process)"
        raise InvalidValue(
            f"{self.written}{share} is below what pytest holds already ({human_bytes(held)})", "give it more"
        )


def count_test_processes(config: pytest.Config) -> int:
    """How many processes run tests: the workers of pytest-xdist, or this one."""
    return max(1, len(getattr(config.option, "tx", None) or ())) if is_controller(config) else 1


def read_guard(given: Given | None, kill: Given | None) -> GuardSettings | None:
    """Read and check them.

    Args:
        given: What was written for ``--memory-guard``.
        kill: What was written for ``--memory-guard-kill``; checked without a guard too.

    Returns:
        The guard, or ``None`` if there is to be none.

    Raises:
        InvalidValue: Something that cannot be used, with the flag or key it was written for.
    """
    limit = _DEFAULT_KILL
    if kill is not None:
        limit = _percent(kill) or 0.0
        if limit <= 100:
            raise InvalidValue(f"{kill.origin}: {kill.value!r} is not a percentage above 100", "write for example 125%")
    if given is None:
        return None
    text = str(given.value)
    written = f"{given.origin}: {text!r}"
    if "%" not in text:
        size = parse_limit_size(text, subject=given.origin)
        if size == 0:
            raise InvalidValue(f"{written} leaves no memory at all", "write for example 2GB or 80%")
        return GuardSettings(size, None, limit, written)
    percent = _percent(given)
    if percent is None or not 0 < percent <= 100:
        raise InvalidValue(f"{written} is not a percentage from 1% to 100%", "write for example 80%")
    return GuardSettings(None, percent, limit, written)


def _percent(given: Given) -> float | None:
    match = _PERCENT.fullmatch(str(given.value).strip())
    return float(match[1]) if match else None
