"""Small benchmark files, written by hand."""

from __future__ import annotations

import json

import pytest


def benchmark(name, *, rounds=(0.1,), peak=None, group=None, params=None, extra=None, **blob):
    """An entry of pytest-benchmark's JSON as that plugin writes it."""
    ordered = sorted(rounds)
    stats = {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": sum(ordered) / len(ordered),
        "median": ordered[len(ordered) // 2],
        "stddev": 0.0,
        "iqr": 0.0,
        "rounds": len(ordered),
        "data": list(rounds),
    }
    memory = dict(blob)
    if peak is not None:
        memory = {"peak_bytes": peak, "allocations": [7] * len(peak), "total_bytes": peak} | memory
    extra_info = dict(extra or {}) | ({"benchmem": memory} if memory else {})
    return {
        "fullname": name,
        "name": name.rpartition("::")[2],
        "group": group,
        "params": params,
        "param": None,
        "extra_info": extra_info,
        "stats": stats,
    }


@pytest.fixture
def save(tmp_path):
    """Write a file of benchmarks and give its path as text."""

    def save(name, *benchmarks):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"benchmarks": list(benchmarks), "version": "5.1.0"}))
        return str(path)

    return save
