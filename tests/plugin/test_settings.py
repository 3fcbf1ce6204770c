"""Flags and ini keys: every wrong one is a usage error before the first test, and nothing else happens."""

import json
import sys
from types import SimpleNamespace

import pytest

from pytest_memory.declaration import OPTIONS
from pytest_memory.errors import InvalidValue
from pytest_memory.meter import HeapWindow
from pytest_memory.plugin.options import OptionReader
from pytest_memory.store.runs import read_run

NEVER = "raise SystemExit('a test module was imported')"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--memory-engine=bogus"], "*--memory-engine: unknown value 'bogus'; choose from auto, *"),
        (["--memory-granularity=fine"], "*--memory-granularity: unknown value 'fine'*"),
        (["--memory-detail=all"], "*--memory-detail: unknown value 'all'*"),
        (["--memory-resident=maybe"], "*--memory-resident: unknown value 'maybe'*"),
        (["--memory-limit-metric=vms"], "*--memory-limit-metric: unknown value 'vms'*"),
        (["--memory-unmeasured=ignore"], "*--memory-unmeasured: unknown value 'ignore'*"),
        (["--memory-top=-1"], "*--memory-top: '-1' is not a whole number*"),
        (["--memory-top=ten"], "*--memory-top: 'ten' is not a whole number*"),
        (["--memory-limit=5 BANANA"], "*--memory-limit*unknown unit 'BANANA'*"),
        (["--memory-limit=100 MiBs"], "*--memory-limit*unknown unit 'MiBs'*"),
        (["--memory-limit=-1MB"], "*--memory-limit*'-1MB'*"),
        (["--memory-report=run.txt"], "*--memory-report: cannot write 'run.txt'; end it in *.json*"),
        (["--memory-report=nowhere/run.json"], "*--memory-report: there is no directory *nowhere*"),
        (["--memory-report=folder.json"], "*--memory-report: 'folder.json' is a directory*"),
        (["--memory-report=."], "*--memory-report: '.' is a directory; name a file in it*"),
        (["--memory-report="], "*--memory-report: the value '' is empty; write --memory-report=PATH or *"),
        (["--memory-limit="], "*--memory-limit: the value '' is empty; write --memory-limit=SIZE or leave *"),
        (["--memory-guard="], "*--memory-guard: the value '' is empty*"),
        (["--memory-growth= "], "*--memory-growth: the value ' ' is empty*"),
        (["--memory-top="], "*--memory-top: the value '' is empty*"),
        (["--memory-engine="], "*--memory-engine: the value '' is empty*"),
        (["--memory-guard-kill=abc"], "*--memory-guard-kill: 'abc' is not a percentage above 100*"),
        (["--memory-guard-kill=50%"], "*--memory-guard-kill: '50%' is not a percentage above 100*"),
        (["--memray-bin-prefix=a/b"], "*--memray-bin-prefix: 'a/b' is not the beginning of a file name*"),
    ],
)
def test_wrong_flag(pytester, arguments, text):
    """The message names the flag, repeats the value and says what to write."""
    pytester.makepyfile(NEVER)
    pytester.mkdir("folder.json")
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("memory_limit", "tests/ = lots", "*ini key memory_limit*'lots'*"),
        ("memory_report", "run.txt", "*ini key memory_report: cannot write 'run.txt'*"),
        ("memory", "maybe", "*ini key memory: invalid truth value 'maybe'; write true or false*"),
        ("memory_engine", "turbo", "*ini key memory_engine: unknown value 'turbo'*"),
        ("memlog_interval", "soon", "*ini key memlog_interval: 'soon' is not a number of seconds*"),
        ("memory_guard_kill", "1%", "*ini key memory_guard_kill: '1%' is not a percentage above 100*"),
        ("benchmark_memory_table", "both", "*ini key benchmark_memory_table: unknown value 'both'*"),
        ("verbosity_memray", "loud", "*ini key verbosity_memray: 'loud' is not a whole number*"),
    ],
)
def test_wrong_ini_key(pytester, key, value, text):
    """The message names the ini key, also of one that does nothing alone."""
    pytester.makepyfile(NEVER)
    pytester.makeini(f"[pytest]\n{key} = {value}\n")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.kind != "flag"], ids=lambda each: each.flag)
def test_a_flag_without_a_value(option):
    """``--memory-limit=$LIMIT`` without a LIMIT is a mistake, and so for every flag, but for lists with a default."""
    value = [""] if option.kind == "list" else ""
    config = SimpleNamespace(option=SimpleNamespace(**{option.dest: value}), stash={})
    if option.flag in ("--benchmark-memory-columns", "--benchmark-memory-stats"):
        assert OptionReader(config).given(option.flag).value == ""
        return
    with pytest.raises(InvalidValue, match=f"^{option.flag}: the value '' is empty; write {option.flag}="):
        OptionReader(config).given(option.flag)


def test_an_ini_key_without_a_value(pytester):
    """It is as if it were not there: ``-o memory_guard=`` switches the guard of the ini file off for one run."""
    keys = [name for option in OPTIONS if option.kind != "flag" for name in option.ini]
    pytester.makeini("\n".join(["[pytest]", *(f"{key} =" for key in keys), "verbosity_memray ="]))
    pytester.makepyfile("def test_it(): pass")
    for arguments in ((), ("--memory",)):
        pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)


def test_the_log_of_a_session_without_one(pytester):
    """A folder that an ini key names need not be there in a session that writes nothing into it."""
    pytester.makeini("[pytest]\nmemlog_path = build/memlog.json\n")
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert pytester.runpytest_inprocess("--memlog").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="before pytest 9.2 an ini key has one type")
class TestToml:
    """The ``[tool.pytest]`` table, where values have types."""

    def test_natural_values(self, pytester):
        """Numbers need no quotes, and what may go without a value may be switched."""
        pytester.makepyprojecttoml(
            """
            [tool.pytest]
            memory = true
            memory_top = 1
            memory_growth = true
            memlog_interval = 0.01
            memlog_warmup = 0
            most_allocations = 5
            stacks = 2
            benchmark_memory_repeats = "auto"
            benchmark_memory_max_time = 1.5
            benchmark_memory_compare = false
            verbosity_memray = 1
            """
        )
        pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
        result = pytester.runpytest_inprocess()
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["*and 1 more*"])

    @pytest.mark.parametrize(
        ("line", "text"),
        [
            ("memory_top = -1", "*ini key memory_top: -1 is not a whole number*"),
            ("memory_top = 1.5", "*'memory_top' expects one of *"),
            ("memlog_interval = -0.5", "*ini key memlog_interval: -0.5 is not a number of seconds*"),
            ("memory_limit = '5MB'", "*'memory_limit' expects a list*"),
            ("memory = 'maybe'", "*'memory' expects a bool*"),
        ],
    )
    def test_wrong_ones(self, pytester, line, text):
        """They are refused, with the key's name, whether the session measures or not."""
        pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
        pytester.makepyfile(NEVER)
        result = pytester.runpytest_inprocess()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([text])


def test_the_controller_refuses_before_its_workers_start(pytester):
    """Under pytest-xdist a wrong flag is told once, and no worker is started."""
    pytester.makepyfile(NEVER)
    result = pytester.runpytest_subprocess("-n2", "--memory-engine=bogus")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("unknown value 'bogus'") == 1


class TestPrecedence:
    """Flag over ini key over default."""

    @pytest.fixture(autouse=True)
    def suite(self, pytester):
        pytester.makepyfile("def test_it(): pass")

    def measured(self, pytester, *arguments):
        return "engine " in pytester.runpytest_inprocess(*arguments).stdout.str()

    def test_ini_key_counts(self, pytester):
        """memory = true measures without any flag (pytest-memray ignores its own ini keys)."""
        pytester.makeini("[pytest]\nmemory = true\n")
        assert self.measured(pytester)

    def test_no_memory_beats_the_ini_key(self, pytester):
        """--no-memory is for the one run that should not be measured."""
        pytester.makeini("[pytest]\nmemory = true\n")
        assert not self.measured(pytester, "--no-memory")

    def test_ini_false_is_idle(self, pytester):
        """memory = false asks for nothing."""
        pytester.makeini("[pytest]\nmemory = false\n")
        assert not self.measured(pytester)

    def test_flag_beats_the_ini_key(self, pytester):
        """A value on the command line replaces the one in the file."""
        pytester.makeini("[pytest]\nmemory_engine = memray\n")
        result = pytester.runpytest_inprocess("--memory", "--memory-engine=none")
        result.stdout.fnmatch_lines(["engine none*"])


class TestReports:
    """What is written and printed, and when."""

    def test_a_report_switches_measuring_on(self, pytester):
        """--memory-report needs no --memory; the file says how it was measured."""
        pytester.makepyfile("def test_it(): block = b'x' * 3_000_000")
        result = pytester.runpytest_inprocess("--memory-report=run.json")
        result.stdout.fnmatch_lines(["memory report written to *run.json"])
        run = json.loads((pytester.path / "run.json").read_text())
        assert run["format"] == "pytest-memory-run"
        assert run["tests"][0]["attempts"][0]["phases"]["call"]["heap"]["peak"] >= 3_000_000

    def test_after_exitfirst_and_interrupt(self, pytester):
        """Reports are written after -x and after Ctrl-C in the middle; the test that was running is unfinished."""
        pytester.makepyfile("def test_a(): pass\ndef test_b(): raise KeyboardInterrupt\ndef test_c(): pass")
        result = pytester.runpytest_subprocess("--memory", "--memory-report=run.json")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["*= memory =*", "memory report written to *"])
        run = json.loads((pytester.path / "run.json").read_text())
        outcomes = {test["nodeid"].partition("::")[2]: test["attempts"][0]["outcome"] for test in run["tests"]}
        assert outcomes == {"test_a": "passed", "test_b": "unfinished"}

    def test_a_file_that_cannot_be_written_in_the_end(self, pytester):
        """No result is lost: the tests' outcomes are told, then what could not be written; the run is not green."""
        pytester.makepyfile("import os\ndef test_it():\n os.rmdir('folder')\n open('folder', 'w').close()")
        pytester.mkdir("folder")
        result = pytester.runpytest_inprocess("--memory-report=folder/run.json")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["*folder*run.json*"])

    def test_one_report_whatever_the_number_of_workers(self, pytester):
        """The controller prints one section and writes one file, with each test's worker."""
        pytester.makepyfile("import pytest\n@pytest.mark.parametrize('i', range(6))\ndef test_it(i): pass")
        result = pytester.runpytest_subprocess("-n2", "--memory", "--memory-report=run.json")
        assert result.stdout.str().count("= memory =") == 1
        run = json.loads((pytester.path / "run.json").read_text())
        assert len(run["tests"]) == 6
        assert {test["worker"] for test in run["tests"]} <= {"gw0", "gw1"}
        assert run["measuring_seconds"] > 0

    def test_sampling_is_seeded_by_the_test(self, pytester, monkeypatch):
        """The same call stacks are sampled in every run, and others in every call; around it few are, with one seed."""
        pytest.importorskip("pytest_memory.engines.native._native")
        asked, began = [], HeapWindow.begin

        def spy(self, seed):
            asked.append((self.request.coarse, seed))
            began(self, seed)

        monkeypatch.setattr(HeapWindow, "begin", spy)
        pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
        runs = []
        for _ in range(2):
            pytester.runpytest_inprocess("--memory", "--memory-limit=1 GB")
            runs.append(asked[:])
            asked.clear()
        first, again = runs
        assert first == again
        assert [coarse for coarse, _ in first] == [True, False, True] * 2
        assert [seed for coarse, seed in first if coarse] == [0] * 4
        assert first[1] != first[4]

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no clock is fine enough")
    @pytest.mark.parametrize(
        ("workers", "counted"), [((), True), (("-n", "1"), False)], ids=["one process", "a worker"]
    )
    def test_a_worker_does_not_measure_its_neighbours(self, pytester, workers, counted):
        """What measuring costs a worker is its own time, not that of a process which ran in between."""
        pytester.makeconftest(
            """
            import time
            from pytest_memory.plugin.session import SESSION

            class Slow:
                takes_usage = True

                def enter(self, item, activity, nodeid):
                    time.sleep(0.2)
                def phase_ended(self, usage):
                    pass
                def leave(self):
                    pass

            def pytest_sessionstart(session):
                session.config.stash[SESSION].observers.append(Slow())
            """
        )
        pytester.makepyfile("def test_it(): pass")
        pytester.runpytest_subprocess("--memory", "--memory-report=run.json", *workers)
        took = json.loads((pytester.path / "run.json").read_text())["measuring_seconds"]
        assert (took >= 0.6) is counted

    @pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
    def test_every_stack_in_stacks_detail(self, pytester, workers):
        """Whoever asks for every call stack and for a file finds them all in it, of every test: they make the peak."""
        pytester.makepyfile(
            """
            import pytest
            @pytest.mark.parametrize("number", range(4))
            def test_it(number):
                kept = [bytes(10_000) + b"%d" % line for line in range(3)]
            """
        )
        arguments = ("--memory-detail=stacks", "--memory-top=1", "--memory-report=run.json", *workers)
        assert pytester.runpytest_subprocess(*arguments).ret == 0
        records = read_run(pytester.path / "run.json").records
        assert len(records) == 4
        for record in records:
            assert sum(site.bytes for site in record.sites) >= 0.99 * record.peak

    def test_deep_stacks_in_stacks_detail(self, pytester):
        """None of their frames is cut off either."""
        pytester.makepyfile(
            """
            def down(depth):
                return down(depth - 1) if depth else bytes(100_000)
            def test_it():
                kept = down(60)
            """
        )
        arguments = ("--memory-detail=stacks", "--memory-top=1", "--memory-report=run.json")
        assert pytester.runpytest_subprocess(*arguments).ret == 0
        (record,) = read_run(pytester.path / "run.json").records
        assert len(record.sites[0].frames) >= 61

    def test_collect_only_prints_and_writes_nothing(self, pytester):
        """There is nothing to tell of tests that did not run."""
        pytester.makepyfile("def test_it(): pass")
        result = pytester.runpytest_inprocess("--memory", "--memory-report=run.json", "--collect-only")
        assert "memory =" not in result.stdout.str()
        assert not (pytester.path / "run.json").exists()

    def test_junit_properties(self, pytester):
        """Each test case carries its memory, here and over workers."""
        pytester.makepyfile("def test_it(): block = b'x' * 3_000_000")
        for workers in ([], ["-n1"]):
            pytester.runpytest_subprocess("--memory", "--junitxml=junit.xml", *workers)
            text = (pytester.path / "junit.xml").read_text()
            assert 'name="memory.call.heap.peak" value="300' in text
            assert 'name="memory.setup.resident.start"' in text


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("pytest_memray", "pytest-memray"), ("pytest_memlog", "pytest-memlog"), ("pytest_benchmem", "pytest-benchmem")],
)
def test_a_plugin_that_we_replace(pytester, module, distribution, monkeypatch):
    """Installed beside us it is one clear usage error; blocked, or without autoload, it is none."""
    pytester.makepyfile(**{module: "", "test_it": "def test_it(): pass"})
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*uninstall {distribution}, or block one with '-p no:*'*"])
    assert pytester.runpytest_subprocess("-p", f"no:{module.removeprefix('pytest_')}").ret == 0
