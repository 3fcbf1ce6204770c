"""Columns of a series: what its measurements say one by one, whichever way they were read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.errors import UnreadableFile
from pytest_memory.store.aligned import Ids
from pytest_memory.store.benchmarks import read_benchmarks
from pytest_memory.store.columns import Columns
from pytest_memory.store.lineup import LabelledRun, Selection, line_up
from pytest_memory.store.measured import Measured, Wanted
from pytest_memory.store.series import PassSeries, Series, series_of

STATS = (None, "min", "max", "mean", "median", "stddev", "iqr")
TIMES = Wanted(("min", "max", "mean", "median", "stddev", "iqr"), evidence=False)

seconds = st.floats(1e-9, 1e3)
stats = st.fixed_dictionaries(
    {"min": seconds, "max": seconds, "mean": seconds, "median": seconds, "stddev": seconds, "iqr": seconds},
)
passes = st.lists(st.integers(0, 2**40), min_size=1, max_size=4)


def one_by_one(series, stat):
    return {key: value for key in series if (value := series[key].value(stat)) is not None}


def save(path, *entries):
    benchmarks = [{"fullname": f"t.py::{number}", **entry} for number, entry in enumerate(entries)]
    path.write_text(json.dumps({"benchmarks": benchmarks}))
    return path


@given(st.lists(stats, min_size=1, max_size=4), st.sets(st.sampled_from(STATS[2:])))
def test_times_say_the_same_by_the_column(tmp_path_factory, entries, lost):
    """Also where one benchmark lacks a statistic, which is then computed from its rounds if it has some."""
    entries = [dict(entry) for entry in entries]
    for stat in lost:
        del entries[-1][stat]
    path = tmp_path_factory.mktemp("runs") / "run.json"
    benchmarks = read_benchmarks(
        save(path, *[{"stats": {**entry, "data": [1.5, 2.5]}} for entry in entries])
    ).benchmarks
    keys = [benchmark.id for benchmark in benchmarks]
    fast, slow = (
        series_of(Ids(keys), Columns(benchmarks), "time", TIMES),
        series_of(Ids(keys), Columns(benchmarks), "time", Wanted()),
    )
    for stat in STATS:
        assert fast.column(stat) == slow.column(stat) == one_by_one(fast, stat)


@given(st.dictionaries(st.text("abc", min_size=1), passes, max_size=5))
def test_peaks_say_the_same_by_the_column(peaks):
    """Whether the passes of all, of some or of none repeat exactly."""
    series = PassSeries(Ids(list(peaks)), list(peaks.values()))
    single = Series.of({key: Measured(min(one), min(one), one, {}, len(one)) for key, one in peaks.items()})
    assert list(series) == list(single)
    for stat in STATS:
        assert series.column(stat) == single.column(stat) == one_by_one(series, stat)


alike = st.tuples(st.integers(0, 2**40), st.integers(1, 3)).map(lambda one: [one[0]] * one[1])


@given(st.lists(passes | alike, min_size=1, max_size=4), st.booleans())
def test_what_is_known_to_be_steady_is(tmp_path_factory, peaks, odd):
    """Found for all at once or for each: equal passes, one that differs, ragged counts."""
    path = save(
        tmp_path_factory.mktemp("runs") / "run.json",
        *[{"stats": {}, "extra_info": {"benchmem": {"peak_bytes": one}}} for one in peaks],
    )
    columns = Columns(read_benchmarks(path).benchmarks)
    steady = columns.steady("peak")
    counts = {len(one) for one in peaks}
    assert (steady is not None) == (len(counts) == 1 and all(len(set(one)) == 1 for one in peaks))
    assert steady is None or steady == [one[0] for one in peaks]
    ids = Ids([str(number) for number in range(len(peaks))])
    known, found = PassSeries(ids, peaks, None, steady), PassSeries(ids, peaks)
    for stat in STATS:
        assert known.column(stat) == found.column(stat)


@pytest.mark.parametrize("value", ["-1", str(2**63), "true", "1.0", "[1]"])
def test_what_is_no_pass_is_refused_among_equals(tmp_path, value):
    """Although some of it equals a whole number."""
    path = tmp_path / "run.json"
    blob = f'{{"benchmem": {{"peak_bytes": [{value}, {value}]}}}}'
    path.write_text(f'{{"benchmarks": [{{"fullname": "t.py::a", "stats": {{}}, "extra_info": {blob}}}]}}')
    with pytest.raises(UnreadableFile, match=r"peak_bytes\[0\]: expected a whole number"):
        line_up([LabelledRun("a", path)], Selection(("peak",)))


def test_runs_share_their_benchmarks(tmp_path):
    """One object stands for the same benchmarks in the same order, whatever was left out before."""
    entries = [{"stats": {"min": 1.5}, "params": {"n": number % 2}} for number in range(4)]
    paths = [save(tmp_path / f"{name}.json", *entries) for name in "abc"]
    turned = json.loads(paths[2].read_text())
    turned["benchmarks"].reverse()
    paths[2].write_text(json.dumps(turned))
    for where, expected in ((), 4), ((("n", "1"),), 2):
        selection = Selection(("time",), where=where, wanted=Wanted.of([], evidence=False))
        lineup = line_up([LabelledRun(path.stem, path) for path in paths], selection)
        first, second, third = [series.ids for series in lineup.metrics["time"]]
        assert first is second
        assert len(first.keys) == expected
        assert sorted(third.keys) == first.keys != third.keys


rounds = st.lists(st.sampled_from([1.5, 2.5]) | seconds, max_size=12)
measured = st.fixed_dictionaries(
    {"min": seconds}, optional={"median": seconds, "iqr": seconds, "rounds": st.integers(1, 20), "data": rounds}
)


@given(st.lists(st.tuples(measured, measured, passes, passes), min_size=1, max_size=4), st.sampled_from([0.05, 0.3]))
def test_differences_are_as_real_by_the_column(tmp_path_factory, pairs, alpha):
    """As between each two measurements, whether rounds were kept by all, by some or by none."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = Wanted.of([], evidence=True)
    series = []
    for side in range(2):
        entries = [
            {"stats": {**pair[side]}, "extra_info": {"benchmem": {"peak_bytes": pair[2 + side]}}} for pair in pairs
        ]
        benchmarks = read_benchmarks(save(folder / f"{side}.json", *entries)).benchmarks
        keys = [benchmark.id for benchmark in benchmarks]
        ids, columns = Ids(keys), Columns(benchmarks)
        series.append({metric: series_of(ids, columns, metric, wanted) for metric in ("time", "peak")})
    for metric in ("time", "peak"):
        base, head = series[0][metric], series[1][metric]
        expected = [base[key].compare(head[key], metric, alpha).real is True for key in keys]
        assert base.differ(head, keys, metric, alpha) == expected


odd_passes = passes | st.sampled_from([None, [], ["x"], 5, [-1]])
blobs = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("peak_bytes", "total_bytes", "allocations", "rss_bytes"), odd_passes)
)


@given(st.lists(blobs, min_size=1, max_size=4))
@pytest.mark.parametrize("metric", ["peak", "allocated", "allocations", "rss"])
def test_memory_says_the_same_by_the_column(tmp_path_factory, metric, kept):
    """As each benchmark by itself, whatever its blob holds: values, or the same refusal."""
    path = tmp_path_factory.mktemp("runs") / "run.json"
    benchmarks = read_benchmarks(
        save(path, *[{"stats": {}, "extra_info": {"benchmem": blob}} for blob in kept])
    ).benchmarks
    keys = [benchmark.id for benchmark in benchmarks]
    try:
        expected = {one.id: one.headline(metric) for one in benchmarks if one.passes(metric)}
    except UnreadableFile:
        with pytest.raises(UnreadableFile):
            series_of(Ids(keys), Columns(benchmarks), metric, TIMES)
        return
    series = series_of(Ids(keys), Columns(benchmarks), metric, TIMES)
    assert series.column(None) == expected
    for stat in STATS:
        assert series.column(stat) == one_by_one(series, stat)


@pytest.mark.parametrize("evidence", [False, True])
def test_a_statistic_that_nobody_asked_for_may_be_broken(tmp_path, evidence):
    """Whether differences are tested or not; one that is asked for may not."""
    path = save(
        tmp_path / "run.json", {"stats": {"min": 1.5, "max": "x", "median": 2.5, "iqr": 0.5, "data": [1.5, 2.5]}}
    )

    def read(*stats):
        return line_up([LabelledRun("a", path)], Selection(("time",), wanted=Wanted.of(stats, evidence=evidence)))

    assert read().metrics["time"][0].column(None) == {"t.py::0": 1.5}
    with pytest.raises(UnreadableFile, match=r"benchmarks\[0\]\.stats\.max: expected a finite number, found 'x'"):
        read("max")
