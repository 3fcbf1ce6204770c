"""What the flags of the recorder, the guard and the growth report say."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_memory.errors import InvalidValue
from pytest_memory.units import parse_limit_size

if TYPE_CHECKING:
    from pytest_memory.plugin.options import Given, OptionReader

_DEFAULT_PATH = "memlog.json"
_DEFAULT_INTERVAL = 0.1
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


class FlightSettings(NamedTuple):
    """The recorder, the guard and the growth report.

    Attributes:
        memlog: Record the session.
        path: The log in pytest-memlog's format.
        interval: Seconds between two samples.
        warmup: Seconds of samples before the first test.
        growth: Bytes from which a test's growth is reported; ``None`` without report.
        guard: The memory guard, or ``None``.
    """

    memlog: bool
    path: Path
    interval: float
    warmup: float
    growth: int | None
    guard: GuardSettings | None

    @property
    def records(self) -> bool:
        """Whether there is a recorder."""
        return self.memlog or self.guard is not None


def read_flight_settings(read: OptionReader, folder: Path) -> FlightSettings:
    """Read and check them.

    Args:
        read: Reads options.
        folder: Where pytest was started; paths are relative to it.

    Raises:
        InvalidValue: Something that cannot be used, with the flag or key it was written for.
    """
    return FlightSettings(
        memlog=bool(read.flag("--memlog")),
        path=_log_path(read.given("--memlog-path"), folder),
        interval=_seconds(read.given("--memlog-interval"), _DEFAULT_INTERVAL, above_zero=True),
        warmup=_seconds(read.given("--memlog-warmup"), 0.0, above_zero=False),
        growth=read.optional_size("--memory-growth"),
        guard=_guard(read.given("--memory-guard"), read.given("--memory-guard-kill")),
    )


def _log_path(given: Given | None, folder: Path) -> Path:
    if given is None:
        return folder / _DEFAULT_PATH
    text = str(given.value)
    if not text.strip():
        raise InvalidValue(f"{given.origin}: the path {text!r} is empty", f"write for example {_DEFAULT_PATH}")
    path = folder / text
    if path.is_dir():
        raise InvalidValue(f"{given.origin}: {text!r} is a directory", f"write {str(Path(text, _DEFAULT_PATH))!r}")
    if not path.parent.is_dir():
        raise InvalidValue(f"{given.origin}: there is no directory {str(path.parent)!r}", "create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidValue(f"{given.origin}: {text!r} cannot be written", "name a file where you may write")
    return path


def _seconds(given: Given | None, default: float, *, above_zero: bool) -> float:
    if given is None:
        return default
    try:
        seconds = float(str(given.value))
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0 or (above_zero and seconds == 0):
        bound = "above zero" if above_zero else "zero or more"
        problem = f"{given.origin}: {given.value!r} is not a number of seconds {bound}"
        raise InvalidValue(problem, "write for example 0.1")
    return seconds


def _guard(given: Given | None, kill: Given | None) -> GuardSettings | None:
    if given is None:
        return None
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
