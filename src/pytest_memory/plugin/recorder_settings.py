"""What the flags of the recorder, the guard and the growth report say."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_memory.plugin.options import invalid_value

if TYPE_CHECKING:
    from pytest_memory.plugin.guard_settings import GuardSettings
    from pytest_memory.plugin.options import Given, OptionReader

_DEFAULT_PATH = "memlog.json"
_DEFAULT_INTERVAL = 0.1


class FlightSettings:
    """The recorder, the guard and the growth report. No named tuple, which takes ten times as long to make a class of.

    Attributes:
        memlog: Record the session.
        path: The log in pytest-memlog's format.
        interval: Seconds between two samples.
        warmup: Seconds of samples before the first test.
        growth: Bytes from which a test's growth is reported; ``None`` without report.
        guard: The memory guard, or ``None``.
    """

    __slots__ = ("growth", "guard", "interval", "memlog", "path", "warmup")

    def __init__(
        self,
        *,
        memlog: bool,
        path: Path,
        interval: float,
        warmup: float,
        growth: int | None,
        guard: GuardSettings | None,
    ) -> None:
        self.memlog = memlog
        self.path = path
        self.interval = interval
        self.warmup = warmup
        self.growth = growth
        self.guard = guard

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
    memlog = bool(read.flag("--memlog"))
    return FlightSettings(
        memlog=memlog,
        path=_log_path(read.given("--memlog-path"), folder, wanted=memlog),
        interval=_seconds(read.given("--memlog-interval"), _DEFAULT_INTERVAL, above_zero=True),
        warmup=_seconds(read.given("--memlog-warmup"), 0.0, above_zero=False),
        growth=read.optional_size("--memory-growth"),
        guard=_guard(read.given("--memory-guard"), read.given("--memory-guard-kill")),
    )


def _log_path(given: Given | None, folder: Path, *, wanted: bool) -> Path:
    if given is None:
        return folder / _DEFAULT_PATH
    text = str(given.value)
    if given.from_ini and not wanted:  # a folder that is not there harms no session that writes nothing
        return folder / text
    path = folder / text
    if path.is_dir():
        raise invalid_value(f"{given.origin}: {text!r} is a directory", f"write {str(Path(text, _DEFAULT_PATH))!r}")
    if not path.parent.is_dir():
        raise invalid_value(f"{given.origin}: there is no directory {str(path.parent)!r}", "create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise invalid_value(f"{given.origin}: {text!r} cannot be written", "name a file where you may write")
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
        raise invalid_value(problem, "write for example 0.1")
    return seconds


def _guard(given: Given | None, kill: Given | None) -> GuardSettings | None:
    if given is None and kill is None:
        return None
    from pytest_memory.plugin.guard_settings import read_guard

    return read_guard(given, kill)
