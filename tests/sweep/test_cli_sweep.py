"""The command, over an index on disk and a stand-in for pytest."""

import json

import pytest

from pytest_memory.cli.app import run

HARNESS = ["--pin", "pytest-memory==0.0.1"]


def swept(*arguments):
    """Run the command over the toy package."""
    return run(["sweep", "toy", *arguments, "--suite", "bench", *HARNESS])


def test_one_run_per_version_and_the_next_commands(offline, capsys):
    """The documented one-liner works from a directory with nothing but a suite."""
    assert swept("1.0", "3.0.post1") == 0
    out = capsys.readouterr().out
    assert "sweep[1.0]: " in out
    assert "--benchmark-only" in out
    assert "--benchmark-memory" in out
    assert "sweep: wrote 2 run(s) under .benchmarks/sweep/" in out
    assert "pytest-memory compare .benchmarks/sweep/1.0.json .benchmarks/sweep/3.0.post1.json --metric peak" in out
    document = json.loads((offline / ".benchmarks/sweep/3.0.post1.json").read_text())
    assert document["benchmarks"][0]["stats"]["min"] == 3


def test_versions_already_done_are_skipped_until_the_suite_changes(offline, capsys):
    """A second sweep runs what is new; a changed suite, other arguments or --rerun run everything."""
    assert swept("1.0") == 0
    capsys.readouterr()
    assert swept("1.0", "3.0.post1") == 0
    out = capsys.readouterr().out
    assert "sweep[1.0]: already done" in out
    assert "sweep[3.0.post1]: /" in out
    assert "wrote 2 run(s)" in out
    for extra in (["--rerun"], ["--no-memory"]):
        assert swept("1.0", *extra) == 0
        assert "already done" not in capsys.readouterr().out
    (offline / "bench" / "test_toy.py").write_text("# changed\n")
    assert swept("1.0") == 0
    assert "already done" not in capsys.readouterr().out


def test_a_version_that_cannot_be_installed_fails_alone(offline, capsys):
    """The others run; the exit code and the stage tell."""
    assert swept("9.9", "1.0") == 1
    captured = capsys.readouterr()
    assert "sweep[9.9]: install failed: " in captured.out
    assert captured.err.splitlines()[-1] == "failed to provision: 9.9"
    assert "wrote 1 run(s)" in captured.out


def test_fail_fast_stops_at_the_first_failure(offline, capsys):
    """What comes after it is not run."""
    assert swept("9.9", "1.0", "--fail-fast") == 1
    assert "wrote 0 run(s)" in capsys.readouterr().out


def test_a_suite_that_fails_keeps_its_data_and_tells(offline, capsys):
    """Exit code 1 with pytest's last lines, and the run is there."""
    assert swept("2.0") == 1
    captured = capsys.readouterr()
    assert "pytest exited with 1 for 2.0; its 1 benchmarks are kept" in captured.out
    assert "    running ['bench'" in captured.out
    assert (offline / ".benchmarks/sweep/2.0.json").exists()


def test_a_suite_without_benchmarks_is_told(offline, capsys):
    """No file is written for it."""
    assert swept("1.0", "--pytest-arg=--empty") == 1
    assert "no benchmark data from 1.0" in capsys.readouterr().err
    assert not (offline / ".benchmarks/sweep/1.0.json").exists()


def test_a_test_in_a_file_is_found_in_the_copy(offline, capsys):
    """PATH::NAME points into the copied directory."""
    assert run(["sweep", "toy", "1.0", "--suite", "bench/test_toy.py::test_toy", *HARNESS]) == 0
    assert " bench/test_toy.py::test_toy " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy", "1.0"], "--suite"),
        (["toy", "1.0", "--suite", "nowhere/"], "--suite 'nowhere/' does not exist"),
        (["toy", "1.0", "--suite", "bench", "--copy-dir", "nowhere"], "--copy-dir 'nowhere' is not a directory"),
        (["toy", "1.0", "--suite", "bench", "--as-of", "yesterday"], "--as-of 'yesterday' is not a date"),
        (["toy", "1.0", "--suite", "bench", "--out", "bench/test_toy.py"], "is not a directory"),
        (["toy/", "1.0", "--suite", "bench"], "package 'toy/' is not a name"),
        (["toy", "1.0", "--suite", "bench", "--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_usage_is_told_before_anything_runs(offline, capsys, arguments, message):
    """Exit code 2 and one line."""
    assert run(["sweep", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_suite_that_holds_the_package_itself_is_refused(offline, capsys):
    """The copy would be measured in place of every version."""
    (offline / "bench" / "toy.py").write_text("COST = 7\n")
    assert swept("1.0") == 2
    assert "toy.py in it would be measured in place of every version" in capsys.readouterr().err


def test_without_uv_the_extra_is_named(offline, capsys, monkeypatch):
    """Exit code 2."""
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert swept("1.0") == 2
    assert "pytest-memory[sweep]" in capsys.readouterr().err
