"""§6.2 of the benchmark contract: the wide table behind ``--columns``, ``--group-by``, ``--pivot`` and ``--diff``."""

from __future__ import annotations

import csv
import json

import pytest

from .conftest import benchmark


@pytest.fixture
def runs(save):
    """Two runs of two benchmarks."""
    return [
        save(
            f"{name}.json",
            benchmark("m.py::T::x[1]", rounds=[0.5 * factor], peak=[1000 * factor], params={"n": 1}, group="g"),
            benchmark("m.py::y", rounds=[2.0], peak=[4000], extra={"size": 7}),
        )
        for name, factor in (("old", 1), ("new", 2))
    ]


def cells(line):
    return line.replace("│", " ").split()


def test_one_table_per_benchmark_by_default(compare, runs):
    """Rows are runs, columns metric and statistic; each cell tells how often it is the best of its column."""
    _, out, _ = compare(*runs, "--columns", "time,peak", "--stat", "min")
    first, second = out.split("\n\n")
    lines = first.splitlines()
    assert lines[0] == "m.py::T::x[1]"
    assert cells(lines[1]) == ["time", "(s)", "peak", "(B)"]
    assert cells(lines[2]) == ["name", "min", "min"]
    assert cells(lines[4]) == ["(old)", "0.5", "(1.0)", "1,000", "(1.0)"]
    assert cells(lines[5]) == ["(new)", "1", "(2.00)", "2,000", "(2.00)"]
    assert second.startswith("m.py::y")


@pytest.mark.parametrize("metric", ["time", "peak"])
def test_every_statistic_by_default(compare, runs, metric):
    """min, max, mean, median and stddev of each metric, also where one round or one pass was made."""
    titles = cells(compare(*runs, "--columns", metric)[1].splitlines()[2])
    assert titles == ["name", "min", "max", "mean", "median", "stddev"]
    assert compare(*runs, "--columns", metric, "--stat", "all") == compare(*runs, "--columns", metric)


def test_groups(compare, runs):
    """Keys compose; no key makes one table."""
    assert compare(*runs, "--group-by", "")[1].startswith("comparison\n")
    assert compare(*runs, "--group-by", "func")[1].startswith("x\n")
    assert compare(*runs, "--group-by", "class,param:n")[1].startswith("comparison\n")
    assert "\n\nT 1\n" in compare(*runs, "--group-by", "class,param:n")[1]
    assert compare(*runs, "--group-by", "module")[1].startswith("m.py\n")


def test_a_group_of_several_names_the_benchmarks(compare, runs):
    """And has a geometric mean per run."""
    out = compare(*runs, "--columns", "peak", "--stat", "min", "--group-by", "module")[1]
    rows = {line.partition(")")[0] + ")": line for line in out.splitlines()}
    assert cells(rows["y (old)"]) == ["y", "(old)", "4,000", "(4.00)"]
    assert cells(rows["geomean (old)"])[-1] == "2,000"


def test_one_run_can_be_read_out(compare, runs):
    """The wide table needs nothing to compare with."""
    code, out, _ = compare(runs[0], "--columns", "peak", "--stat", "min")
    assert (code, "1,000" in out) == (0, True)


def test_extra_columns(compare, runs):
    """A number from ``extra_info`` or the parameters, without statistic and factor; empty columns are dropped."""
    out = compare(*runs, "--columns", "extra:size,extra:nothing,peak", "--stat", "min", "--group-by", "module")[1]
    assert "nothing" not in out
    line = next(line for line in out.splitlines() if line.startswith("y (old)"))
    assert cells(line)[2:] == ["7", "4,000", "(4.00)"]


def test_diff(compare, runs):
    """The first run's value, then the change of each later one; min by default; what is not real is marked."""
    _, out, _ = compare(*runs, "--columns", "time,peak", "--diff", "--group-by", "")
    rows = [cells(line) for line in out.splitlines()]
    assert ["name", "metric", "old", "new"] in rows
    assert ["x[1]", "time:min", "0.5", "s", "+100.0%", "~"] in rows
    assert ["x[1]", "peak:min", "1,000", "B", "+100.0%"] in rows
    assert ["y", "peak:min", "3.91", "KiB", "0.0%"] in rows


def test_csv(compare, runs, tmp_path):
    """One row per benchmark, a column per metric, statistic and run."""
    path = tmp_path / "wide.csv"
    compare(*runs, "--columns", "peak,extra:size", "--stat", "max", "--csv", str(path))
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "peak:max:old", "peak:max:new", "extra:size:old", "extra:size:new"],
            ["m.py::T::x[1]", "1000", "2000", "", ""],
            ["m.py::y", "4000", "4000", "7", "7"],
        ]


def test_json(compare, runs):
    """One object per benchmark and run."""
    document = json.loads(compare(*runs, "--columns", "peak", "--stat", "min", "--format", "json")[1])
    assert document["tables"][0]["rows"][1] == {"id": "m.py::T::x[1]", "run": "new", "peak:min": 2000}


def test_markdown(compare, runs):
    """One heading per group."""
    out = compare(*runs, "--columns", "peak", "--stat", "min", "--format", "md")[1]
    assert "#### m.py::T::x[1]\n\n| name | peak (B) min |\n| :--- | ---: |\n| (old) | 1,000 (1.0) |" in out


@pytest.fixture
def parametrised(save):
    """One run with a parameter of two values."""
    return save(
        "one.json",
        *(
            benchmark(f"m.py::x[{kind}-{n}]", peak=[n * factor], params={"kind": kind, "n": n})
            for kind, factor in (("list", 100), ("set", 150))
            for n in (1, 10)
        ),
    )


def test_pivot(compare, parametrised):
    """The values of a parameter become the series; the gate holds the first against the last."""
    code, out, err = compare(parametrised, "--pivot", "kind", "--columns", "peak", "--diff", "--fail-on", "peak:40%")
    assert "x[1]" in out
    assert "+50.0%" in out
    assert (code, err.splitlines()[0]) == (1, "2 regression(s) over threshold:")
    assert compare(parametrised, "--pivot", "param:kind", "--columns", "peak", "--fail-on", "peak:60%")[0] == 0


def test_pivot_without_pairs_warns(compare, save):
    """Where nothing differs in the parameter alone there is nothing to compare."""
    path = save("one.json", *(benchmark(f"m.py::{k}", peak=[1], params={"kind": k}) for k in "ab"))
    code, _, err = compare(path, "--pivot", "kind", "--columns", "peak")
    assert (code, err) == (0, "no benchmark differs in kind alone, so that nothing can be compared\n")


def test_rss_that_was_not_recorded(compare, runs):
    """Beside other columns it is a note; alone there is nothing to show."""
    code, _, err = compare(*runs, "--columns", "rss,peak")
    assert (code, err.startswith("rss not recorded in these runs")) == (0, True)
    assert compare(*runs, "--columns", "rss")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--columns", "size"], 2, "unknown column metric 'size'"),
        (["--columns", ","], 2, "unknown column metric ','"),
        (["--columns", "extra:"], 2, "unknown column metric 'extra:'"),
        (["--columns", "extra:value"], 2, "unknown column metric 'extra:value'"),
        (["--columns", "peak", "--stat", "p99"], 1, "unknown --stat 'p99'"),
        (["--columns", "time,peak", "--stat", "iqr"], 1, "unknown --stat 'iqr' of peak"),
        (["--columns", "peak", "--sort", "size"], 1, "unknown --sort 'size'"),
        (["--group-by", "size"], 2, "unknown --group-by key 'size'"),
        (["--group-by", "param:"], 2, "unknown --group-by key 'param:'"),
        (["--columns", "peak", "--metric", "peak"], 2, "--metric and --columns"),
        (["--pivot", "n"], 2, "folds a single run"),
    ],
)
def test_errors(compare, runs, arguments, code, text):
    """One line on stderr; 2 for wrong usage, but 1 for an unknown statistic or order, as the contract has it (§6.1)."""
    outcome = compare(*runs, *arguments)
    assert outcome[:2] == (code, "")
    assert text in outcome[2]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--diff"], 2, "at least two series"),
        (["--columns", "peak", "--fail-on", "peak:1%"], 2, "at least two runs"),
        (["--pivot", "nothing"], 2, "is not a dim"),
        (["--pivot", "n", "--fail-on", "peak:1%"], 2, "two distinct values"),
        (["--columns", "peak", "--where", "n=99"], 1, "no benchmarks"),
    ],
)
def test_errors_of_a_single_run(compare, runs, arguments, code, text):
    """A single run cannot be held against anything."""
    outcome = compare(runs[0], *arguments)
    assert outcome[:2] == (code, "")
    assert text in outcome[2]
