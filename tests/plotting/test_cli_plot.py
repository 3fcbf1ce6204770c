"""The command."""

import sys

import pytest

from pytest_memory.cli.app import run


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_view_follows_the_number_of_runs(scaling_run, two_runs, tmp_path, capsys):
    """1: scaling, 2: scatter, 3: sweep; the default path names view and metric."""
    assert run(["plot", "sizes.json", "--metric", "memory"]) == 0
    assert capsys.readouterr().out == "scaling (peak): 16 ids → .benchmarks/plots/scaling-peak.html\n"
    assert run(["plot", "old.json", "new.json", "--metric", "peak"]) == 0
    assert capsys.readouterr().out == "scatter (peak): 3 ids → .benchmarks/plots/scatter-peak.html\n"
    assert run(["plot", "old.json", "new.json", "sizes.json", "--columns", "peak"]) == 0
    assert capsys.readouterr().out == "sweep (peak): 4 ids → .benchmarks/plots/sweep-peak.html\n"
    assert (tmp_path / ".benchmarks/plots/sweep-peak.html").stat().st_size < 3_000_000


def test_compare_tells_what_only_one_run_has(two_runs, capsys):
    """On stderr, and the plot is made."""
    assert run(["plot", "old.json", "new.json", "--view", "compare", "--metric", "peak", "-o", "x.html"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "compare (peak): 4 ids → x.html\n"
    assert captured.err.splitlines() == ["only in old: t.py::test_gone", "only in new: t.py::test_new"]


@pytest.mark.parametrize(
    "options",
    [
        ["--facet", "kind", "--free-axes", "both", "--clip", "2"],
        ["-l", "a", "-l", "b", "--view", "compare", "--sort", "relative"],
        ["--where", "kind=a", "--stat", "max"],
    ],
)
def test_options_reach_the_figure(two_runs, options, capsys):
    """Every later spelling is accepted."""
    assert run(["plot", "old.json", "new.json", "--metric", "peak", *options]) == 0


@pytest.mark.parametrize(
    "options",
    [["--linear"], ["--log-log"], ["--log-x", "--linear-y", "--y-zero"], ["--band", "minmax", "--color", "run"]],
)
def test_scaling_options_reach_the_figure(scaling_run, options, capsys):
    """Axes, bands and colours."""
    assert run(["plot", "sizes.json", "--x", "n", *options]) == 0


def test_nothing_is_saved_here(tmp_path, monkeypatch, capsys):
    """An empty list says where it was looked for."""
    monkeypatch.chdir(tmp_path)
    assert run(["plot", "nope.json"]) == 2
    assert "available: [] (nothing is saved under .benchmarks here)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nope.json"], 2, "missing: ['nope.json']\navailable: ['.benchmarks/saved.json']"),
        (["old.json", "--view", "pie"], 2, "unknown view 'pie'; choose from compare, scatter, sweep, scaling"),
        (["old.json", "-o", "x.bmp"], 2, "unsupported output suffix '.bmp'"),
        (["old.json", "--where", "kind"], 2, "--where 'kind' is not KEY=VALUE"),
        (["old.json", "--metric", "weight"], 2, "weight"),
        (["old.json", "--metric", "peak", "--columns", "time"], 2, "contradict each other"),
        (["old.json", "--pivot", "kind", "--view", "sweep"], 2, "--pivot does not go with --view sweep"),
        (["old.json", "--metric", "peak"], 1, "needs one numeric dim as x axis, and there is none"),
        (["old.json", "new.json", "-l", "a"], 1, "labels has 1 entries but there are 2 snapshot(s)"),
        (["old.json", "new.json", "--facet", "nope"], 2, "unknown facet 'nope'"),
        (["old.json", "new.json", "--clip", "-1"], 2, "--clip -1.0 is not a positive number"),
        (["old.json", "new.json", "--clip", "nan"], 2, "--clip nan is not a positive number"),
        (["old.json", "new.json", "--sort", "size"], 2, "unknown --sort 'size'; choose from absolute, relative"),
        (["old.json", "new.json", "--metric", "peak", "--stat", "p99"], 2, "unknown stat 'p99'; choose from min"),
        (["old.json", "--stat", "p99"], 2, "unknown stat 'p99': no benchmark of 'old.json' has it"),
        (["old.json", "--x", "nope"], 2, "unknown x 'nope'"),
        (["old.json", "--pivot", "nope"], 2, "unknown pivot 'nope'"),
        (["old.json", "new.json", "--pivot", "kind"], 2, "--pivot folds a single run, and 2 were given"),
        (["old.json", "broken.json"], 1, "broken.json"),
        (["old.json", "new.json", "-o", "old.json/x.html"], 2, "old.json/x.html"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(two_runs, tmp_path, capsys, arguments, code, message):
    """2 for wrong usage, 1 for a run that cannot be used."""
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / ".benchmarks").mkdir()
    (tmp_path / ".benchmarks/saved.json").write_text("{}")
    assert run(["plot", *arguments]) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == message.count("\n") + 1


def test_without_plotly_the_extra_is_named(scaling_run, capsys, monkeypatch):
    """Exit code 2, with both names."""
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    monkeypatch.delitem(sys.modules, "plotly", raising=False)
    assert run(["plot", "sizes.json"]) == 2
    err = capsys.readouterr().err
    assert "pytest-memory[plot]" in err
    assert "pytest-benchmem[plot]" in err


def test_open_shows_the_page(scaling_run, tmp_path, monkeypatch, capsys):
    """--open hands the file to the browser."""
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run(["plot", "sizes.json", "--open"]) == 0
    assert opened == [(tmp_path / ".benchmarks/plots/scaling-time.html").as_uri()]
