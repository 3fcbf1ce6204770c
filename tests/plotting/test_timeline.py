"""The picture of a session."""

import base64
import gzip
import json
import re
import sys
from array import array
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.cli.app import run
from pytest_memory.errors import InvalidValue
from pytest_memory.model import (
    Death,
    EngineChoice,
    Environment,
    PhaseUsage,
    ResidentUsage,
    Run,
    Series,
    Span,
    TestRecord,
    Timeline,
)
from pytest_memory.plotting import plot_timeline, timeline_html
from pytest_memory.plotting.downsample import keep_extremes
from pytest_memory.store.runs import write_run

MIB = 1024**2
ENVIRONMENT = Environment(
    EngineChoice("none"), "python", "counters", "exact", "3.12.0", "cpython", "linux", None, "1", "2026-01-01T00:00:00Z"
)


def series(sizes, *, worker=None, tests=None, children=None, start=100.0):
    """Samples every second."""
    count = len(sizes)
    return Series(
        worker,
        1,
        array("d", (start + number for number in range(count))),
        array("Q", sizes),
        array("Q", children or [0] * count),
        tests or [""] * count,
        [""] * count,
    )


def span(name, activity, start, end, *, worker=None, peak=None):
    """A phase, from 100 s on."""
    resident = ResidentUsage(10 * MIB, 12 * MIB, peak) if peak is not None else None
    return Span(name, activity, worker, 100.0 + start, None if end is None else 100.0 + end, resident)


def saved_run(*peaks, name="t.py::test_a"):
    """A saved run with one record per peak."""
    usage = [PhaseUsage(1.0, resident=ResidentUsage(1, 2, peak)) for peak in peaks]
    return Run(ENVIRONMENT, tuple(TestRecord(name, "passed", phases={"call": each}) for each in usage))


SIMPLE = Timeline(
    series=(series([10 * MIB, 30 * MIB, 20 * MIB, 10 * MIB], tests=["", "t.py::test_a", "t.py::test_a", ""]),),
    spans=(
        span("t.py::test_a", "setup", 0.5, 1, peak=11 * MIB),
        span("t.py::test_a", "call", 1, 2, peak=64 * MIB),
        span("t.py::test_a", "teardown", 2, 2.5, peak=12 * MIB),
    ),
    origin=100.0,
    ended=True,
)


def traces(figure, kind):
    """The traces of one kind."""
    return [trace for trace in figure.data if trace.type == kind]


def test_samples_are_a_line_and_tests_are_bands():
    """Seconds since the session began, one unit, a brick per phase whose hover names test and phase."""
    figure, count = plot_timeline(SIMPLE)
    assert count == 1
    line = figure.data[1]
    assert list(line.x) == [0, 1, 2, 3]
    assert list(line.y) == [10, 30, 20, 10]
    assert line.hovertext[1] == "<b>30 MiB</b> at 1.00 s<br>t.py::test_a"
    assert line.hovertext[0].endswith("between tests")
    (bands,) = traces(figure, "heatmap")
    assert list(bands.x) == [0.5, 1, 2, 2.5]
    assert [text.rpartition("<br>")[2] for text in bands.hovertext[0]] == [
        "in its setup",
        "in its call",
        "in its teardown",
    ]
    assert "took 2.00 s (setup 500 ms, call 1.00 s, teardown 500 ms)" in bands.hovertext[0][1]
    assert "grew by 2 MiB" in bands.hovertext[0][1]
    assert (
        "1 test and 4 samples in 3.00 s. The highest is 30 MiB, in t.py::test_a." in figure.layout.title.subtitle.text
    )
    assert figure.layout.meta["tests"] == [["t.py::test_a", 0.5, 2.5, "tests", 64 * MIB]]


def test_what_was_let_go_before_the_next_test_is_no_growth():
    """pytest lets go of fixtures' values after the teardown of a test."""
    spans = tuple(
        Span(nodeid, "call", None, start, start + 1.0, ResidentUsage(begun * MIB, 30 * MIB, 30 * MIB))
        for nodeid, start, begun in [("t.py::test_a", 100.0, 10), ("t.py::test_b", 101.0, 12)]
    )
    figure, _ = plot_timeline(Timeline(series=(series([MIB] * 3),), spans=spans, origin=100.0))
    (bands,) = traces(figure, "heatmap")
    told = [text for text in bands.hovertext[0] if text]
    assert ["grew by 2 MiB" in told[0], "grew by 18 MiB" in told[-1]] == [True, True]


def test_exact_peaks_are_markers_at_the_highest_sample():
    """The peak of all phases, higher than any sample; the axis holds it."""
    figure, _ = plot_timeline(SIMPLE)
    (markers,) = traces(figure, "scattergl")
    assert (list(markers.x), list(markers.y)) == ([1], [64])
    assert "64 MiB</b>, exact peak" in markers.hovertext[0]
    assert figure.layout.yaxis.range[1] > 64


def test_a_saved_run_adds_exact_peaks_to_a_log():
    """By node id, worker and attempt, where the timeline has none of its own."""
    log = Timeline(
        series=SIMPLE.series,
        spans=(span("t.py::test_a", "", 0, 1), span("t.py::test_a", "", 2, 3)),
        origin=100.0,
        ended=True,
    )
    assert not traces(plot_timeline(log)[0], "scattergl")
    figure, count = plot_timeline(log, saved_run(40 * MIB, 50 * MIB))
    assert count == 2
    (markers,) = traces(figure, "scattergl")
    assert sorted(markers.y) == [40, 50]
    figure, _ = plot_timeline(log, saved_run(40 * MIB, name="another"))
    assert not traces(figure, "scattergl")


def test_a_rerun_is_a_band_of_its_own():
    """Another setup of the same test begins another attempt."""
    spans = [span("t", phase, start, start + 1) for start, phase in enumerate(["setup", "call", "setup", "call"])]
    _, count = plot_timeline(Timeline(SIMPLE.series, tuple(spans), origin=100.0, ended=True))
    assert count == 2


def test_workers_have_panels_and_are_stacked_on_top():
    """Each process is drawn by itself; all together show the total, a process that is gone counts 0."""
    workers = (series([10 * MIB, 20 * MIB], worker="gw0"), series([5 * MIB], worker="gw1"))
    spans = (span("t.py::test_a", "call", 0, 1, worker="gw0"), span("t.py::test_b", "call", 0, 0.5, worker="gw1"))
    figure, count = plot_timeline(Timeline(workers, spans, origin=100.0, ended=True))
    assert count == 2
    stacked = [trace for trace in traces(figure, "scatter") if trace.stackgroup]
    assert [list(trace.y) for trace in stacked] == [[10, 20], [5, 0]]
    assert [note.text for note in figure.layout.annotations] == ["all processes together", "gw0", "gw1"]
    assert [test[0:4:3] for test in figure.layout.meta["tests"]] == [["t.py::test_a", "gw0"], ["t.py::test_b", "gw1"]]


def test_children_are_a_second_line():
    """Where the process had any."""
    with_children = series([10 * MIB, 10 * MIB], children=[0, 30 * MIB])
    figure, _ = plot_timeline(Timeline((with_children,), (), origin=100.0, ended=True))
    assert [list(trace.y) for trace in figure.data] == [[10, 10], [None, 40]]


def test_a_death_is_marked():
    """At its time, with a band for the test that it died in, and the subtitle says how the session ended."""
    death = Death(None, 1, 103.5, "t.py::test_a", "call", 101.0, 101.0)
    figure, count = plot_timeline(Timeline(SIMPLE.series, (), origin=100.0, deaths=(death,), notes=("a <note>",)))
    assert figure.layout.shapes[0].x0 == 3.5
    assert figure.layout.xaxis.range[1] > 3.5
    assert figure.layout.annotations[0].text == "died in t.py::test_a"
    assert "did not end in order" in figure.layout.title.subtitle.text
    assert "a &lt;note&gt;" in figure.layout.title.subtitle.text
    assert count == 1
    assert figure.layout.meta["tests"][0][:3] == ["t.py::test_a", 1, 3.5]


def test_a_test_that_never_ended_lasts_until_the_last_sample():
    """Where nobody saw the death."""
    figure, _ = plot_timeline(Timeline(SIMPLE.series, (span("t.py::test_a", "call", 1, None),), origin=100.0))
    assert figure.layout.meta["tests"][0][:3] == ["t.py::test_a", 1, 3]


def test_no_samples_is_told():
    """There is nothing to draw."""
    with pytest.raises(InvalidValue, match="there are no samples"):
        plot_timeline(Timeline((), (), origin=0.0))


def test_many_samples_and_tests_become_a_small_page():
    """Points are thinned without losing the spike, and phases give way to whole tests."""
    sizes = [10 * MIB + n % 977 for n in range(200_000)]
    sizes[123_456] = 999 * MIB
    spans = tuple(
        span(f"t.py::test_{n}", phase, n * 9 + i, n * 9 + i + 1)
        for n in range(4_000)
        for i, phase in enumerate(("setup", "call"))
    )
    figure, count = plot_timeline(Timeline((series(sizes),), spans, origin=100.0, ended=True))
    assert count == 4_000
    line = traces(figure, "scatter")[0]
    assert len(line.x) <= 12_000
    assert max(line.y) == pytest.approx(999 / 1024, abs=1e-3)
    assert len(traces(figure, "heatmap")[0].x) <= 8_001
    assert len(timeline_html(figure)) < 3_500_000


def test_the_page_has_a_search(tmp_path):
    """A field above the figure, and the tests to search in the figure itself."""
    html = timeline_html(plot_timeline(SIMPLE)[0])
    assert 'placeholder="Find a test…"' in html
    packed = re.search('id="figure-json">([^<]*)<', html)[1]
    figure = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert figure["layout"]["meta"]["tests"][0][0] == "t.py::test_a"


@given(st.lists(st.integers(0, 1000), max_size=500), st.integers(4, 60))
def test_thinning_keeps_the_ends_and_the_extremes(values, most):
    """Never more than asked, ascending, and no minimum or maximum is lost."""
    kept = keep_extremes(values, most)
    assert len(kept) <= max(most, 0)
    assert kept == sorted(set(kept))
    if values:
        drawn = [values[position] for position in kept]
        assert (min(drawn), max(drawn)) == (min(values), max(values))
        assert (kept[0], kept[-1]) == (0, len(values) - 1)


@pytest.fixture
def memlog(tmp_path, monkeypatch):
    """A log as pytest-memlog writes it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    entries = [{"rss": (10 + n) * MIB, "time": 50.0 + n, "name": "t.py::test_a" if n > 1 else ""} for n in range(4)]
    (tmp_path / "memlog.json").write_text(json.dumps(entries))
    return tmp_path


def test_the_command_draws_the_log_of_this_directory(memlog, capsys):
    """memlog.json is read and timeline.html is written unless told otherwise."""
    assert run(["timeline"]) == 0
    assert capsys.readouterr().out == "timeline: 1 test → timeline.html\n"
    write_run(memlog / "run.json", saved_run(40 * MIB))
    assert run(["timeline", "memlog.json", "--run", "run.json", "-o", "deep/x.html"]) == 0
    assert (memlog / "deep" / "x.html").stat().st_size < 3_000_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.json"], 2, "missing: 'nowhere.json'; record a session with: pytest --memlog"),
        (["memlog.json", "--run", "nowhere.json"], 2, "missing: 'nowhere.json'"),
        (["memlog.json", "-o", "x.txt"], 2, "unsupported output suffix '.txt'"),
        (["memlog.json", "-o", "memlog.json/x.html"], 2, "memlog.json/x.html"),
        (["empty.json"], 1, "there are no samples"),
        (["text.json"], 1, "text.json"),
        (["memlog.json", "--run", "memlog.json"], 1, "memlog.json"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(memlog, capsys, arguments, code, message):
    """2 for wrong usage, 1 for a file that cannot be used."""
    (memlog / "empty.json").write_text("[]")
    (memlog / "text.json").write_text("hello")
    assert run(["timeline", *arguments]) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_picture_of_it_needs_kaleido(memlog, capsys, monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "kaleido", None)
    assert run(["timeline", "-o", "x.png"]) == 2
    assert "pytest-memory[plot-static]" in capsys.readouterr().err


def test_all_kept_points_travel_for_zooming_in():
    """A long session is drawn thinly, and the page has the rest as differences of milliseconds and KiB."""
    sizes = [(10_000 + n % 977) * 1024 for n in range(30_000)]
    figure, _ = plot_timeline(Timeline((series(sizes),), (), origin=100.0, ended=True))
    (detail,) = figure.layout.meta["details"]
    assert len(figure.data[detail["line"]].x) <= 12_000
    assert list(accumulate(detail["times"])) == [1_000 * n for n in range(30_000)]
    assert [size * 1024 for size in accumulate(detail["sizes"])] == sizes
    assert not plot_timeline(SIMPLE)[0].layout.meta["details"]
