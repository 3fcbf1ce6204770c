"""§10: kept captures as pages, and the stacks of a saved run for other viewers."""

from __future__ import annotations

import json
import sys

import pytest

from pytest_memory.cli.app import run
from pytest_memory.model import AllocationSite, HeapUsage, PhaseUsage, Run, StackFrame, TestRecord
from pytest_memory.report.stacks import StackProfile, render_collapsed, render_speedscope
from pytest_memory.store.runs import write_run

from .test_readers import ENVIRONMENT

MAIN, WORK, LEAF = StackFrame("main", "a.py", 1), StackFrame("work", "a.py", 5), StackFrame("leaf;x", "b.py", 9)
PROFILE = StackProfile("t.py::a", (AllocationSite(300, 3, (LEAF, WORK, MAIN)), AllocationSite(50, 1, (WORK, MAIN))))


def test_collapsed_stacks():
    """Outermost frame first, a semicolon between frames and none in them, bytes at the end."""
    assert render_collapsed([PROFILE]) == (
        "main (a.py:1);work (a.py:5);leaf:x (b.py:9) 300\nmain (a.py:1);work (a.py:5) 50\n"
    )


def test_collapsed_stacks_of_several_tests_start_at_the_test():
    """So that one picture can hold them all."""
    other = StackProfile("t.py::b", (AllocationSite(1, 1, ()),))
    assert render_collapsed([PROFILE, other]).splitlines()[2] == "t.py::b 1"
    assert render_collapsed([other]) == "[unknown] 1\n"


def test_speedscope():
    """Frames are shared; every sample is a stack from the outermost frame in, weighing its bytes."""
    document = json.loads(render_speedscope([PROFILE], version="1.0"))
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    names = [frame["name"] for frame in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    assert (profile["type"], profile["unit"], profile["endValue"]) == ("sampled", "bytes", 350)
    assert [[names[index] for index in sample] for sample in profile["samples"]] == [
        ["main", "work", "leaf;x"],
        ["main", "work"],
    ]
    assert profile["weights"] == [300, 50]


@pytest.fixture
def saved(tmp_path):
    """A run with two tests that have stacks, and one without."""

    def record(nodeid, peak, sites):
        return TestRecord(nodeid, "passed", phases={"call": PhaseUsage(0.1, HeapUsage(peak, 1, 2, 3))}, sites=sites)

    records = (
        record("t.py::a", 400, PROFILE.sites),
        record("t.py::b", 900, PROFILE.sites[:1]),
        record("t.py::c", 1, ()),
    )
    path = tmp_path / "run.json"
    write_run(path, Run(ENVIRONMENT, records))
    return path


def test_a_saved_run_is_exported(saved, capsys):
    """Every test with stacks, the largest first; the file is named after the run."""
    assert run(["flamegraph", str(saved)]) == 0
    document = json.loads(saved.with_name("run.speedscope.json").read_text())
    assert [profile["name"] for profile in document["profiles"]] == ["t.py::a", "t.py::b"]
    assert "2 test(s) → " in capsys.readouterr().out


def test_one_test_of_a_saved_run(saved, tmp_path):
    """By id, by a part of it, or the worst by a metric."""
    for arguments, text in ((["t.py::a"], "leaf:x"), ([":b"], "leaf:x"), (["--worst", "peak"], "leaf:x")):
        out = tmp_path / "out.txt"
        assert run(["flamegraph", str(saved), *arguments, "--report", "collapsed", "-o", str(out), "-f"]) == 0
        assert text in out.read_text()
        assert len(out.read_text().splitlines()) == (2 if arguments == ["t.py::a"] else 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["t.py::zz"], "no profile matches 't.py::zz'; there are: t.py::a, t.py::b"),
        (["t.py"], "'t.py' matches 2 profiles; be more specific: t.py::a, t.py::b"),
        (["t.py::a", "--worst", "peak"], "not both"),
        (["--worst", "size"], "unknown --worst 'size'"),
        (["--report", "flamegraph"], "unknown reporter 'flamegraph'; choose from speedscope, collapsed"),
        (["--native"], "no native traces"),
    ],
)
def test_wrong_usage_of_a_saved_run(saved, arguments, text, capsys):
    """Exit code 2, and what there is to choose from."""
    assert run(["flamegraph", str(saved), *arguments]) == 2
    assert text in capsys.readouterr().err


def test_nothing_is_overwritten_unasked(saved, capsys):
    """``-f`` asks."""
    assert [run(["flamegraph", str(saved), *more]) for more in ([], [], ["-f"])] == [0, 2, 0]
    assert "add -f to overwrite" in capsys.readouterr().err


def test_a_run_without_stacks(tmp_path, capsys):
    """Say how to get them."""
    path = tmp_path / "run.json"
    write_run(path, Run(ENVIRONMENT, ()))
    assert run(["flamegraph", str(path)]) == 2
    assert "--memory-detail=stacks" in capsys.readouterr().err
    assert run(["flamegraph", str(tmp_path / "nowhere")]) == 2


@pytest.fixture
def captures(tmp_path):
    """Names of captures without their content, for everything that happens before memray is asked."""
    for name in ("t.py__test_a_1_", "t.py__test_a_2_", "t.py__test_b"):
        (tmp_path / f"{name}.bin").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "3 profiles in "),
        (["test_a"], "be more specific: t.py__test_a_1_, t.py__test_a_2_"),
        (["test_z"], "no profile matches 'test_z'; there are: "),
        (["--report", "pie"], "unknown reporter 'pie'"),
    ],
)
def test_wrong_usage_of_a_folder(captures, arguments, text, capsys):
    """Exit code 2, listing what is available."""
    assert run(["flamegraph", str(captures), *arguments]) == 2
    assert text in capsys.readouterr().err


def test_an_empty_folder(tmp_path, capsys):
    """Say how to keep captures."""
    assert run(["flamegraph", str(tmp_path)]) == 2
    assert "no .bin profiles" in capsys.readouterr().err


def test_an_unreadable_capture_is_named(tmp_path, capsys):
    """memray's own words behind the file's name."""
    pytest.importorskip("memray")
    (tmp_path / "t.py__test_a.bin").touch()
    assert run(["flamegraph", str(tmp_path), "--worst", "peak"]) == 1
    assert "t.py__test_" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="memray has no Windows")
def test_a_capture_becomes_a_page(tmp_path):
    """By the id of its test; memray renders it next to the capture and is not allowed to overwrite it."""
    memray = pytest.importorskip("memray")
    with memray.Tracker(tmp_path / "t.py__test_a_1_.bin"):
        kept = [bytearray(1000) for _ in range(100)]
    assert len(kept) == 100
    assert run(["flamegraph", str(tmp_path), "t.py::test_a[1]"]) == 0
    page = tmp_path / "t.py__test_a_1_.flamegraph.html"
    assert "<html" in page.read_text()
    assert run(["flamegraph", str(tmp_path), "--native"]) == 2
