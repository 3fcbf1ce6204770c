"""Absolute bounds on a benchmark's memory: the ``max_…`` arguments of the ``benchmem`` marker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_memory.model.benchmark import BenchmarkMetric, MemoryResult
from pytest_memory.units import human_bytes, parse_benchmark_count, parse_benchmark_size

CEILINGS: Mapping[str, BenchmarkMetric] = {
    "max_peak": "peak",
    "max_allocated": "allocated",
    "max_allocations": "allocations",
}
"""Arguments of the marker, in the order in which they are judged."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A bound on the headline value of one metric; a value equal to the bound passes.

    Attributes:
        name: The marker's argument.
        bound: Bytes, or a number of calls for ``max_allocations``.
    """

    name: str
    bound: float

    @property
    def metric(self) -> BenchmarkMetric:
        """What is bounded."""
        return CEILINGS[self.name]


def parse_ceiling(name: str, value: object) -> Ceiling:
    """Read one argument of the marker.

    Args:
        name: One of :data:`CEILINGS`.
        value: A number of bytes or calls; for sizes also text with ``B``, ``KiB``, ``MiB`` or ``GiB``.

    Raises:
        InvalidSize: Anything else.
    """
    read: Callable[..., float] = parse_benchmark_count if CEILINGS[name] == "allocations" else parse_benchmark_size
    return Ceiling(name, read(value, subject=name))


def first_breach(result: MemoryResult, ceilings: Iterable[Ceiling]) -> str | None:
    """Say which ceiling is broken first: ``peak 117 MiB exceeds max_peak 100 MiB``, or ``None``."""
    for ceiling in ceilings:
        value = result.value(ceiling.metric)
        if value is not None and value > ceiling.bound:
            measured, bound = _text(ceiling.metric, value), _text(ceiling.metric, ceiling.bound)
            return f"{ceiling.metric} {measured} exceeds {ceiling.name} {bound}"
    return None


def unjudged(result: MemoryResult | None, ceilings: Iterable[Ceiling]) -> list[str]:
    """The ceilings that this result says nothing about, by name."""
    return [ceiling.name for ceiling in ceilings if result is None or result.value(ceiling.metric) is None]


def _text(metric: BenchmarkMetric, value: float) -> str:
    if metric != "allocations":
        return human_bytes(value)
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
