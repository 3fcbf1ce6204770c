"""How measurements get onto reports: when they are logged, or when they are made, with the same records either way."""

import importlib
import json
import sys
import time

import pytest

from pytest_memory.meter import HeapWindow
from pytest_memory.store.runs import read_run

SUITE = """
    import unittest
    import pytest

    def test_passes(): pass
    def test_fails(): assert not bytearray(2_000_000)
    def test_skips(): pytest.skip("why not")

    @pytest.mark.xfail(strict=True)
    def test_xfails(): assert 0

    @pytest.fixture
    def broken(): raise OSError

    def test_setup(broken): pass

    @pytest.fixture
    def leaving():
        yield
        raise OSError

    def test_teardown(leaving): pass

    class TestOld(unittest.TestCase):
        def test_old(self): pass

    def test_limited(request):
        request.node.add_marker(pytest.mark.limit_memory("1 MB", phase="teardown"))

    @pytest.mark.limit_memory("1 MB")
    def test_over(): assert bytearray(2_000_000)

    def test_last(): pass
"""

MAKES_REPORTS = """
    import pytest

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport():
        return (yield)
"""

LOGS_LATE = """
    from _pytest.runner import runtestprotocol

    late = []

    def pytest_runtest_protocol(item, nextitem):
        late.extend(runtestprotocol(item, nextitem=nextitem, log=False))
        return True

    def pytest_sessionfinish(session):
        for report in late:
            session.config.hook.pytest_runtest_logreport(report=report)
"""

FORKS = """
    import json, os
    import pytest
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        hook, (read, write) = item.config.hook, os.pipe()
        child = os.fork()
        if not child:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            told = [hook.pytest_report_to_serializable(config=item.config, report=report) for report in reports]
            os.write(write, json.dumps(told).encode())
            os._exit(0)
        os.waitpid(child, 0)
        for told in json.loads(os.read(read, 1 << 20)):
            report = hook.pytest_report_from_serializable(config=item.config, data=told)
            hook.pytest_runtest_logreport(report=report)
        return True
"""

FORKED_SUITE = "def test_one(): assert bytearray(2_000_000)\ndef test_two(): pass"


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs the suite without other plugins; gives the records without their numbers."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*arguments, conftest="", suite=SUITE):
        pytester.makeconftest(conftest)
        pytester.makepyfile(suite)
        pytester.runpytest_subprocess("-ppytest_memory.entry", "--memory", "--memory-report=run.json", *arguments)
        return [
            attempt
            for test in json.loads((pytester.path / "run.json").read_text())["tests"]
            for attempt in outline(test)
        ]

    return run


def outline(test):
    """Of each attempt: node id, outcome, verdicts, and which phases have which measurements."""
    for attempt in test["attempts"]:
        phases = {
            phase: sorted(key for key, value in usage.items() if value is not None)
            for phase, usage in attempt["phases"].items()
        }
        yield test["nodeid"], attempt["outcome"], [one["outcome"] for one in attempt.get("verdicts", ())], phases


@pytest.mark.parametrize("workers", [(), ("-pxdist", "-n1")], ids=["one process", "a worker"])
def test_the_same_records_either_way(run, workers):
    """Every kind of outcome, with and without somebody who makes reports too."""
    plain = run(*workers)
    assert len(plain) == 10
    assert [phases.keys() for _, outcome, _, phases in plain if outcome == "passed"] == [
        {"setup", "call", "teardown"}
    ] * 4
    assert run(*workers, conftest=MAKES_REPORTS) == plain


@pytest.mark.parametrize("conftest", ["", MAKES_REPORTS], ids=["alone", "with others"])
def test_the_test_that_was_interrupted(run, conftest):
    """No report tells of the phase in which Ctrl-C came: it is in the record, with the one before."""
    suite = "def test_one(): pass\ndef test_two(): raise KeyboardInterrupt\ndef test_three(): pass"
    ended, interrupted = run(conftest=conftest, suite=suite)
    assert (ended[1], list(ended[3])) == ("passed", ["setup", "call", "teardown"])
    assert interrupted[:2] == ("test_the_test_that_was_interrupted.py::test_two", "unfinished")
    assert list(interrupted[3]) == ["setup", "call"]


@pytest.mark.parametrize("workers", [(), ("-pxdist", "-n1")], ids=["one process", "a worker"])
@pytest.mark.parametrize("detail", ["sampled", "stacks"])
def test_the_fixture_that_needed_the_memory_is_named(pytester, monkeypatch, workers, detail):
    """One large block or many small ones, before the test or after it: it stands below what its phase needed."""
    pytest.importorskip("pytest_memory.engines.native._native")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def one_block():
            return bytearray(31 * 1024**2)

        @pytest.fixture
        def many_objects():
            return [bytes(1000) for _ in range(20_000)]

        @pytest.fixture
        def at_the_end():
            yield
            [bytes(1000) for _ in range(8_000)]

        def test_one(one_block): pass
        def test_many(many_objects): pass
        def test_end(at_the_end): pass
        def test_small(): pass
        """
    )
    result = pytester.runpytest_subprocess(
        "-ppytest_memory.entry", "--memory", f"--memory-detail={detail}", "-v", *workers
    )
    result.stdout.fnmatch_lines(
        [
            "*::test_one",
            "*setup peaked at 31 MiB",
            "*~31 MiB  one_block  *.py:5",
            "*::test_many",
            "*setup peaked at *",
            "*many_objects  *.py:9",
            "*::test_end",
            "*teardown peaked at *",
            "*at_the_end  *.py:14",
            "*::test_small",
        ],
    )
    lines = result.outlines
    large = lines[next(i for i, each in enumerate(lines) if "one_block" in each) :]
    assert "_multicall" not in "".join(large[: next(i for i, each in enumerate(large) if "::test_small" in each)])


def test_who_pays_for_a_wrapper(pytester, monkeypatch):
    """Nobody, unless others make reports or a test has a limit."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import pytest

        def wrapped(request):
            return request.config.pluginmanager.has_plugin("pytest-memory-made-reports")

        def test_plain(request): assert not wrapped(request)

        @pytest.mark.limit_memory("1 GB")
        def test_limited(request): assert wrapped(request)
        """
    )
    command = ("-ppytest_memory.entry", "--memory")
    pytester.runpytest_subprocess(*command).assert_outcomes(passed=2)
    pytester.makeconftest(MAKES_REPORTS)
    pytester.runpytest_subprocess(*command).assert_outcomes(passed=1, failed=1)


def test_the_seconds_of_a_phase_are_real_where_a_test_stops_the_clock(pytester):
    """As freezegun does: it replaces what modules have of ``time``."""
    pytester.makepyfile(
        """
        import sys, time
        import pytest

        @pytest.fixture
        def frozen():
            real = time.perf_counter
            with pytest.MonkeyPatch.context() as patch:
                for name, module in list(sys.modules.items()):
                    if module is not None and (name == "time" or name.startswith("pytest_memory")):
                        for attribute in [key for key, value in vars(module).items() if value is real]:
                            patch.setattr(module, attribute, lambda: 1e9)
                assert time.perf_counter() == 1e9
                yield

        def test_then(frozen): pass
        """
    )
    pytester.runpytest("--memory", "--memory-report=run.json").assert_outcomes(passed=1)
    (record,) = read_run(pytester.path / "run.json").records
    assert all(0 <= phase.seconds < 60 for phase in record.phases.values())


def test_a_session_that_begins_while_the_clock_stands_still(pytester, monkeypatch):
    """A test that has exchanged the clock runs a session of its own in its process."""
    importlib.import_module("pytest_memory.plugin.phases")
    monkeypatch.setattr(time, "perf_counter", lambda: 1e9)
    pytester.makepyfile("import time\ndef test_slow(): time.sleep(0.05)")
    arguments = "--memory", "--memory-report=run.json", "-pno:benchmark"  # which asks what kind of clock it is
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    (record,) = read_run(pytester.path / "run.json").records
    assert record.phases["call"].seconds >= 0.05


def test_each_window_opens_once(pytester, monkeypatch):
    """Also that of the first test which is no function, and of a function after one whose setup did not pass."""
    opened, begin = [], HeapWindow.begin

    def spy(self, seed):
        opened.append(self)
        begin(self, seed)

    monkeypatch.setattr(HeapWindow, "begin", spy)
    pytester.makepyfile(
        """
        import unittest
        import pytest

        class TestSkipped(unittest.TestCase):
            @pytest.mark.skip("why not")
            def test_skipped(self): pass

        def test_function(): pass

        class TestMethod(unittest.TestCase):
            def test_method(self): pass
        """
    )
    for chosen, count in ((), 2 + 3 + 3), (("-k", "Method"), 3):
        pytester.runpytest_inprocess("--memory", *chosen)
        assert len(opened) == count
        opened.clear()


def test_reports_that_are_logged_late(run):
    """A plugin that logs all reports at the end finds the measurements on them."""
    late = run(conftest=LOGS_LATE)
    assert late == run(conftest="")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_tests_that_run_in_forks(run):
    """What a fork has measured travels on the reports that it sends."""
    found = run(conftest=FORKS, suite=FORKED_SUITE)
    assert [(outcome, sorted(phases)) for _, outcome, _, phases in found] == [
        ("passed", ["call", "setup", "teardown"])
    ] * 2
