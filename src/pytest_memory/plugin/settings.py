"""Everything that flags and ini keys say, read once into one frozen value; below this nobody sees ``Config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_memory.engines.choose import ENGINE_NAMES
from pytest_memory.model import DETAILS, GRANULARITIES
from pytest_memory.plugin.memray_settings import choose_engine_name, choose_granularity, read_memray_settings
from pytest_memory.plugin.options import OptionReader
from pytest_memory.plugin.recorder_settings import read_flight_settings
from pytest_memory.values import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pytest_memory.instruments.resident import ResidentMode
    from pytest_memory.model import Detail, Granularity
    from pytest_memory.plugin.memray_settings import MemraySettings
    from pytest_memory.plugin.recorder_settings import FlightSettings
    from pytest_memory.policy.limits import DefaultLimit


class Settings(NamedTuple):
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
        """For how many tests whole call stacks are kept; 0 is all."""
        if self.detail == "stacks" and self.reports:  # the file is to hold what was asked for
            return 0
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
    from pytest_memory.policy.limits import DefaultLimit

    lines = given.value if isinstance(given.value, list) else [str(given.value)]
    return tuple(DefaultLimit.parse(line, origin=given.origin, metric=metric) for line in lines)
