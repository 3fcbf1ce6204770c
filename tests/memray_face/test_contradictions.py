"""Flags that contradict each other or somebody else's, and Trackers that are not ours."""

import pytest

from .conftest import SUITE

NUMBER = "string | int" if pytest.version_tuple >= (9, 2) else "string"


@pytest.fixture(autouse=True)
def suite(pytester):
    pytester.makepyfile(test_suite=SUITE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--memray", "--native", "--memory-engine=tracemalloc"],
            "*--native needs the memray engine, but --memory-engine says 'tracemalloc'; drop one of the two*",
        ),
        (
            ["--memray", "--memray-bin-path=d", "--memory-engine=native"],
            "*--memray-bin-path needs the memray engine, but --memory-engine says 'native'*",
        ),
        (["--memray", "--memory-engine=none"], "*--memray measures the heap, but --memory-engine says 'none'*"),
        (
            ["--memray", "--trace-python-allocators", "--memory-granularity=malloc"],
            "*--trace-python-allocators counts every Python object, but granularity 'malloc'*",
        ),
        (["--memray", "--stacks=0"], "*--stacks: '0' shows no frame at all; write 1 or more*"),
        (["--memray", "--stacks=many"], "*--stacks: 'many' is not a whole number*"),
        (["--memray", "--most-allocations=-1"], "*--most-allocations: '-1' is not a whole number*"),
        (["--memray", "-o", "verbosity_memray=loud"], "*verbosity_memray: 'loud' is not a whole number*"),
    ],
)
def test_a_contradiction_is_a_usage_error(run, arguments, message):
    """It names both sides and says what to do, before the first test."""
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_flag_beats_an_ini_key_that_contradicts_it(run, pytester):
    """Who types --memory-engine wants it, whatever the project's ini file says of native frames."""
    pytester.makeini("[pytest]\nmemray = true\nnative = true\n")
    result = run("--memory-engine=tracemalloc")
    result.stdout.fnmatch_lines(["Measured by the tracemalloc engine*"])


def test_native_with_memray_named_is_no_contradiction(run):
    """They mean the same engine."""
    pytest.importorskip("memray")
    run("--memray", "--native", "--memory-engine=memray").assert_outcomes(passed=3)


def test_an_engine_that_is_missing_says_what_asked_for_it(run, monkeypatch):
    """Somebody who wrote --native must not wonder why memray is wanted."""
    monkeypatch.setitem(__import__("sys").modules, "memray", None)
    result = run("--memray", "--native")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--native: memray is not installed; pip install 'pytest-memory*"])


@pytest.mark.parametrize(
    ("module", "distribution", "name"),
    [
        ("pytest_memray", "pytest-memray", "memray"),
        ("pytest_memlog", "pytest-memlog", "memlog"),
        ("pytest_benchmem", "pytest-benchmem", "benchmem"),
    ],
)
def test_a_plugin_that_is_replaced_stops_the_run_unless_blocked(pytester, module, distribution, name):
    """Both define the same flags: one message says which to uninstall, or how to block either."""
    pytester.makepyfile(**{module: ""})
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess("--memory")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*pytest-memory replaces {distribution} *uninstall {distribution}, or block one with '-p no:{name}'*"]
    )
    pytester.runpytest_inprocess("--memory", "-p", f"no:{name}").assert_outcomes(passed=3)


CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--native", action="store_true", default=False, help="build natively")
    parser.addini("native", "build natively", type="bool", default=False)

def pytest_report_header(config):
    return f"theirs: {config.getoption('--native')} {config.getini('native')}"
"""


def test_general_names_stay_with_an_owner_that_has_them(run, pytester):
    """A project's own --native and ini key native keep their meaning, and are not read as ours."""
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nnative = true\n")
    result = run("--memray", "--native", "--memory-engine=tracemalloc")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["theirs: True True", "Measured by the tracemalloc engine*"])


def test_names_that_nobody_has_are_ours_and_in_the_help(run):
    """``--help`` lists every flag and ini key of the family."""
    text = run("--help").stdout.str()
    for name in (
        "--memray ",
        "--most-allocations",
        "--hide-memray-summary",
        "--memray-bin-path",
        "--memray-bin-prefix",
        "--stacks",
        "--native",
        "--trace-python-allocators",
        "--fail-on-increase",
        "memray (bool)",
        f"most_allocations ({NUMBER})",
        "hide_memray_summary (bool)",
        "memray_bin_path (string)",
        "memray_bin_prefix (string)",
        f"stacks ({NUMBER})",
        "native (bool)",
        "trace_python_allocators (bool)",
        "fail_on_increase (bool)",
        "fail-on-increase (bool)",
        f"verbosity_memray ({NUMBER})",
    ):
        assert name in text, name


def test_a_test_with_a_tracker_of_its_own_is_told_what_to_do(run, pytester):
    """memray allows one Tracker per process: the failure says so, and how to measure all the same."""
    pytest.importorskip("memray")
    pytester.makepyfile(
        test_suite="import memray\ndef test_it(tmp_path):\n    with memray.Tracker(tmp_path / 'a.bin'): pass\n"
    )
    result = run("--memray", "--memory-engine=memray")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*No more than one Tracker*", "*- pytest-memory -*", "*--memory-engine=native*"])


def test_a_fixture_that_tracks_leaves_the_call_unmeasured(run, pytester):
    """The test passes; the summary says who held the Tracker."""
    pytest.importorskip("memray")
    pytester.makepyfile(
        test_suite="""
import memray, pytest

@pytest.fixture
def tracked(tmp_path):
    with memray.Tracker(tmp_path / "theirs.bin") as tracker:
        yield

@pytest.mark.limit_memory("1 MB")
def test_it(tracked):
    bytearray(5_000_000)
"""
    )
    result = run("--memory-engine=memray")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 limit not judged: memray cannot track: *"])
