"""One benchmark with its memory, on its way from where it ran to where it is told and stored: plain JSON types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_memory.model import MemoryResult
from pytest_memory.model.benchmark import BLOB

_UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class BenchmarkEntry:
    """One benchmark.

    Attributes:
        fullname: pytest's node id.
        name: The last part of it.
        group: pytest-benchmark's group, or ``None``.
        param: The id of the parameters, or ``None``.
        params: The parameters by name, as far as JSON can hold them, or ``None``.
        extra_info: pytest-benchmark's dictionary with the memory blob in it.
        result: The passes; ``None`` if memory could not be measured.
        timed: pytest-benchmark took timings as well.
        profile: The memray capture that was kept of it, or ``None``.
    """

    fullname: str
    name: str
    group: str | None
    param: str | None
    params: Mapping[str, Any] | None
    extra_info: Mapping[str, Any]
    result: MemoryResult | None
    timed: bool
    profile: str | None = None


def encode_entry(benchmark: Any, *, profile: str | None) -> dict[str, Any]:
    """What travels of a benchmark.

    Args:
        benchmark: The fixture object of pytest-benchmark.
        profile: Path of its memray capture, or ``None``.
    """
    carried = {
        name: getattr(benchmark, name) for name in ("fullname", "name", "group", "param", "params", "extra_info")
    }
    carried |= {"timed": not benchmark.disabled, "profile": profile}
    encoded: dict[str, Any] = json.loads(json.dumps(carried, default=_unserializable, skipkeys=True))
    return encoded


def decode_entry(carried: Mapping[str, Any]) -> BenchmarkEntry:
    """Undo :func:`encode_entry`."""
    blob = carried["extra_info"].get(BLOB)
    return BenchmarkEntry(**carried, result=None if blob is None else MemoryResult.from_blob(blob))


def encode_unjudged(benchmark: Any, count: int) -> dict[str, Any]:
    """What travels of a benchmark whose memory nobody wanted, and which has ceilings; :func:`unjudged_in` reads it."""
    return {"fullname": benchmark.fullname, _UNJUDGED: count}


def unjudged_in(carried: Mapping[str, Any]) -> int:
    """How many ceilings nobody wanted to be judged; more than 0 only of what :func:`encode_unjudged` made."""
    count: int = carried.get(_UNJUDGED, 0)
    return count


def stored_entry(entry: BenchmarkEntry) -> dict[str, Any]:
    """A benchmark without timings in the shape of pytest-benchmark's JSON."""
    return {
        "group": entry.group,
        "name": entry.name,
        "fullname": entry.fullname,
        "params": entry.params,
        "param": entry.param,
        "extra_info": entry.extra_info,
        "options": {},
        "stats": {},
    }


def _unserializable(value: object) -> str:
    """As pytest-benchmark writes what JSON cannot hold, so that readers know it."""
    return f"UNSERIALIZABLE[{value!r}]"
