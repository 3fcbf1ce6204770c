"""Small benchmark files, written by hand."""

from __future__ import annotations

import json

import pytest

from pytest_memory.cli.app import run


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


@pytest.fixture
def compare(capsys):
    """Run ``compare`` and give its exit code and what it wrote."""

    def compare(*arguments):
        code = run(["compare", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return compare


def table(out):
    """The rows of a table: first cell, and the others by their column."""
    title, header, _, *lines = out.splitlines()
    rows = {}
    for line in lines:
        if line.startswith("─") or "  " not in line:
            continue
        name, *cells = line.replace(" ~", "~").split()
        rows[name] = cells
    return title, header.split(), rows


@pytest.fixture
def pair(save):
    """Two runs: one benchmark grew, one shrank, one stayed, one went, one came."""
    old = save(
        "old.json",
        benchmark("t.py::grew", peak=[1000]),
        benchmark("t.py::shrank", peak=[2000]),
        benchmark("t.py::same", peak=[700]),
        benchmark("t.py::gone", peak=[5]),
    )
    new = save(
        "new.json",
        benchmark("t.py::grew", peak=[1200]),
        benchmark("t.py::shrank", peak=[1000]),
        benchmark("t.py::same", peak=[700]),
        benchmark("t.py::came", peak=[6]),
    )
    return old, new
