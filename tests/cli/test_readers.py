"""§4 of the benchmark contract: the readers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from pytest_memory.cli.app import run
from pytest_memory.model import EngineChoice, Environment, HeapUsage, PhaseUsage, ResidentUsage, Run, TestRecord
from pytest_memory.store.benchmark_json import (
    discover_runs,
    from_pytest_benchmark,
    load_long_df,
    load_samples,
    memory_from_pytest_benchmark,
    unique_labels,
)
from pytest_memory.store.runs import write_run

from .conftest import benchmark


def values(samples):
    return {sample.id: sample.value for sample in samples}


def test_times_are_read_in_seconds(save):
    """Label is the stem, unit is seconds, the default statistic is min."""
    path = save("base.json", benchmark("t.py::a", rounds=[0.2, 0.1]), benchmark("t.py::b", rounds=[3]))
    label, samples, unit = from_pytest_benchmark(path)
    assert (label, values(samples), unit) == ("base", {"t.py::a": 0.1, "t.py::b": 3}, "s")
    assert values(from_pytest_benchmark(path, metric="max")[1]) == {"t.py::a": 0.2, "t.py::b": 3}


def test_benchmarks_that_lack_the_statistic_are_skipped(save):
    """A file may hold some statistics for some benchmarks only."""
    partial = benchmark("t.py::a")
    del partial["stats"]["median"]
    path = save("base.json", partial, benchmark("t.py::b"))
    assert list(values(from_pytest_benchmark(path, metric="median")[1])) == ["t.py::b"]


def test_the_headline_is_the_pass_with_the_smallest_peak(save):
    """``allocated`` and ``allocations`` are that pass's own, not the smallest of their series."""
    path = save("a.json", benchmark("t.py::a", peak_bytes=[30, 20, 20], allocations=[1, 5, 4], total_bytes=[2, 9, 3]))
    assert values(load_samples(path, metric="peak")[1]) == {"t.py::a": 20}
    assert values(load_samples(path, metric="allocations")[1]) == {"t.py::a": 5}
    assert values(load_samples(path, metric="allocated")[1]) == {"t.py::a": 9}


@pytest.mark.parametrize(
    ("stat", "value"), [("min", 10), ("max", 40), ("mean", 20), ("median", 10), ("stddev", math.sqrt(300))]
)
def test_a_statistic_is_taken_over_the_passes(save, stat, value):
    """A given statistic is that of the metric's own series; the standard deviation is that of a sample."""
    path = save("a.json", benchmark("t.py::a", peak_bytes=[10, 10, 40]))
    assert load_samples(path, metric="peak", stat=stat)[1][0].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("metric", "unit"), [("time", "s"), ("peak", "B"), ("memory", "B"), ("allocated", "B"), ("allocations", "")]
)
def test_units(save, metric, unit):
    """Seconds, bytes, or nothing for a count; ``memory`` is ``peak``."""
    path = save("a.json", benchmark("t.py::a", peak=[5]))
    assert load_samples(path, metric=metric)[2] == unit


def test_memory_by_the_key_of_the_blob(save):
    """The older reader names fields as the blob does, and takes a function that makes one number of the passes."""
    path = save("a.json", benchmark("t.py::a", peak=[5, 9], rss_bytes=[8, 7]), benchmark("t.py::timed_only"))
    assert memory_from_pytest_benchmark(path)[1:] == ([("t.py::a", 5, {"node.module": "t.py", "node.func": "a"})], "B")
    assert values(memory_from_pytest_benchmark(path, reduce=max)[1]) == {"t.py::a": 9}
    assert values(memory_from_pytest_benchmark(path, field="rss_bytes")[1]) == {"t.py::a": 7}
    assert memory_from_pytest_benchmark(path, field="allocations")[2] == ""
    with pytest.raises(ValueError, match="memory metric must be one of"):
        memory_from_pytest_benchmark(path, field="time")


def test_benchmarks_without_a_blob_have_no_memory_but_a_time(save):
    """A missing blob, and one that is no object, are skipped by memory readers alone."""
    odd = benchmark("t.py::odd", extra={"benchmem": 5})
    path = save("a.json", benchmark("t.py::timed"), odd, benchmark("t.py::both", peak=[5]))
    assert list(values(load_samples(path, metric="peak")[1])) == ["t.py::both"]
    assert len(load_samples(path)[1]) == 3


def test_wrong_names_are_value_errors(save):
    """An unknown metric, and a statistic that passes have not."""
    path = save("a.json", benchmark("t.py::a", peak=[5]))
    with pytest.raises(ValueError, match=r"metric must be one of .* not 'tine'"):
        load_samples(path, metric="tine")
    with pytest.raises(ValueError, match="unknown stat 'p99'"):
        load_samples(path, metric="peak", stat="p99")
    with pytest.raises(ValueError, match="unknown stat 'p99'"):
        load_samples(path, stat="p99")


class TestDims:
    """§1.1: what a benchmark can be selected and grouped by."""

    def dims(self, save, name="t.py::test_a", **members):
        return load_samples(save("a.json", benchmark(name, **members)))[1][0].dims

    def test_structure(self, save):
        """Module, class and function come from the id, the group from pytest-benchmark."""
        assert self.dims(save, "d/t.py::TestX::test_a[1-b::c]", group="sort") == {
            "node.group": "sort",
            "node.module": "d/t.py",
            "node.class": "TestX",
            "node.func": "test_a",
        }

    def test_an_id_without_parts_has_no_structure(self, save):
        """What cannot be determined is absent."""
        assert self.dims(save, "just-a-name") == {}

    def test_only_scalars_survive_and_extras_win(self, save):
        """Lists, objects, null and what pytest-benchmark could not serialise are dropped."""
        params = {"n": 10, "flag": True, "data": [1], "none": None, "obj": "UNSERIALIZABLE[<x>]", "who": "param"}
        dims = self.dims(save, params=params, extra={"who": "extra", "ratio": 0.5}, peak=[5])
        assert {key: value for key, value in dims.items() if not key.startswith("node.")} == {
            "n": 10,
            "flag": True,
            "who": "extra",
            "ratio": 0.5,
        }

    def test_the_columns_of_the_frame_are_reserved(self, save):
        """A parameter named ``value`` must not replace the measured value."""
        path = save("a.json", benchmark("t.py::a", params={"value": 99, "id": "x"}, extra={"snapshot": "y"}))
        frame, _ = load_long_df(path)
        row = frame.iloc[0].to_dict()
        assert (row["snapshot"], row["id"], row["value"]) == ("a", "t.py::a", 0.1)
        assert (row["param.value"], row["param.id"], row["extra.snapshot"]) == (99, "x", "y")


class TestLongFrame:
    """Runs stacked into one frame."""

    def test_one_row_per_run_and_benchmark(self, save):
        """Rows are in run order, then file order; an absent dim is NaN."""
        old = save("old.json", benchmark("t.py::b"), benchmark("t.py::a", params={"n": 1}))
        new = save("new.json", benchmark("t.py::b", rounds=[0.3]))
        frame, unit = load_long_df([old, new])
        assert unit == "s"
        assert list(frame.columns[:3]) == ["snapshot", "id", "value"]
        assert list(zip(frame["snapshot"], frame["id"], frame["value"], strict=True)) == [
            ("old", "t.py::b", 0.1),
            ("old", "t.py::a", 0.1),
            ("new", "t.py::b", 0.3),
        ]
        assert list(frame["n"].isna()) == [True, False, True]

    def test_one_path_is_a_run(self, save):
        """A string, a Path, or a sequence of either."""
        path = save("a.json", benchmark("t.py::a"))
        assert len(load_long_df(path)[0]) == len(load_long_df(Path(path))[0]) == len(load_long_df([path])[0]) == 1

    def test_labels_replace_the_stems(self, save):
        """One label per run, or an error that counts both."""
        path = save("a.json", benchmark("t.py::a"))
        assert list(load_long_df([path], labels=["v1"])[0]["snapshot"]) == ["v1"]
        with pytest.raises(ValueError, match=r"labels has 2 entries but there are 1 snapshot\(s\)"):
            load_long_df([path], labels=["v1", "v2"])

    def test_runs_without_the_metric_make_an_empty_frame(self, save):
        """The three columns are there all the same."""
        frame, unit = load_long_df(save("a.json", benchmark("t.py::a")), metric="peak")
        assert (list(frame.columns), len(frame), unit) == (["snapshot", "id", "value"], 0, "B")


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a/old.json", "a/new.json"], ["old", "new"]),
        (["a/run.json", "b/run.json", "c/other.json"], ["a/run", "b/run", "other"]),
        (["x/a/run.json", "y/a/run.json"], ["x/a/run", "y/a/run"]),
        (["a/run.json", "./b/run.json"], ["a/run", "b/run"]),
    ],
)
def test_labels_are_unique(paths, labels):
    """The stem, with as many folders before it as tell the runs apart."""
    assert unique_labels(paths) == labels


def test_a_file_given_twice_has_two_labels():
    """The second is numbered."""
    first, second = unique_labels(["a.json", "a.json"])
    assert second == f"{first}#2"


def test_discover_runs(tmp_path):
    """Every JSON file below a folder, sorted; a folder that does not exist has none."""
    for name in ("b/0002.json", "a/0001.json", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [path.name for path in discover_runs(tmp_path)] == ["0001.json", "0002.json"]
    assert discover_runs(tmp_path / "nowhere") == []


ENVIRONMENT = Environment(
    engine=EngineChoice("native"),
    granularity="python",
    detail="counters",
    resident="exact",
    python="3.12.1",
    implementation="CPython",
    platform="Linux",
    commit=None,
    version="0.1.0",
    started="2026-01-01T00:00:00Z",
)


def attempt(nodeid, seconds, peak, outcome="passed"):
    usage = PhaseUsage(seconds, HeapUsage(peak, peak * 2, 3, 0), ResidentUsage(100, 150, 200))
    return TestRecord(nodeid, outcome, phases={"call": usage})


def test_a_saved_run_of_ordinary_tests_is_read_as_well(tmp_path):
    """One round and one pass a test: the call of its last attempt."""
    records = (
        attempt("t.py::a", 0.5, 70, "rerun"),
        attempt("t.py::a", 0.25, 50),
        TestRecord("t.py::skipped", "skipped", phases={"setup": PhaseUsage(0.1)}),
    )
    path = tmp_path / "run.json"
    write_run(path, Run(ENVIRONMENT, records))
    assert values(load_samples(path)[1]) == {"t.py::a": 0.25}
    assert [values(load_samples(path, metric=metric)[1])["t.py::a"] for metric in ("peak", "allocated", "rss")] == [
        50,
        100,
        200,
    ]
    assert load_samples(path)[1][0].dims == {"node.module": "t.py", "node.func": "a"}


WRONG_SHAPES = {
    "[1]": "not a pytest-benchmark file",
    "{}": "it has no 'benchmarks'",
    '{"benchmarks": 5}': "benchmarks: expected a list, found 5",
    '{"benchmarks": [5]}': r"benchmarks\[0\]: expected an object, found 5",
    '{"benchmarks": [{"stats": {}}]}': r"benchmarks\[0\]\.fullname: expected text, found None",
    '{"benchmarks": [{"fullname": 7, "stats": {}}]}': r"benchmarks\[0\]\.fullname: expected text, found 7",
    '{"benchmarks": [{"fullname": "a"}]}': r"benchmarks\[0\]\.stats: expected an object, found None",
    '{"benchmarks": [{"fullname": "a", "stats": {}, "params": [1]}]}': r"benchmarks\[0\]\.params: expected an object",
    '{"benchmarks": [{"fullname": "a", "stats": {}, "extra_info": 1}]}': r"benchmarks\[0\]\.extra_info: expected",
    '{"benchmarks": [{"fullname": "a", "stats": {"min": NaN}}]}': r"benchmarks\[0\]\.stats\.min: .* found nan",
    '{"benchmarks": [{"fullname": "a", "stats": {"min": Infinity}}]}': r"stats\.min: .* found inf",
    '{"benchmarks": [{"fullname": "a", "stats": {"min": "1"}}]}': r"stats\.min: expected a finite number, found '1'",
    '{"benchmarks": [{"fullname": "a", "stats": {"min": true}}]}': r"stats\.min: .* found True",
    '{"benchmarks": [{"fullname": "a", "stats": {"min": 1' + "0" * 400 + "}}]}": r"stats\.min: .* found 10000",
    '{"format": "pytest-memory-run", "version": 99}': "version",
    '{"format": "pytest-memory-run", "version": 1, "environment": 5}': "environment: expected an object",
}


@pytest.mark.parametrize(("text", "message"), WRONG_SHAPES.items())
def test_a_wrong_shape_names_the_file_and_the_place(text, message, tmp_path):
    """The error says where in which file something else was expected, and what was found."""
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_samples(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


RAGGED = {
    "a list of whole numbers, found 5": {"peak_bytes": 5},
    "found 1.5": {"peak_bytes": [1, 1.5]},
    "found True": {"peak_bytes": [True]},
    "found None": {"peak_bytes": [None]},
    "found nan": {"peak_bytes": [math.nan]},
    "found -1": {"peak_bytes": [-1]},
    "found '7'": {"peak_bytes": ["7"]},
}


@pytest.mark.parametrize(("message", "blob"), RAGGED.items())
def test_a_broken_blob_is_an_error_for_memory_and_not_for_time(save, message, blob):
    """Only who asks for the memory is told."""
    path = save("odd.json", benchmark("t.py::a", extra={"benchmem": blob}))
    assert len(load_samples(path)[1]) == 1
    with pytest.raises(ValueError, match=message) as caught:
        load_samples(path, metric="peak")
    assert "benchmarks[0].extra_info.benchmem.peak_bytes" in str(caught.value)


def test_a_ragged_blob_is_an_error(save):
    """Series of different lengths do not belong together: no pass of one is a pass of the other."""
    path = save("odd.json", benchmark("t.py::a", peak_bytes=[1, 2], allocations=[1]))
    with pytest.raises(
        ValueError, match="allocations: expected 2 values, as many as peak_bytes has, found a list of 1"
    ):
        load_samples(path, metric="allocations")


def test_an_empty_blob_was_not_measured(save):
    """No pass, no value."""
    path = save("a.json", benchmark("t.py::a", peak_bytes=[], allocations=[], total_bytes=[]))
    assert load_samples(path, metric="peak")[1] == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json_is_said_in_one_line(content, tmp_path):
    """Empty, cut off, in no encoding, nested without end, numbers without end."""
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable JSON file") as caught:
        load_samples(path)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_not_readable(tmp_path):
    """What the operating system refuses is passed on with the file's name."""
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(ValueError, match="not a readable JSON file") as caught:
            load_samples(path)
        assert str(path) in str(caught.value)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    """PowerShell writes one, in UTF-8 and UTF-16."""
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / "a.json"
        path.write_text(json.dumps({"benchmarks": []}), encoding=encoding)
        assert load_samples(path)[1] == []


@pytest.mark.parametrize("number", ["1e308", "-1e308", "1e200", "Infinity", "1" + "0" * 400, str(2**63 - 1), "5e-324"])
@pytest.mark.parametrize("place", ["times", "rounds", "size"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--statistics"],
        ["--format", "json"],
        ["--columns", "time,extra:size"],
        ["--columns", "time,extra:size", "--format", "json", "--sort", "change", "--group-by", ""],
        ["--columns", "time", "--diff", "--format", "json"],
    ],
)
def test_no_number_is_too_large_or_too_small(number, place, options, tmp_path, capsys):
    """Sums and squares of what is believed are numbers; what is not is refused, or left out."""
    places = {"times": "0.5", "rounds": "0.5", "size": "5"}
    for path, changed in ((tmp_path / "a.json", {place: number}), (tmp_path / "b.json", {})):
        values = places | changed
        benchmarks = [
            '{{"fullname": "t.py::{0}", "stats": {{"min": {times}, "max": {times}, "mean": {times}, "median": {times}, '
            '"stddev": {times}, "iqr": {times}, "rounds": 9, "data": [0.25, {rounds}]}}, '
            '"extra_info": {{"size": {size}}}}}'.format(index, **values)
            for index in range(2)
        ]
        path.write_text(f'{{"benchmarks": [{", ".join(benchmarks)}]}}')
    code = run(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), *options])
    out, err = capsys.readouterr()
    assert code in (0, 1)
    assert "Traceback" not in err
    if code:
        assert re.search(r"a\.json: benchmarks\[0\]\.stats\.\S+: expected a (finite )?number", err)
    if "json" in options and not code:
        json.loads(out, parse_constant=pytest.fail)
