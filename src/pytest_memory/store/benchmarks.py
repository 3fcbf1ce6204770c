"""Benchmarks as they were saved: pytest-benchmark's JSON, and our own saved runs of ordinary tests seen as such.

A file is parsed once; what a benchmark's members hold is looked at when it is asked for, so that a broken memory blob
stops nobody from comparing times. Every error names the file and the place in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, repeat
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from pytest_memory.errors import UnreadableFile
from pytest_memory.garbage import without_collections
from pytest_memory.model.benchmark import BLOB, SERIES_KEYS, BenchmarkMetric
from pytest_memory.store.dims import Dim, dims_of
from pytest_memory.store.numerals import LARGEST, all_numbers_of, floats_of, number_of, numbers_of, parse_lazily

_MEMBERS = itemgetter("fullname", "stats", "params", "extra_info", "group")
_TYPES: tuple[set[type], ...] = ({str}, {dict}, {dict, type(None)}, {dict, type(None)}, {str, type(None)})
_ADVICE = "make one with --benchmark-json or --benchmark-save, or with --memory-report=FILE.json"


class Benchmark(NamedTuple):
    """One benchmark of one file; a named tuple because there may be a million.

    Attributes:
        id: pytest's node id.
        source: The file it was read from.
        position: Its place among the benchmarks of that file, from 0.
        stats: What pytest-benchmark computed over the rounds, seconds by name, and the rounds themselves as ``data``
            if they were saved. As :mod:`pytest_memory.store.numerals` parses: nothing in it has been checked.
        params: The test's parameters, parsed in the same way.
        extra: ``extra_info``, parsed in the same way.
        group: pytest-benchmark's group.
    """

    id: str
    source: str
    position: int
    stats: Mapping[str, Any]
    params: Mapping[str, Any]
    extra: Mapping[str, Any]
    group: str | None = None

    @property
    def dims(self) -> dict[str, Dim]:
        """What the benchmark can be selected, grouped and plotted by."""
        return dims_of(self.id, self.group, numbers_of(self.params), numbers_of(self.extra))

    @property
    def rounds(self) -> Sequence[float]:
        """The time of every round in seconds; empty if the file holds only what was computed over them.

        Raises:
            UnreadableFile: ``data`` is no list of finite numbers.
        """
        data = self.stats.get("data")
        if data is None:
            return ()
        if not isinstance(data, list):
            raise self._wrong("stats.data", "a list of seconds", data)
        values = floats_of(data)
        if values is not None:
            return values
        return [self._time(f"data[{index}]", value) for index, value in enumerate(data)]

    def times(self, stats: Sequence[str]) -> dict[str, float]:
        """Several of the computed times in seconds; those that the file lacks are left out.

        Raises:
            UnreadableFile: One is no finite number.
        """
        found = list(map(self.stats.get, stats))
        values = floats_of(found)
        if values is not None:
            return dict(zip(stats, values, strict=True))
        return {stat: self._time(stat, value) for stat, value in zip(stats, found, strict=True) if value is not None}

    def time(self, stat: str) -> float | None:
        """One of the computed times in seconds, or ``None`` if the file lacks it.

        Raises:
            UnreadableFile: It is no finite number.
        """
        return self.times((stat,)).get(stat)

    def _time(self, stat: str, value: object) -> float:
        number = number_of(value)
        if type(number) not in (float, int) or not -math.inf < number < math.inf:  # type: ignore[operator]
            raise self._wrong(f"stats.{stat}", "a finite number", value)
        if abs(number) > LARGEST:  # type: ignore[arg-type]
            raise self._wrong(f"stats.{stat}", "a number of seconds below 2**63", value)
        return float(number)  # type: ignore[arg-type]

    def passes(self, metric: BenchmarkMetric) -> Sequence[int]:
        """One memory metric over the passes, in bytes or calls; empty if it was not measured.

        Raises:
            UnreadableFile: The blob holds something else than equally long lists of whole numbers.
        """
        blob = self.extra.get(BLOB)
        if not isinstance(blob, dict):
            return ()
        column = self._column(blob, SERIES_KEYS[metric])
        if column and metric != "peak":
            peaks = self._column(blob, SERIES_KEYS["peak"])
            if peaks and len(column) != len(peaks):
                expected = f"{len(peaks)} values, as many as peak_bytes has"
                raise self._wrong(f"extra_info.{BLOB}.{SERIES_KEYS[metric]}", expected, column)
        return column

    def headline(self, metric: BenchmarkMetric) -> int | None:
        """The value of the pass with the smallest peak (the smallest value itself for ``rss``), or ``None``.

        Raises:
            UnreadableFile: See :meth:`passes`.
        """
        column = self.passes(metric)
        if not column or metric in ("peak", "rss"):
            return min(column, default=None)
        peaks = self.passes("peak") or column
        return column[peaks.index(min(peaks))]

    def _column(self, blob: Mapping[str, Any], key: str) -> Sequence[int]:
        column = blob.get(key)
        if column is None:
            return ()
        if not isinstance(column, list):
            raise self._wrong(f"extra_info.{BLOB}.{key}", "a list of whole numbers", column)
        if set(map(type, column)) == {int} and in_range(column):
            return column
        for position, value in enumerate(column):
            if type(value) is not int or not 0 <= value <= LARGEST:
                raise self._wrong(f"extra_info.{BLOB}.{key}[{position}]", "a whole number from 0 to 2**63-1", value)
        return column

    def _wrong(self, member: str, expected: str, found: object) -> UnreadableFile:
        return _wrong_place(self.source, f"benchmarks[{self.position}].{member}", expected, found)


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """All benchmarks of one file.

    Attributes:
        source: The path as it was given.
        benchmarks: In the file's order.
    """

    source: str
    benchmarks: tuple[Benchmark, ...]


def read_benchmarks(path: str | Path, parse: Callable[[bytes], object] = parse_lazily) -> BenchmarkRun:
    """Read a file of pytest-benchmark, or a saved run of ordinary tests (``--memory-report=x.json``).

    Args:
        path: The file.
        parse: Parses it, as :mod:`pytest_memory.store.numerals` says.

    Raises:
        UnreadableFile: The file cannot be read, is not JSON, or has not the shape of either.
    """
    source = str(path)
    with without_collections():
        entries = _entries(_parse(Path(path), parse), source)
        return BenchmarkRun(source, tuple(_benchmarks(entries, source)))


def in_range(values: Sequence[int]) -> bool:
    """Whether these, one or more, can be the bytes or calls of passes."""
    return min(values) >= 0 and max(values) <= LARGEST


def _parse(path: Path, parse: Callable[[bytes], object]) -> object:
    try:
        parsed = parse(path.read_bytes())
        return all_numbers_of(parsed) if _is_saved_run(parsed) else parsed
    except OSError as error:
        raise UnreadableFile(f"{path} is not a readable JSON file: {error.strerror or error}") from error
    except RecursionError as error:
        raise UnreadableFile(f"{path} is not a readable JSON file: it is nested too deeply") from error
    except ValueError as error:  # bad JSON, bad encodings, and integers of thousands of digits
        raise UnreadableFile(f"{path} is not a readable JSON file: {error}") from error


def _is_saved_run(parsed: object) -> bool:
    if not isinstance(parsed, dict) or "format" not in parsed:
        return False
    from pytest_memory.store.runs import FORMAT  # its imports take as long as thousands of benchmarks

    return bool(parsed["format"] == FORMAT)


def _entries(parsed: object, source: str) -> Sequence[object]:
    if not isinstance(parsed, dict):
        raise UnreadableFile(f"{source} is not a pytest-benchmark file: it holds {_shown(parsed)}", _ADVICE)
    if _is_saved_run(parsed):
        from pytest_memory.store.run_entries import entries_of_run
        from pytest_memory.store.runs import load_run

        return entries_of_run(load_run(parsed, source))
    if "benchmarks" not in parsed:
        raise UnreadableFile(f"{source} is not a pytest-benchmark file: it has no 'benchmarks'", _ADVICE)
    benchmarks = parsed["benchmarks"]
    if not isinstance(benchmarks, list):
        raise _wrong_place(source, "benchmarks", "a list", benchmarks)
    return benchmarks


def _benchmarks(entries: Sequence[Any], source: str) -> list[Benchmark]:
    """What :func:`_benchmark` makes of each; entries that hold nothing odd are looked at as a whole."""
    try:
        members = list(map(_MEMBERS, entries))
    except (KeyError, TypeError):
        members = []
    types = [set(map(type, column)) for column in zip(*members, strict=True)]
    if not types or not all(found <= known for found, known in zip(types, _TYPES, strict=True)):
        return [_benchmark(entry, source, index) for index, entry in enumerate(entries)]
    names, stats, params, extras, groups = zip(*members, strict=True)
    rows = zip(names, repeat(source), count(), stats, _objects(params), _objects(extras), groups, strict=False)
    return list(
        map(partial(tuple.__new__, Benchmark), rows)
    )  # what Benchmark() does, without a call of Python for each


def _objects(column: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    return [one or {} for one in column] if None in column else column


def _benchmark(entry: object, source: str, index: int) -> Benchmark:
    if not isinstance(entry, dict):
        raise _wrong_place(source, f"benchmarks[{index}]", "an object", entry)
    name, stats, group = entry.get("fullname"), entry.get("stats"), entry.get("group")
    params, extra = entry.get("params"), entry.get("extra_info")
    if not isinstance(name, str):
        raise _wrong_place(source, f"benchmarks[{index}].fullname", "text", name)
    if not isinstance(stats, dict):
        raise _wrong_place(source, f"benchmarks[{index}].stats", "an object", stats)
    if params is not None and not isinstance(params, dict):
        raise _wrong_place(source, f"benchmarks[{index}].params", "an object or null", params)
    if extra is not None and not isinstance(extra, dict):
        raise _wrong_place(source, f"benchmarks[{index}].extra_info", "an object", extra)
    return Benchmark(name, source, index, stats, params or {}, extra or {}, group if isinstance(group, str) else None)


def _wrong_place(source: str, place: str, expected: str, found: object) -> UnreadableFile:
    return UnreadableFile(f"{source}: {place}: expected {expected}, found {_shown(found)}")


def _shown(value: object) -> str:
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = repr(number_of(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
