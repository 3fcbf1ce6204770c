"""The program that compares outcomes must be able to find a difference, and must really have the engine on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import outcomes

pytest.importorskip("pytest_memory.engines.native._native")

FAILED = '<testcase classname="suite" name="test_it"><failure/></testcase>'
PASSED = '<testcase classname="suite" name="test_it"/>'
SKIPPED = '<testcase name="suite.test_it"><skipped/></testcase>'


def suite(without, engine):
    """A suite whose two runs write these results."""

    def command(cases):
        code = f"import sys; open(sys.argv[1][4:], 'w').write('<testsuite>{cases}</testsuite>')"
        return (sys.executable, "-S", "-c", code)

    return outcomes.Suite("suite", command(without), command(engine), "--x=")


def test_a_difference_is_named(tmp_path, capsys):
    """Passing without and failing with the engine is a difference."""
    assert not outcomes.compare(suite(PASSED, FAILED), tmp_path)
    assert "DIFFERS: suite::test_it: without ('passed',), with ('failure',)" in capsys.readouterr().out


def test_a_missing_test_is_a_difference(tmp_path, capsys):
    """So is a test that only one of the runs knows."""
    assert not outcomes.compare(suite(PASSED + SKIPPED, PASSED), tmp_path)
    assert "DIFFERS: suite.test_it: without ('skipped',), with None" in capsys.readouterr().out


def test_the_same_failures_are_the_same_outcome(tmp_path, capsys):
    """A suite does not need to pass."""
    assert outcomes.compare(suite(FAILED + PASSED, PASSED + FAILED), tmp_path)
    assert "1 tests, 1 failure, 1 passed\n    the same outcomes" in capsys.readouterr().out


def test_nothing_is_not_the_same(tmp_path):
    """Two runs without a test prove nothing."""
    assert not outcomes.compare(suite("", ""), tmp_path)


def test_a_crash_is_no_outcome(tmp_path):
    """A run that a signal ends is told with the end of its output, even if it wrote its results before."""
    crash = (sys.executable, "-S", "-c", "import os; print('the end', flush=True); os.abort()")
    (tmp_path / "with.xml").write_text(f"<testsuite>{PASSED}</testsuite>")
    with pytest.raises(SystemExit, match=r"(?s)with ended with status -6.*the end"):
        outcomes.run(crash, "--x=", tmp_path, "with")


def test_every_process_of_an_interpreter_is_measured(tmp_path):
    """The engine starts in isolated children too, and in the other interpreter of the pair in none."""
    child = "import sys; on = sys.modules.get('engine_on'); print(len(on.WINDOWS) if on else 'off')"
    interpreters = outcomes.everywhere(tmp_path)
    said = [subprocess.check_output([python, "-I", "-c", child], text=True) for python in interpreters]
    assert said == ["off\n", "2\n"]


def test_windows_of_the_engine_are_around_the_tests(tmp_path):
    """What differs between the two runs of a pytest suite is that the engine is in the process."""
    (tmp_path / "test_suite.py").write_text(
        "import sys\ndef test_it():\n    assert 'pytest_memory.engines.native._native' not in sys.modules\n"
    )
    command = [sys.executable, Path(outcomes.__file__), "pytest", "--", str(tmp_path / "test_suite.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "test_it: without ('passed',), with ('failure',)" in done.stdout
