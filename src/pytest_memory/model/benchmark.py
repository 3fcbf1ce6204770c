"""What the memory passes of one benchmark measured, and the shape in which pytest-benchmark's JSON stores it.

The stored *blob* (``extra_info["benchmem"]``) is a mapping of equally long lists of integers, one entry per pass::

    {"peak_bytes": [800000, 805000], "allocations": [12, 12], "total_bytes": [800000, 805000]}

``rss_bytes`` is there only if every pass ran in a process of its own. A metric that the engine could not give has no
key. Every scalar is derived on read and never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_memory.errors import InvalidValue

BLOB = "benchmem"
"""The key in ``extra_info`` under which pytest-benchmark's JSON holds the blob."""

BenchmarkMetric = Literal["peak", "allocated", "allocations", "rss"]

SERIES_KEYS: Mapping[BenchmarkMetric, str] = {
    "peak": "peak_bytes",
    "allocated": "total_bytes",
    "allocations": "allocations",
    "rss": "rss_bytes",
}
"""Where each metric's series is found in the blob."""

BYTE_METRICS: frozenset[BenchmarkMetric] = frozenset(("peak", "allocated", "rss"))

_BLOB_ORDER = ("peak_bytes", "allocations", "total_bytes", "rss_bytes")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One memory pass; ``None`` where the engine cannot give a metric.

    Attributes:
        peak_bytes: High-water mark of the bytes allocated inside the pass and still live.
        allocations: Number of allocation calls.
        total_bytes: Sum of all bytes allocated.
        rss_bytes: Resident high-water mark of the whole process; only if the pass had a process of its own.
    """

    peak_bytes: int
    allocations: int | None = None
    total_bytes: int | None = None
    rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryResult:
    """All passes of one benchmark.

    The *headline* pass is the one with the smallest peak, the first of them on ties: ``peak_bytes``,
    ``allocations`` and ``total_bytes`` are the numbers of that one pass, so they belong together.

    Attributes:
        samples: The passes in the order in which they ran; at least one.

    Raises:
        InvalidValue: There is no pass at all.
    """

    samples: tuple[Measurement, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise InvalidValue("a MemoryResult without any pass", "measure at least once")

    @property
    def headline(self) -> Measurement:
        """The pass with the smallest peak."""
        return min(self.samples, key=lambda sample: sample.peak_bytes)

    @property
    def peak_bytes(self) -> int:
        """Peak of the headline pass, in bytes."""
        return self.headline.peak_bytes

    @property
    def peak_bytes_max(self) -> int:
        """Largest peak of any pass, in bytes."""
        return max(sample.peak_bytes for sample in self.samples)

    @property
    def allocations(self) -> int | None:
        """Allocation calls of the headline pass."""
        return self.headline.allocations

    @property
    def total_bytes(self) -> int | None:
        """Bytes allocated over the headline pass."""
        return self.headline.total_bytes

    @property
    def rss_bytes(self) -> int | None:
        """Smallest resident high-water mark of the passes, or ``None`` if none had a process of its own."""
        values = self.series("rss")
        return min(values) if values else None

    @property
    def repeats(self) -> int:
        """Number of passes."""
        return len(self.samples)

    def series(self, field: str) -> tuple[int, ...]:
        """One metric over the passes; empty if it was not measured.

        Args:
            field: ``peak``, ``allocated``, ``allocations`` or ``rss``, or the key of the blob.

        Raises:
            InvalidValue: There is no such metric.
        """
        key = {str(metric): key for metric, key in SERIES_KEYS.items()}.get(field, field)
        if key not in _BLOB_ORDER:
            raise InvalidValue(f"unknown memory metric {field!r}", f"choose from {', '.join(SERIES_KEYS)}")
        values = [getattr(sample, key) for sample in self.samples]
        return () if any(value is None for value in values) else tuple(values)

    def value(self, metric: str) -> int | None:
        """The headline value of one metric, or ``None`` if it was not measured."""
        if metric in ("rss", "rss_bytes"):
            return self.rss_bytes
        position = self.samples.index(self.headline)
        series = self.series(metric)
        return series[position] if series else None

    def as_dict(self) -> dict[str, list[int]]:
        """The blob."""
        return {key: list(series) for key in _BLOB_ORDER if (series := self.series(key))}

    @classmethod
    def from_blob(cls, blob: object) -> MemoryResult:
        """Read the blob back.

        Raises:
            InvalidValue: It is not a mapping of equally long, non-empty lists of integers with ``peak_bytes``, or one
                is negative.
        """
        if not isinstance(blob, Mapping):
            raise InvalidValue(f"not a memory blob: {blob!r}")
        columns = {key: blob[key] for key in _BLOB_ORDER if key in blob}
        if "peak_bytes" not in columns:
            raise InvalidValue(f"a memory blob without peak_bytes: {blob!r}")
        for key, column in columns.items():
            if not isinstance(column, (list, tuple)) or not all(_is_count(value) for value in column):
                raise InvalidValue(f"a memory blob whose {key} is not a list of integers from 0 up: {column!r}")
        if len({len(column) for column in columns.values()}) > 1 or not columns["peak_bytes"]:
            raise InvalidValue(f"a memory blob whose lists are empty or of different lengths: {blob!r}")
        rows = zip(*columns.values(), strict=True)
        return cls(tuple(Measurement(**dict(zip(columns, row, strict=True))) for row in rows))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def short_id(benchmark_id: str) -> str:
    """The part of a benchmark's id after the last ``::`` that separates its parts.

    A ``::`` inside the parameters (``test_path[a::b]``) separates nothing.
    """
    head, bracket, parameters = benchmark_id.partition("[")
    return head.rpartition("::")[2] + bracket + parameters
