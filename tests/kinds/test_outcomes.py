"""However an attempt ends, it has one record with what was measured of it; pytest's own rules apply to limits."""

import textwrap

import pytest

from pytest_memory.store.runs import read_run


@pytest.fixture(autouse=True)
def few_plugins(monkeypatch):
    """Load the plugins that a test names and no others: a session starts in a quarter of the time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_memory.entry")


PROCESSES = pytest.mark.parametrize("processes", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
RERUNFAILURES = ("-p", "pytest_rerunfailures")

OUTCOMES = """
    import pytest

    TAKES = 4_000_000

    @pytest.fixture
    def broken():
        bytearray(TAKES)
        raise ValueError("in the setup")

    @pytest.fixture
    def leaves_badly():
        yield
        bytearray(TAKES)
        raise ValueError("in the teardown")

    def test_passes():
        bytearray(TAKES)

    def test_fails():
        bytearray(TAKES)
        assert False

    @pytest.mark.limit_memory("1 MB")
    def test_fails_and_is_over():
        bytearray(TAKES)
        assert False, "its own reason"

    @pytest.mark.skip
    def test_skipped():
        bytearray(TAKES)

    def test_skips_itself():
        bytearray(TAKES)
        pytest.skip()

    @pytest.mark.xfail
    def test_xfails():
        bytearray(TAKES)
        assert False

    @pytest.mark.xfail(strict=False)
    def test_xpasses():
        bytearray(TAKES)

    @pytest.mark.xfail(strict=True)
    def test_xpasses_strictly():
        bytearray(TAKES)

    @pytest.mark.xfail(strict=True)
    @pytest.mark.limit_memory("1 MB")
    def test_xfails_for_its_limit():
        bytearray(TAKES)

    @pytest.mark.xfail(run=False)
    def test_xfails_unrun():
        bytearray(TAKES)

    def test_errors_in_setup(broken):
        pass

    def test_errors_in_teardown(leaves_badly):
        bytearray(TAKES)

    @pytest.mark.limit_memory("1 MB", phase="setup")
    def test_over_in_setup(broken_not):
        pass

    @pytest.fixture
    def broken_not():
        bytearray(TAKES)

    @pytest.mark.limit_memory("1 MB", phase="teardown")
    def test_over_in_teardown(leaves):
        pass

    @pytest.fixture
    def leaves():
        yield
        bytearray(TAKES)
"""

EXPECTED = {
    # name: outcome, phases, phases that took 4 MB
    "passes": ("passed", "setup call teardown", "call"),
    "fails": ("failed", "setup call teardown", "call"),
    "fails_and_is_over": ("failed", "setup call teardown", "call"),
    "skipped": ("skipped", "setup teardown", ""),
    "skips_itself": ("skipped", "setup call teardown", "call"),
    "xfails": ("xfailed", "setup call teardown", "call"),
    "xpasses": ("xpassed", "setup call teardown", "call"),
    "xpasses_strictly": ("failed", "setup call teardown", "call"),
    "xfails_for_its_limit": ("xfailed", "setup call teardown", "call"),
    "xfails_unrun": ("xfailed", "setup teardown", ""),
    "errors_in_setup": ("error", "setup teardown", "setup"),
    "errors_in_teardown": ("error", "setup call teardown", "call teardown"),
    "over_in_setup": ("error", "setup teardown", "setup"),
    "over_in_teardown": ("error", "setup call teardown", "teardown"),
}


def written(folder):
    (folder / "test_outcomes.py").write_text(textwrap.dedent(OUTCOMES))
    return folder


def peaks(record):
    return {phase: usage.heap.peak for phase, usage in record.phases.items() if usage.heap is not None}


def took(record):
    """The phases that took 4 MB; where an engine measures no setup and no teardown without a limit, as promised."""
    _, _, promised = EXPECTED[record.nodeid.rpartition("::test_")[2]]
    measured = peaks(record)
    return " ".join(
        phase
        for phase in record.phases
        if (measured[phase] >= 4_000_000 if phase in measured else phase in promised.split())
    )


@PROCESSES
def test_outcomes(pytester, processes):
    """Each attempt has one record with pytest's own outcome, the phases that ran, and what each has used."""
    written(pytester.path)
    pytester.runpytest_subprocess("--memory", "--memory-report=run.json", *processes)
    records = {
        record.nodeid.rpartition("::test_")[2]: record for record in read_run(pytester.path / "run.json").records
    }
    assert {
        name: (
            record.outcome,
            " ".join(record.phases),
            took(record),
        )
        for name, record in records.items()
    } == EXPECTED


class TestLimitsFollowPytest:
    """A broken limit is an ordinary failure of its phase."""

    def test_a_failure_keeps_its_own_reason(self, pytester):
        """A test that fails by itself is not said to have failed for its limit."""
        written(pytester.path)
        result = pytester.runpytest_subprocess("-k", "fails_and_is_over")
        result.stdout.fnmatch_lines(["*AssertionError: its own reason*", "FAILED *"])
        result.stdout.no_fnmatch_line("*Test was limited to*")
        result.stdout.no_fnmatch_line("*memray-max-memory*")

    def test_strict_xfail(self, pytester):
        """Over the limit under xfail(strict=True) is the failure that was expected."""
        written(pytester.path)
        result = pytester.runpytest_subprocess("-k", "xfails_for_its_limit")
        result.assert_outcomes(xfailed=1)

    def test_over_in_setup_and_teardown(self, pytester):
        """A limit on a phase other than the call is an error of that phase, as a broken fixture is."""
        written(pytester.path)
        result = pytester.runpytest_subprocess("-k", "over_in")
        result.assert_outcomes(passed=1, errors=2)

    def test_exitfirst(self, pytester):
        """-x stops at a broken limit, and the reports are written all the same."""
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.limit_memory("1 MB")
            def test_over():
                bytearray(4_000_000)

            def test_never_run():
                pass
            """
        )
        result = pytester.runpytest_subprocess("-x", "--memory", "--memory-report=run.json")
        result.stdout.fnmatch_lines(["*= memory =*", "MEMORY PROBLEMS *", "*stopping after 1 failures*"])
        (record,) = read_run(pytester.path / "run.json").records
        assert (record.nodeid, record.outcome) == ("test_exitfirst.py::test_over", "failed")

    def test_last_failed(self, pytester):
        """--lf runs the test again that broke its limit."""
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.limit_memory("1 MB")
            def test_over():
                bytearray(4_000_000)

            def test_other():
                pass
            """
        )
        pytester.runpytest_subprocess().assert_outcomes(failed=1, passed=1)
        pytester.runpytest_subprocess("--lf").assert_outcomes(failed=1)


def test_interrupted(pytester):
    """After Ctrl-C in the middle of a test the report is there, and says that the test did not finish."""
    pytester.makepyfile(
        """
        def test_first():
            bytearray(4_000_000)

        def test_interrupted():
            raise KeyboardInterrupt

        def test_never_run():
            pass
        """
    )
    result = pytester.runpytest_subprocess("--memory", "--memory-report=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*= memory =*"])
    first, second = read_run(pytester.path / "run.json").records
    assert (first.outcome, peaks(first)["call"] >= 4_000_000) == ("passed", True)
    assert (second.nodeid, second.outcome) == ("test_interrupted.py::test_interrupted", "unfinished")


RERUN = """
    import pytest

    attempts = []

    {marker}
    def test_second_time():
        attempts.append(1)
        bytearray(len(attempts) * 4_000_000)
        assert len(attempts) == 2
"""


@PROCESSES
class TestReruns:
    """Each attempt at a test is measured by itself."""

    def records(self, pytester, *options):
        result = pytester.runpytest_subprocess("--memory", "--memory-report=run.json", *options)
        return result, read_run(pytester.path / "run.json").records

    def test_rerunfailures(self, pytester, processes):
        """pytest-rerunfailures: a record for each attempt, the first of outcome rerun."""
        pytester.makepyfile(RERUN.format(marker="@pytest.mark.flaky(reruns=2)"))
        result, records = self.records(pytester, *RERUNFAILURES, *processes)
        result.stdout.fnmatch_lines(["*1 passed*1 rerun*"])
        assert [record.outcome for record in records] == ["rerun", "passed"]
        first, second = (peaks(record)["call"] for record in records)
        assert 4_000_000 <= first < 5_000_000
        assert 8_000_000 <= second < 9_000_000

    def test_rerunfailures_limit(self, pytester, processes):
        """A broken limit is rerun as any failure, and each attempt is judged."""
        pytester.makepyfile(
            """
            import pytest

            attempts = []

            @pytest.mark.flaky(reruns=2)
            @pytest.mark.limit_memory("5 MB")
            def test_less_each_time():
                attempts.append(1)
                bytearray(8_000_000 // len(attempts))
            """
        )
        result, records = self.records(pytester, *RERUNFAILURES, *processes)
        result.stdout.fnmatch_lines(["*1 passed*1 rerun*"])
        assert [record.verdicts[0].outcome for record in records] == ["exceeded", "passed"]

    def test_flaky(self, pytester, processes):
        """flaky reports no failed attempt that it runs again; what it used is in a record all the same."""
        pytester.makepyfile("from flaky import flaky\n" + textwrap.dedent(RERUN.format(marker="@flaky")))
        result, records = self.records(pytester, "-p", "flaky.flaky_pytest_plugin", *processes)
        result.stdout.fnmatch_lines(["*1 passed*"])
        assert [record.outcome for record in records] == ["rerun", "passed"]
        first, second = (peaks(record)["call"] for record in records)
        assert 4_000_000 <= first < 5_000_000
        assert 8_000_000 <= second < 9_000_000


def test_a_crashed_worker_leaves_one_record(pytester):
    """What was measured before the crash and that it crashed are one attempt at one test."""
    pytester.makepyfile("import os\n\ndef test_crash():\n    x = bytearray(50_000_000)\n    os._exit(3)")
    done = pytester.runpytest_subprocess("-p", "xdist", "-n", "1", "--memory", "--memory-report=run.json")
    (record,) = read_run(pytester.path / "run.json").records
    assert (record.outcome, tuple(record.phases)) == ("crashed", ("setup",))
    done.stdout.fnmatch_lines(["peak  test", "   —  *::test_crash", "      its worker crashed"])


def test_tests_of_one_node_id_are_told(pytester):
    """Outside its root directory pytest names no file; --rootdir tells the tests apart."""
    for name in ("one", "two"):
        pytester.mkpydir(name)
        (pytester.path / name / "test_it.py").write_text("def test_it(): pass")
    (pytester.path / "elsewhere").mkdir()
    files = [str(pytester.path / name / "test_it.py") for name in ("one", "two")]
    done = pytester.runpytest_subprocess("--memory", "--rootdir=elsewhere", *files)
    done.stdout.fnmatch_lines(["tests in several files have one node id, such as '::test_it', and count*"])
    assert "node id" not in str(pytester.runpytest_subprocess("--memory", *files).stdout)
    assert "node id" not in str(
        pytester.runpytest_subprocess("--memory", "--keep-duplicates", files[0], files[0]).stdout
    )
