"""Everything that flags and ini keys say, read once into one frozen value; below this nobody sees ``Config``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pytest

from pytest_memory.engines.choose import ENGINE_NAMES
from pytest_memory.entry import FOREIGN_KEYS, OPTIONS, Option
from pytest_memory.errors import InvalidValue
from pytest_memory.instruments.resident import ResidentMode
from pytest_memory.model import DETAILS, GRANULARITIES, Detail, Granularity
from pytest_memory.plugin.memray_settings import (
    MemraySettings,
    choose_engine_name,
    choose_granularity,
    read_memray_settings,
)
from pytest_memory.plugin.recorder_settings import FlightSettings, read_flight_settings
from pytest_memory.policy.limits import DefaultLimit
from pytest_memory.units import parse_limit_size

_BY_FLAG = {option.flag: option for option in OPTIONS}

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody wrote, and where.

    Attributes:
        value: Text, a bool, or a list of texts.
        origin: The flag or ini key, for messages.
        from_ini: It stands in the ini file.
    """

    value: object
    origin: str
    from_ini: bool


class OptionReader:
    """Reads options in their order of precedence: flag, ini, nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def given(self, flag: str) -> Given | None:
        """What was written for an option, or None."""
        option: Option = _BY_FLAG[flag]
        value = getattr(self._config.option, option.dest, None)
        if value is not None:
            return Given(value, flag, from_ini=False)
        foreign = self._config.stash.get(FOREIGN_KEYS, frozenset())
        for name in option.ini:
            value = None if name in foreign else self._config.getini(name)
            if value is not None:
                return Given(value, f"ini key {name}", from_ini=True)
        return None

    def flag(self, flag: str) -> bool | None:
        """A switch: True, False, or None if nobody said."""
        given = self.given(flag)
        return None if given is None else bool(given.value)

    def text(self, flag: str) -> str | None:
        """A text, or None."""
        given = self.given(flag)
        return None if given is None else str(given.value).strip()

    def choice(self, flag: str, choices: Sequence[T], default: T) -> T:
        """One of several words.

        Raises:
            InvalidValue: Another word.
        """
        given = self.given(flag)
        if given is None:
            return default
        if given.value not in choices:
            raise InvalidValue(f"{given.origin}: unknown value {given.value!r}", f"choose from {', '.join(choices)}")
        return cast("T", given.value)

    def count(self, flag: str, default: int) -> int:
        """A whole number, zero or more.

        Raises:
            InvalidValue: Something else.
        """
        given = self.given(flag)
        if given is None:
            return default
        text = str(given.value).strip()
        if not (text.isascii() and text.isdigit()):
            raise InvalidValue(f"{given.origin}: {given.value!r} is not a whole number", "write 0 or more")
        return int(text)

    def paths(self, flag: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
        """Files to be written, relative to where pytest was started.

        Raises:
            InvalidValue: A suffix nobody can write, a directory, or a folder that does not exist.
        """
        given = self.given(flag)
        if given is None:
            return ()
        written = cast("list[str]", given.value)
        return tuple(
            self._writable(Path(self._config.invocation_params.dir, path), given, suffixes) for path in written
        )

    def optional_size(self, flag: str) -> int | None:
        """The size behind a flag whose value may be left out.

        Raises:
            InvalidValue: The flag swallowed a path, or the size cannot be parsed.
        """
        given = self.given(flag)
        if given is None:
            return None
        refuse_swallowed_path(given, _BY_FLAG[flag].const or "")
        return parse_limit_size(given.value, subject=given.origin)

    @staticmethod
    def _writable(path: Path, given: Given, suffixes: Sequence[str]) -> Path:
        if path.suffix not in suffixes:
            raise InvalidValue(f"{given.origin}: cannot write {path.name!r}", f"end it in {' or '.join(suffixes)}")
        if path.is_dir():
            raise InvalidValue(f"{given.origin}: {str(path)!r} is a directory", "name a file in it")
        if not path.parent.is_dir():
            raise InvalidValue(f"{given.origin}: there is no directory {str(path.parent)!r}", "create it first")
        return path


def refuse_swallowed_path(given: Given, example: str) -> None:
    """Stop where ``--flag tests/`` was meant as a flag without value and a path.

    Raises:
        InvalidValue: The value of an optional-value flag is an existing path.
    """
    if isinstance(given.value, str) and not given.from_ini and Path(given.value).exists():
        raise InvalidValue(
            f"{given.origin} took the path {given.value!r} for its value",
            f"write {given.origin}={example} {given.value}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this session is to do.

    Attributes:
        measure: Measure every test, not only those with limits.
        summary: Print the report.
        engine: Name asked for, or ``auto``.
        engine_reason: What asked for it, for messages.
        granularity: What counts as an allocation.
        detail: Attribution for tests that are only measured.
        top: How many tests the report shows; 0 is all.
        limits: Suite-wide limits, weakest first.
        positional: What a positional limit binds: the heap peak, or resident memory.
        resident: How resident memory is read.
        reports: Files to write.
        unmeasured_fails: A limit that could not be judged fails its test.
        verbosity: pytest's.
        memray: pytest-memray's flags.
        flight: The recorder, the guard and the growth report.
    """

    measure: bool
    summary: bool
    engine: str
    engine_reason: str
    granularity: Granularity
    detail: Detail
    top: int
    limits: tuple[DefaultLimit, ...]
    positional: str
    resident: ResidentMode
    reports: tuple[Path, ...]
    unmeasured_fails: bool
    verbosity: int
    memray: MemraySettings
    flight: FlightSettings

    @property
    def showcase(self) -> int:
        """For how many tests the reports may show call stacks; 0 is all."""
        if not self.memray.report:
            return self.top
        return max(self.top, self.memray.most_allocations) if self.top and self.memray.most_allocations else 0


def read_settings(config: pytest.Config) -> Settings:
    """Read and check everything that flags and ini keys say.

    Raises:
        PytestMemoryError: Something that cannot be used, with the flag or key it was written for.
    """
    read = OptionReader(config)
    memory = read.flag("--memory")
    reports = read.paths("--memory-report", (".json",))
    metric = read.choice("--memory-limit-metric", ("auto", "heap", "rss"), "auto")
    memray = read_memray_settings(read, config)
    flight = read_flight_settings(read, config.invocation_params.dir)
    as_memlog = metric == "auto" and flight.memlog and not memory and not memray.active
    positional = "rss" if metric == "rss" or as_memlog else "peak"
    engine, engine_reason = choose_engine_name(read, read.choice("--memory-engine", ENGINE_NAMES, "auto"))
    granularity = read.choice("--memory-granularity", GRANULARITIES, "python")
    return Settings(
        measure=memory if memory is not None else bool(reports) or memray.active or flight.guard is not None,
        summary=bool(memory),
        engine=engine,
        engine_reason=engine_reason,
        granularity=choose_granularity(read, granularity if read.given("--memory-granularity") else None),
        detail=read.choice("--memory-detail", DETAILS, "stacks" if memray.active else "sampled"),
        top=read.count("--memory-top", 10),
        limits=_default_limits(read, positional),
        positional=positional,
        resident=read.choice("--memory-resident", ("exact", "sampled", "off"), "exact"),
        reports=reports,
        unmeasured_fails=read.choice("--memory-unmeasured", ("pass", "fail"), "pass") == "fail",
        verbosity=config.get_verbosity(),
        memray=memray,
        flight=flight,
    )


def _default_limits(read: OptionReader, metric: str) -> tuple[DefaultLimit, ...]:
    given = read.given("--memory-limit")
    if given is None:
        return ()
    lines = given.value if isinstance(given.value, list) else [str(given.value)]
    return tuple(DefaultLimit.parse(line, origin=given.origin, metric=metric) for line in lines)
