"""What is in each figure."""

import math

import pytest
from handmade import SIZES, entry, write

from pytest_memory.errors import InvalidValue
from pytest_memory.plotting import Axes, plot_compare, plot_scaling, plot_scatter, plot_sweep


def marked(figure):
    """The traces of measured points, without the fitted curves."""
    return [trace for trace in figure.data if "markers" in (trace.mode or "")]


def test_scaling_names_the_order_of_each_line(scaling_run):
    """One line per test with its order in the legend and the fitted curve beside it; n counts the points."""
    figure, count = plot_scaling(scaling_run, metric="peak")
    assert count == 16
    names = [trace.name for trace in marked(figure)]
    assert names == [
        "test_flat  <b>O(1)</b>",
        "test_linear  <b>O(n)</b>",
        "test_sort  <b>O(n log n)</b>",
        "test_square  <b>O(n²)</b>",
    ]
    assert list(marked(figure)[1].x) == list(SIZES)
    assert list(marked(figure)[1].y) == [1_000 + 56 * n for n in SIZES]
    curves = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(curves) == 4
    assert curves[1].y[-1] == pytest.approx(1_000 + 56 * SIZES[-1])
    assert figure.layout.title.text == "Scaling: peak memory (B) vs n (sizes)"


def test_scaling_hover_explains_the_number(scaling_run):
    """A hover names the test, the size, the value with its unit and what the order means."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    hover = marked(figure)[1].hovertext[1]
    assert "size 1,000: <b>55.7 KiB</b>" in hover
    assert "O(n): ≈ 1000 B + 56 B × n, off by 0%" in hover
    assert "bench/test_x.py::test_linear[1000]" in hover


def test_scaling_axes_are_logarithmic_where_they_can_be(scaling_run, tmp_path):
    """log="auto" needs positive sizes; True and False force; a cost of 0 keeps the cost axis linear."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert "KiB" in "".join(figure.layout.yaxis.ticktext)
    figure, _ = plot_scaling(scaling_run, metric="peak", log=False)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == (None, None)
    assert figure.layout.yaxis.title.text == "peak memory (GiB)"
    zero = write(tmp_path / "zero.json", (entry(f"t.py::t[{n}]", n - 1, params={"n": n}) for n in (1, 2, 4)))
    figure, _ = plot_scaling(zero, metric="peak")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)
    origin = write(tmp_path / "origin.json", (entry(f"t.py::t[{n}]", 5, params={"n": n}) for n in (0, 2, 4)))
    figure, _ = plot_scaling(origin, metric="peak")
    assert figure.layout.xaxis.type is None


def test_scaling_ignores_bools_and_numbers_that_follow_from_the_size(tmp_path):
    """A bool is no axis, and an extra that grows with the size tears no line apart."""
    entries = [
        entry(f"t.py::t[{flag}-{n}]", n * (2 if flag else 1), params={"n": n, "fast": flag})
        for flag in (True, False)
        for n in (10, 100, 1000)
    ]
    figure, count = plot_scaling(write(tmp_path / "a.json", entries), metric="peak")
    assert count == 6
    assert [len(trace.x) for trace in marked(figure)] == [3, 3]
    assert [trace.name for trace in marked(figure)] == ["fast=True  <b>O(n)</b>", "fast=False  <b>O(n)</b>"]
    entries = [entry(f"t.py::t[{n}]", n, params={"n": n}, extra={"edges": 2 * n}) for n in (10, 100, 1000)]
    figure, _ = plot_scaling(write(tmp_path / "b.json", entries), metric="peak", x="n")
    assert [len(trace.x) for trace in marked(figure)] == [3]


def test_scaling_chooses_colour_and_facet_from_what_varies(tmp_path):
    """The first dim that tells lines apart colours them, the next makes panels."""
    entries = [
        entry(f"t.py::t[{kind}-{size}-{n}]", n, params={"kind": kind, "size": size, "n": n, "same": "x"})
        for kind in "ab"
        for size in ("small", "large")
        for n in (1, 2, 4)
    ]
    run = write(tmp_path / "a.json", entries)
    figure, _ = plot_scaling(run, metric="peak")
    assert [note.text for note in figure.layout.annotations] == ["size = large", "size = small"]
    assert len({trace.line.color for trace in marked(figure)}) == 2
    figure, _ = plot_scaling(run, metric="peak", facet="kind", color="size")
    assert [note.text for note in figure.layout.annotations] == ["kind = a", "kind = b"]


def test_scaling_draws_the_first_run_or_all_by_colour(scaling_run, tmp_path):
    """Several runs are one figure only where that was asked for."""
    other = write(
        tmp_path / "other.json", (entry(f"bench/test_x.py::test_flat[{n}]", 9, params={"n": n}) for n in SIZES)
    )
    figure, count = plot_scaling([scaling_run, other], metric="peak")
    assert count == 16
    figure, count = plot_scaling([scaling_run, other], metric="peak", color="run")
    assert count == 20
    assert any("test_flat, other" in trace.name for trace in marked(figure))
    assert figure.layout.title.text.endswith("(sizes, other)")


def test_scaling_of_very_many_lines_stays_one_trace_per_colour(tmp_path):
    """A thousand tests are drawn with gaps, and their orders are counted in the subtitle."""
    entries = [entry(f"t.py::test_{i}[{n}]", n, params={"n": n}) for i in range(1000) for n in (1, 10, 100)]
    figure, count = plot_scaling(write(tmp_path / "a.json", entries), metric="peak")
    assert count == 3000
    assert len(figure.data) <= 8
    assert "1,000 × O(n)" in figure.layout.title.subtitle.text


def test_scaling_bands_span_the_passes(scaling_run):
    """Whiskers go from the smallest to the largest pass; times have rounds."""
    figure, _ = plot_scaling(scaling_run, metric="peak", axes=Axes(band="auto"))
    whiskers = marked(figure)[0].error_y
    assert whiskers.array[0] == pytest.approx(409, abs=1)
    assert whiskers.arrayminus[0] == 0
    figure, _ = plot_scaling(scaling_run, metric="time", axes=Axes(band="minmax"))
    assert marked(figure)[0].error_y.array[0] == pytest.approx(0.001)


def test_scatter_shows_the_ratio_over_the_baseline(two_runs):
    """Benchmarks of both runs with a baseline above 0; the dashed line is at 1."""
    figure, count = plot_scatter(two_runs, metric="peak")
    assert count == 3
    (trace,) = figure.data
    assert dict(zip(trace.x, trace.y, strict=True)) == {1_000: 3.0, 4_000: 0.25, 2_000: 1.0}
    assert figure.layout.shapes[0].y0 == 1
    assert "old: 1000 B<br>new: <b>2.93 KiB</b><br>change: +1.95 KiB (+200.0%)" in trace.hovertext[0]
    assert not figure.frames


def test_scatter_animates_more_than_two_runs(two_runs):
    """One frame per later run, and axes that hold all of them."""
    figure, count = plot_scatter([*two_runs, two_runs[0]], metric="peak", labels=["a", "b", "c"])
    assert count == 4
    assert [frame.name for frame in figure.frames] == ["b", "c"]
    low, high = (10**exponent for exponent in figure.layout.yaxis.range)
    assert low < 0.25
    assert high > 3


def test_scatter_has_logarithmic_axes(tmp_path):
    """Half and double are as far from the line at 1; a benchmark that costs nothing any more is drawn at the bottom."""
    runs = [
        write(tmp_path / f"{k}.json", [entry("t.py::a", 100), entry("t.py::b", b)]) for k, b in (("x", 50), ("y", 0))
    ]
    figure, count = plot_scatter(runs, metric="peak")
    assert (count, figure.layout.xaxis.type, figure.layout.yaxis.type) == (2, "log", "log")
    assert sorted(figure.data[0].y) == [1 / 1024, 1.0]
    assert {"1×", "0.5×"} <= set(figure.layout.yaxis.ticktext)


def test_compare_sorts_by_change_with_the_growth_on_top(two_runs):
    """Bars are paired by id alone, whatever their extras say; what one run lacks is told."""
    figure, count = plot_compare(two_runs, metric="peak")
    assert count == 4
    (trace,) = figure.data
    assert list(trace.y) == ["test_shrank", "test_same", "test_zero", "test_grew"]
    assert list(trace.x) == pytest.approx([-3_000 / 1024, 0, 0.5, 2_000 / 1024])
    assert "old → new" in figure.layout.title.text
    assert figure.layout.meta["notes"] == ["only in old: t.py::test_gone", "only in new: t.py::test_new"]
    figure, count = plot_compare(two_runs, metric="peak", sort="relative")
    assert count == 3
    assert list(figure.data[0].x) == [-75.0, 0.0, 200.0]


def test_facets_make_a_panel_per_value(two_runs):
    """Also for node dims, three side by side."""
    figure, _ = plot_compare(two_runs, metric="peak", facet="kind")
    assert [note.text for note in figure.layout.annotations] == ["kind = a", "kind = b"]
    figure, _ = plot_scatter(two_runs, metric="peak", facet="node.func")
    assert {note.text for note in figure.layout.annotations} == {
        "node.func = test_grew",
        "node.func = test_shrank",
        "node.func = test_same",
    }


def test_sweep_is_a_heat_map_of_ratios(two_runs):
    """Rows: the first run's ids above 0; columns: the runs; a missing cell says so."""
    figure, count = plot_sweep([*two_runs, two_runs[0]], metric="peak", labels=["1.0", "2.0", "3.0"])
    assert count == 4
    (heat,) = figure.data
    assert list(heat.x) == ["1.0", "2.0", "3.0"]
    rows = dict(zip(heat.y, heat.text, strict=True))
    assert list(rows["test_grew"]) == ["1.00×", "3.00×", "1.00×"]
    assert list(rows["test_gone"]) == ["1.00×", "", "1.00×"]
    folds = dict(zip(heat.y, heat.z, strict=True))
    assert folds["test_grew"][1] == pytest.approx(math.log2(3))
    assert "not in 2.0" in dict(zip(heat.y, heat.hovertext, strict=True))["test_gone"][1]
    assert "1.0" in figure.layout.title.text


def test_the_clip_ends_the_colours(two_runs):
    """For compare and scatter in the unit of the bar, for a sweep as a factor."""
    figure, _ = plot_compare(two_runs, metric="peak", clip=1.5)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-1.5, 1.5)
    figure, _ = plot_sweep(two_runs, metric="peak", clip=2)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-1, 1)
    assert figure.data[0].colorbar.ticktext == ("0.50×", "0.71×", "1.00×", "1.41×", "2.00×")


def test_where_selects_benchmarks(two_runs):
    """Several conditions must all hold."""
    _, count = plot_compare(two_runs, metric="peak", where=[("kind", "a"), ("node.func", "test_grew")])
    assert count == 1


def test_one_path_and_text_paths_are_accepted(scaling_run):
    """A single path needs no list, a path may be text."""
    assert plot_sweep(str(scaling_run), metric="memory")[1] == 16


def test_ids_with_markup_are_shown_as_they_are(tmp_path):
    """A parameter with angle brackets must not become HTML."""
    runs = [write(tmp_path / f"{n}.json", [entry("t.py::t[<b>x</b>]", n)]) for n in (1, 2)]
    figure, _ = plot_compare(runs, metric="peak")
    assert figure.data[0].y[0] == "t[&lt;b&gt;x&lt;/b&gt;]"
    assert "<b>t.py::t[&lt;b&gt;x&lt;/b&gt;]</b>" in figure.data[0].hovertext[0]


@pytest.mark.parametrize(
    ("draw", "options", "message"),
    [
        (plot_scaling, {"metric": "weight"}, "metric must be one of"),
        (plot_scaling, {"metric": "peak", "stat": "average"}, "unknown stat 'average'"),
        (plot_scaling, {"metric": "peak"}, "numeric dim as x axis, and there is none"),
        (plot_scaling, {"metric": "peak", "x": "kind"}, "x 'kind' is not a numeric dim"),
        (plot_scaling, {"metric": "peak", "x": "m"}, "unknown x 'm'; these benchmarks have: .*kind"),
        (plot_scaling, {"metric": "peak", "log": "never"}, "log 'never'"),
        (plot_scatter, {"metric": "peak", "facet": "nope"}, "unknown facet 'nope'; these benchmarks have: "),
        (plot_compare, {"metric": "peak", "facet": "nope"}, "unknown facet 'nope'"),
        (plot_compare, {"metric": "peak", "sort": "size"}, "unknown sort 'size'"),
        (plot_compare, {"metric": "peak", "labels": ["a"]}, "labels has 1 entries but there are 2"),
        (plot_compare, {"metric": "peak", "labels": ["a", "a"]}, "two distinct snapshots"),
        (plot_compare, {"metric": "peak", "clip": 0}, "clip 0 is not a positive number"),
        (plot_compare, {"metric": "rss"}, "has no rss"),
        (plot_sweep, {"metric": "peak", "clip": 1}, "clip 1 is not a factor above 1"),
        (plot_sweep, {"metric": "peak", "where": [("kind", "z")]}, "no benchmark of .* has kind=z"),
        (plot_sweep, {"metric": "peak", "where": [("kin", "z")]}, "unknown dim in a condition 'kin'"),
    ],
)
def test_what_cannot_be_drawn_is_told(two_runs, draw, options, message):
    """A ValueError that names the value, never a KeyError."""
    with pytest.raises(InvalidValue, match=message):
        draw(two_runs, **options)


def test_a_memory_metric_of_a_timing_only_run_is_told(tmp_path):
    """In every view."""
    runs = [write(tmp_path / f"{n}.json", [entry("t.py::t", params={"n": n})]) for n in (1, 2)]
    for draw in (plot_scaling, plot_scatter, plot_compare, plot_sweep):
        with pytest.raises(InvalidValue, match="has no peak: none of its benchmarks has memory"):
            draw(runs, metric="peak")


def test_runs_without_anything_in_common_are_told(tmp_path):
    """Each view that pairs runs says so."""
    runs = [write(tmp_path / f"{n}.json", [entry(f"t.py::t{n}", 5)]) for n in (1, 2)]
    with pytest.raises(InvalidValue, match="no ids in common between '1' and '2'"):
        plot_compare(runs, metric="peak")
    with pytest.raises(InvalidValue, match="nothing to plot"):
        plot_scatter(runs, metric="peak")
    with pytest.raises(InvalidValue, match="at least 2"):
        plot_scatter(runs[0], metric="peak")
    with pytest.raises(InvalidValue, match="facet 'p' has 40 values"):
        plot_scaling(
            write(
                tmp_path / "many.json", (entry(f"t.py::t[{i}]", 5, params={"n": i, "p": f"p{i}"}) for i in range(40))
            ),
            metric="peak",
            facet="p",
        )


def test_several_numeric_dims_need_a_choice(tmp_path):
    """The message lists them; x= chooses."""
    run = write(tmp_path / "a.json", (entry(f"t.py::t[{n}]", n, params={"n": n, "m": 2 * n}) for n in (1, 2, 4)))
    with pytest.raises(InvalidValue, match=r"there are 2: n, m; choose one with x \(--x\)"):
        plot_scaling(run, metric="peak")
    assert plot_scaling(run, metric="peak", x="m")[1] == 3


def test_a_pivot_compares_the_values_of_a_parameter(tmp_path):
    """Benchmarks of one run that differ in nothing else pair; the values are the labels."""
    peaks = {"fast": 1_000, "slow": 3_000}
    run = write(
        tmp_path / "a.json",
        (
            entry(f"t.py::t[{how}-{n}]", n * peak, params={"how": how, "n": n})
            for how, peak in peaks.items()
            for n in (1, 2)
        ),
    )
    figure, count = plot_compare(run, metric="peak", pivot="how", sort="relative")
    assert count == 2
    assert list(figure.data[0].x) == [200, 200]
    assert "fast → slow" in figure.layout.title.text
    assert plot_scatter(run, metric="peak", pivot="param:how")[1] == 2
    with pytest.raises(InvalidValue, match="unknown pivot 'why'"):
        plot_compare(run, metric="peak", pivot="why")
    with pytest.raises(InvalidValue, match="folds a single run, and 2 were given"):
        plot_compare([run, run], metric="peak", pivot="how")
    with pytest.raises(InvalidValue, match="pivot 'how' has only the value 'fast'"):
        plot_compare(run, metric="peak", pivot="how", where=[("how", "fast")])


def test_runs_in_colour_are_not_torn_into_panels_by_what_differs_between_them(tmp_path):
    """An extra that names the run, such as its commit, makes no panels."""
    runs = [
        write(
            tmp_path / f"{commit}.json",
            (entry(f"t.py::t[{n}]", n * number, params={"n": n}, extra={"commit": commit}) for n in (1, 10, 100)),
        )
        for number, commit in ((1, "one"), (2, "two"))
    ]
    figure, count = plot_scaling(runs, metric="peak", color="run")
    assert count == 6
    assert [trace.name for trace in marked(figure)] == ["one  <b>O(n)</b>", "two  <b>O(n)</b>"]
    assert not figure.layout.annotations


def test_equal_labels_are_refused_everywhere(two_runs):
    """Two runs under one name would be drawn as one."""
    with pytest.raises(InvalidValue, match="cannot share the label 'b'"):
        plot_scatter([*two_runs, two_runs[0]], metric="peak", labels=["a", "b", "b"])
