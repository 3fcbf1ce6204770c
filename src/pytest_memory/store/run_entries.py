"""A saved run of ordinary tests, seen as the entries of a pytest-benchmark file: one round and one pass a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_memory.model.benchmark import BLOB
from pytest_memory.store.numerals import numeral_of

if TYPE_CHECKING:
    from pytest_memory.model import Run, TestRecord


def entries_of_run(run: Run) -> list[dict[str, Any]]:
    """One entry per test and worker, from its last attempt that measured a call.

    The time is that of the call; ``rss`` is the resident high-water mark of the whole process during the call.
    """
    last: dict[tuple[str, str | None], TestRecord] = {}
    for record in run.records:
        if "call" in record.phases:
            last[record.nodeid, record.worker] = record
    return [_entry(record) for record in last.values()]


def _entry(record: TestRecord) -> dict[str, Any]:
    call = record.phases["call"]
    seconds = numeral_of(call.seconds)
    blob: dict[str, list[int]] = {}
    if call.heap is not None:
        measured = {
            "peak_bytes": call.heap.peak,
            "allocations": call.heap.allocations,
            "total_bytes": call.heap.allocated,
        }
        blob |= {key: [value] for key, value in measured.items() if value is not None}
    if call.resident is not None and call.resident.peak is not None:
        blob["rss_bytes"] = [call.resident.peak]
    return {
        "fullname": record.nodeid,
        "stats": {"data": [seconds], "rounds": 1} | dict.fromkeys(("min", "max", "mean", "median"), seconds),
        "extra_info": {BLOB: blob} if blob else {},
    }
