"""The recorder, the guard and the growth report in real sessions of pytest."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_memory.recorder.folders import sessions
from pytest_memory.recorder.reader import read_journal
from pytest_memory.recorder.sessions import read_session
from pytest_memory.store.runs import read_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recorder is exact on Linux only")

MIB = 1024**2
PLUGINS = ("-p", "pytest_memory.entry", "-p", "xdist.plugin")


@pytest.fixture()
def run(pytester, monkeypatch):
    """Run pytest, without other plugins than ours and xdist, in a process of its own: it may die.

    Output is read until everybody has closed it, the recorder too, which may speak after pytest's own end.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # for ``sampled``

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", *PLUGINS, *arguments]
        begun = time.monotonic()
        done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=120)
        print(done.stdout, done.stderr, sep="\n")
        lines = (done.stdout.splitlines(), done.stderr.splitlines())
        return pytest.RunResult(done.returncode, *lines, time.monotonic() - begun)

    return run


def test_memlog_writes_the_seeds_log(pytester, run):
    """--memlog makes memlog.json with rss, time and name, and says where it is and how high memory went."""
    pytester.makepyfile("from sampled import wait_for_samples\ndef test_one(): wait_for_samples()")
    result = run("--memlog", "--memlog-interval=0.01")
    result.assert_outcomes(passed=1)
    entries = json.loads((pytester.path / "memlog.json").read_text())
    assert all(set(entry) == {"rss", "time", "name"} for entry in entries)
    assert "test_memlog_writes_the_seeds_log.py::test_one" in {entry["name"] for entry in entries}
    result.stdout.fnmatch_lines(["memory log: * sample* in memlog.json", "*highest sample * MiB*"])


def test_the_recorder_is_small_and_is_not_taken_for_its_parent(pytester, run):
    """It holds less than 25 MiB, and what it tells of itself is not the peak of the pytest that started it."""
    pytester.makeconftest("ballast = bytearray(b'x') * (64 * 1024**2)")
    pytester.makepyfile("def test_one(): pass")
    run("--memlog").assert_outcomes(passed=1)
    (session,) = sessions(pytester.path / ".pytest_cache/d/memory")
    assert 2 * MIB < read_session(session).timeline.metadata["recorder"]["resident_peak"] < 25 * MIB


def test_ini_keys_and_another_path(pytester, run):
    """Every flag has its ini key."""
    pytester.makeini("[pytest]\nmemlog = true\nmemlog_path = other.json\nmemlog_interval = 600\nmemlog_warmup = 1.5\n")
    pytester.makepyfile("def test_one(): pass")
    result = run()
    result.assert_outcomes(passed=1)
    assert len(json.loads((pytester.path / "other.json").read_text())) == 1
    result.stdout.fnmatch_lines(["memory log: 1 sample in other.json"])
    timeline = read_session(sessions(pytester.path / ".pytest_cache/d/memory")[0]).timeline
    assert min(span.start for span in timeline.spans if span.nodeid.endswith("test_one")) >= timeline.origin + 1.5
    assert not (pytester.path / "memlog.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memlog-interval=0"], "--memlog-interval: '0' is not a number of seconds above zero"),
        (["--memlog-interval=-1"], "'-1' is not"),
        (["--memlog-interval=nan"], "'nan' is not"),
        (["--memlog-interval="], "--memlog-interval: the value '' is empty; write --memlog-interval=SECONDS"),
        (["--memlog-interval=fast"], "'fast' is not"),
        (["--memlog-warmup=-0.5"], "--memlog-warmup: '-0.5' is not a number of seconds zero or more"),
        (["--memlog-path=."], "--memlog-path: '.' is a directory; write 'memlog.json'"),
        (["--memlog-path="], "--memlog-path: the value '' is empty"),
        (["--memlog-path=nowhere/log.json"], "there is no directory"),
        (["--memory-growth=5 BANANA"], "unknown unit 'BANANA'"),
        (["--memory-growth", "folder"], "write --memory-growth=10MB folder"),
        (["--memory-guard=big"], "invalid --memory-guard 'big'"),
        (["--memory-guard=0B"], "'0B' leaves no memory at all"),
        (["--memory-guard=120%"], "'120%' is not a percentage from 1% to 100%"),
        (["--memory-guard=x%"], "'x%' is not a percentage"),
        (["--memory-guard=1GB", "--memory-guard-kill=90%"], "'90%' is not a percentage above 100"),
        (["--memory-guard-kill=90%"], "'90%' is not a percentage above 100"),
        (["--memory-guard=1MB"], "--memory-guard: '1MB' is below what pytest holds already (* ?iB); give it more"),
        (["--memory-guard=1MB", "--memory-guard-kill=9999%"], "'1MB' is below what pytest holds already"),
        (["--memory-guard=0.0001%"], "'0.0001%' (* for each test process) is below what pytest holds already"),
    ],
)
def test_bad_values_are_usage_errors(pytester, arguments, message):
    """Whatever cannot be used stops the run before the first test, names the value, and says what to write."""
    pytester.mkdir("folder")
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_inprocess("--memlog", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message.replace('[', '[[]')}*"])
    assert not (pytester.path / "memlog.json").exists()


def test_collect_only_leaves_nothing(pytester, run):
    """No log, no folder, no process under --collect-only."""
    pytester.makepyfile("def test_one(): pass")
    run("--memlog", "--collect-only", "-q")
    assert not (pytester.path / "memlog.json").exists()
    assert not (pytester.path / ".pytest_cache/d/memory").exists()


DEADLY = """
    import os, signal
    def test_before(): pass
    def test_deadly():
        {how}
    def test_after(): pass
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"), ("os._exit(0)", "left with status 0")],
)
def test_the_recorder_explains_a_death_and_the_next_run_tells_once(pytester, run, how, words):
    """The dead run's own output names the test; the next run says it in one line, the one after that does not."""
    pytester.makepyfile(test_it=DEADLY.format(how=how))
    result = run("--memlog", "-v")
    result.stdout.fnmatch_lines([f"*{words}*", "*test_it.py::test_deadly", "*results of this run are incomplete*"])
    assert (pytester.path / "memlog.json").exists()
    line = "memory: the last run died: process * in test_it.py::test_deadly (call)*"
    following = ("--memory", "-k", "before")
    run(*following).stdout.fnmatch_lines([line])
    run(*following).stdout.no_fnmatch_line(line)


def test_a_breadcrumb_is_left_without_a_recorder(pytester, run):
    """--memory alone is enough for the next run to know where the last one died; -q says it too."""
    pytester.makepyfile(test_it=DEADLY.format(how="os.kill(os.getpid(), signal.SIGKILL)"))
    run("--memory")
    result = run("--memory", "-q", "-k", "before")
    result.stdout.fnmatch_lines(["memory: the last run died: process * in test_it.py::test_deadly (call)*"])


def test_a_death_while_importing_names_the_module(pytester, run):
    """A run that dies in its collection dies in a module, and that is named."""
    pytester.makepyfile(test_it="import os\nos._exit(3)")
    run("--memlog").stdout.fnmatch_lines(["*left with status 3*while collecting", "*test_it.py"])


def test_the_autopsy_command_has_its_exit_codes(pytester, run):
    """0 when it explained a death, 1 when there is none to explain."""
    cli = os.path.join(os.path.dirname(sys.executable), "pytest-memory")  # noqa: PTH118, PTH120
    assert pytester.run(cli, "autopsy").ret == 1
    pytester.makepyfile(test_it=DEADLY.format(how="os._exit(5)"))
    run("--memory")
    result = pytester.run(cli, "autopsy")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_it.py::test_deadly"])
    run("--memory", "-k", "before")
    result = pytester.run(cli, "autopsy")
    assert result.ret == 1
    result.stderr.fnmatch_lines(["*ended in an orderly way; an earlier one died: pytest-memory autopsy *"])


def test_growth_is_reported_largest_first(pytester, run):
    """LEAKED nMB for each test that grew by more, with a word on what pytest keeps itself."""
    pytester.makepyfile(
        test_it="""
        kept = []
        def test_small(): kept.append(bytearray(b"x") * (24 * 1024**2))
        def test_large():
            print("captured")
            kept.append(bytearray(b"x") * (48 * 1024**2))
        def test_gone(): bytearray(b"x") * (48 * 1024**2)
        def test_failed(): assert 0
        """
    )
    result = run("--memory-growth=16MB", "--memory-report=run.json", "-rA")
    result.stdout.fnmatch_lines(
        [
            "LEAKED 48MB in test_it.py::test_large",
            "LEAKED 24MB in test_it.py::test_small",
            "pytest itself keeps * of captured output and the reports of 1 failed test,*",
        ]
    )
    result.stdout.no_fnmatch_line("LEAKED * in test_it.py::test_gone")
    tests = json.loads((pytester.path / "run.json").read_text())["tests"]
    growth = {test["nodeid"]: test["attempts"][0]["growth"] // MIB for test in tests}
    assert growth["test_it.py::test_large"] == 48


# The C library gives a block of more than 32 MiB back to the system at once, whatever was freed before.
FREED = """
    import unittest
    import pytest

    @pytest.fixture
    def own():
        return bytearray(40 * 1024**2)

    def test_one(own): pass
    def test_two(own): pass

    class TestOld(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def keep(self):
            self.own = bytearray(40 * 1024**2)

        def test_old(self): pass

    @pytest.mark.limit_memory("1 MB", phase="setup")
    def test_limited(own): pass

    kept = []
    def test_leaks(): kept.append(bytearray(48 * 1024**2))
    def test_last(own): pass
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "a worker"])
@pytest.mark.parametrize("measured", [(), ("--memory",)], ids=["growth alone", "all"])
def test_what_a_fixture_returned_is_no_growth(pytester, run, workers, measured):
    """pytest lets go of it after the teardown: the memory is there for the next test, and after the last one."""
    pytester.makepyfile(test_it=FREED)
    result = run("--memory-growth=10MB", "--memory-report=run.json", *measured, *workers)
    result.assert_outcomes(passed=5, errors=1)
    lines = [line for line in result.outlines if line.startswith("LEAKED")]
    assert [line.partition(" [")[0] for line in lines] in (
        ["LEAKED 48MB in test_it.py::test_leaks"],
        ["LEAKED 47MB in test_it.py::test_leaks"],
    )
    tests = json.loads((pytester.path / "run.json").read_text())["tests"]
    growths = {test["nodeid"].rpartition(":")[2]: test["attempts"][0]["growth"] for test in tests}
    assert len(growths) == 6
    assert all(abs(growth) < 4 * MIB for name, growth in growths.items() if name != "test_leaks")


def test_what_the_test_before_let_go_does_not_hide_a_leak(pytester, run):
    """A test is held against the memory at its own start, which is after the one before has let go."""
    pytester.makepyfile(
        test_it="""
        import pytest
        kept = []

        @pytest.fixture
        def own():
            return bytearray(40 * 1024**2)

        def test_one(own): pass
        def test_two(own): kept.append(bytearray(48 * 1024**2))
        def test_three(): pass
        """
    )
    result = run("--memory-growth=10MB")
    assert next(line for line in result.outlines if line.startswith("LEAKED"))[:9] in ("LEAKED 48", "LEAKED 47")
    result.stdout.no_fnmatch_line("LEAKED * in test_it.py::test_one")


GREEDY = """
    import pytest
    import time
    def take(room):
        room.extend(bytearray(b"x") * (4 * 1024**2) for _ in range(100))
        asked = time.monotonic()
        while time.monotonic() < asked + 60:  # the guard comes when the machine lets it
            time.sleep(0.01)
    def test_greedy():
        take([])
    def test_swallows():
        try:
            take([])
        except BaseException:
            pass
    def test_modest(): pass
"""


def test_the_guard_fails_the_greedy_and_the_run_goes_on(pytester, run):
    """A test past the limit fails where it was, also if it swallows the exception, and the next one has room."""
    pytester.makepyfile(test_it=GREEDY)
    result = run("--memory-guard=300MB", "--memory-guard-kill=1000%")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E   *MemoryGuardExceeded: the memory guard stopped this test at *test_it.py:*allows 300 MiB",
            "*the memory guard stopped this test at *(the test swallowed MemoryGuardExceeded)",
        ]
    )
    result.stdout.fnmatch_lines(["*allocated here:"])


def test_the_guard_leaves_other_signal_handlers_alone(pytester, run):
    """A handler that was there before is called for signals that are not the guard's, and is there again after."""
    pytester.makeconftest(
        """
        import signal
        from pytest_memory.recorder.guarding import guard_signal
        heard = []
        def pytest_load_initial_conftests(): pass
        signal.signal(guard_signal(), lambda number, frame: heard.append(number))
        """
    )
    pytester.makepyfile(
        """
        import os, signal
        from conftest import heard
        from pytest_memory.recorder.guarding import guard_signal
        def test_it():
            os.kill(os.getpid(), guard_signal())
            assert heard == [guard_signal()]
        """
    )
    run("--memory-guard=8GB").assert_outcomes(passed=1)


def test_under_xdist_a_worker_dies_and_the_run_goes_on(pytester, run):
    """Workers register with the one recorder: the crashed one is explained, the log names each entry's worker."""
    pytester.makepyfile(
        test_it="""
        import os, signal
        from sampled import wait_for_samples
        def test_before(): wait_for_samples(processes=3)  # with the controller
        def test_deadly():
            wait_for_samples(processes=3)
            os.kill(os.getpid(), signal.SIGKILL)
        def test_after(): pass
        """
    )
    result = run("--memlog", "--memlog-interval=0.02", "-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["Worker gw? (process *) was killed by SIGKILL while running", "*::test_deadly"])
    entries = json.loads((pytester.path / "memlog.json").read_text())
    assert {entry["worker"] for entry in entries} >= {"gw0", "gw1"}


def test_under_xdist_a_guard_that_is_too_small_is_refused_once(pytester, run):
    """The controller says so, and starts no worker."""
    pytester.makepyfile("def test_one(): pass")
    result = run("--memory-guard=1MB", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("is below what pytest holds already") == 1


def test_under_xdist_the_guard_acts_on_the_worker(pytester, run):
    """The greedy test fails in its worker; the controller is left alone."""
    pytester.makepyfile(test_it=GREEDY)
    result = run("--memory-guard=300MB", "--memory-guard-kill=1000%", "-n", "1")
    result.assert_outcomes(failed=2, passed=1)


def test_a_second_session_writes_beside_the_first(pytester, run):
    """A session inside another one on the same path keeps its own log, and says so."""
    pytester.makepyfile(
        test_inner="def test_inner(): pass",
        test_outer="""
        import subprocess, sys
        def test_outer():
            command = [sys.executable, "-m", "pytest", "--memlog", "-p", "pytest_memory.entry", "test_inner.py"]
            output = subprocess.run(command, capture_output=True, text=True).stdout
            assert "another session writes memlog.json at this moment" in output
        """,
    )
    run("--memlog", "test_outer.py").assert_outcomes(passed=1)
    assert len(list(pytester.path.glob("memlog*.json"))) == 2


def test_a_cache_that_cannot_be_written_moves_the_breadcrumbs(pytester, run, monkeypatch):
    """A read-only checkout is recorded in the user's cache, and the summary says so."""
    (pytester.path / ".pytest_cache").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "home"))
    pytester.makepyfile("def test_one(): pass")
    result = run("--memlog")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["memory: breadcrumbs are in *home*: pytest's cache cannot be written*"])


def test_without_a_cache_provider_the_users_cache_is_used(pytester, run, monkeypatch):
    """-p no:cacheprovider records all the same."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "home"))
    pytester.makepyfile("def test_one(): pass")
    run("--memlog", "-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert list((pytester.path / "home").rglob("session.journal"))


def test_a_fork_that_runs_on_into_pytest_disturbs_nothing(pytester, run):
    """A child that returns from os.fork() inside a test and goes on as pytest does not end the parent's recording."""
    pytester.makepyfile(
        test_it="""
        import os
        from sampled import wait_for_samples
        def test_forks():
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
        def test_after(): wait_for_samples()
        """
    )
    result = run("--memlog", "--memlog-interval=0.02")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*autopsy*")
    names = {entry["name"] for entry in json.loads((pytester.path / "memlog.json").read_text())}
    assert "test_it.py::test_after" in names


@pytest.mark.parametrize("mode", ["--memory", "--memlog", "--memory --memlog --memory-guard=90%"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_test_that_closes_our_descriptors_and_gets_their_numbers(pytester, run, mode, compiled):
    """Its files keep what it wrote and stay open, and no test has a growth that is not its own."""
    pytester.makeconftest(
        f"""
        import sys
        if not {compiled}:
            sys.modules["pytest_memory.instruments._kernel"] = sys.modules["pytest_memory.recorder._cells"] = None
        """
    )
    pytester.makepyfile(
        test_it="""
        import atexit, os
        files = {}
        def test_closes():
            pytests = [os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)]  # its faulthandler has one of these
            for number in map(int, os.listdir("/proc/self/fd")):
                link = f"/proc/self/fd/{number}"
                where = os.readlink(link) if os.path.lexists(link) else ""
                if where not in pytests and (where.startswith(("/proc/", "pipe:")) or "/memory/" in where):
                    files[number] = None
            assert len(files) > 4
            for number in files:
                file = open(f"file{number}", "w+b")
                file.write(b"what the test wrote")
                file.flush()
                os.dup2(file.fileno(), number)
                files[number] = file
        def test_after(): pass
        def test_later(): pass
        @atexit.register
        def look():
            for number, file in files.items():
                whole = os.path.sameopenfile(number, file.fileno())
                file.seek(0)
                print("whole" if whole and file.read() == b"what the test wrote" else f"damaged {number}")
        """
    )
    measured = "--memory" in mode.split()
    result = run("-s", *mode.split(), *(["--memory-report=run.json"] if measured else []))
    assert result.ret == 0
    result.stdout.no_fnmatch_line("damaged*")
    result.stdout.fnmatch_lines(["whole"])
    for path in pytester.path.glob("file*"):
        assert path.read_bytes() == b"what the test wrote"
    used = []
    if measured:
        records = read_run(pytester.path / "run.json").records
        used += [phase.resident for record in records for phase in record.phases.values()]
        assert len(used) == 9
    if "--memlog" in mode:
        result.stdout.fnmatch_lines(["memory log: * sample* in memlog.json"])
        (session,) = sessions(pytester.path / ".pytest_cache/d/memory")
        timeline = read_session(session).timeline
        assert (timeline.ended, timeline.deaths) == (True, ())
        assert {span.nodeid.partition("::")[2] for span in timeline.spans} == {
            "test_closes",
            "test_after",
            "test_later",
        }
        used += [span.resident for span in timeline.spans if span.resident is not None]
    assert all(resident.start > MIB for resident in used)
    assert all(abs(resident.end - resident.start) < 10 * MIB for resident in used)


def test_limits_mean_resident_memory_under_memlog_alone(pytester, run):
    """As in pytest-memlog, limit_memory binds the resident memory of the process; with --memory it is the heap."""
    pytester.makepyfile("import pytest\n@pytest.mark.limit_memory('1 MB')\ndef test_one(): pass")
    run("--memlog").assert_outcomes(failed=1)
    run("--memlog", "--memory").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "marked",
    ["pytestmark = pytest.mark.limit_memory(allocated='1 GB')", "late = True"],
    ids=["a marker in the file", "a marker that a fixture adds"],
)
def test_a_marker_begins_to_measure_a_recorded_session(pytester, run, marked):
    """--memlog loads what measures only when a marker wants it; no phase is lost or told twice by that."""
    pytester.makepyfile(
        test_it=f"""
        import pytest
        {marked}
        @pytest.fixture
        def limited(request):
            if "late" in globals():
                request.applymarker(pytest.mark.limit_memory(allocated="1 GB"))
        def test_one(limited): assert sum(range(1000))
        def test_two(): pass
        """
    )
    run("--memlog", "--memory-top=3").assert_outcomes(passed=2)
    run("--memlog").assert_outcomes(passed=2)
    journal = max(pytester.path.glob(".pytest_cache/d/memory/*/session.journal"), key=lambda path: path.stat().st_mtime)
    spans = read_journal(journal).spans
    phases = ["setup", "call", "teardown"]
    assert [(span.nodeid, span.activity) for span in spans] == [
        (f"test_it.py::{name}", phase) for name in ("test_one", "test_two") for phase in phases
    ]


def test_a_marker_is_judged_in_a_recorded_worker(pytester, run):
    """Under pytest-xdist the worker begins to measure when it sees the marker, and the controller understands it."""
    pytester.makepyfile("import pytest\n@pytest.mark.limit_memory(allocated='1 KB')\ndef test_one(): list(range(9999))")
    result = run("--memlog", "-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Test was limited to 1.0KiB allocated in total*", "MEMORY PROBLEMS *::test_one*"])


DYING = """
    import os, signal
    import pytest

    def die(when):
        if os.environ.get("DIE") == when:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("hook", "where"),
    [
        ("def pytest_runtest_setup(item): die('now')", "in test_it.py::test_one (setup)"),
        ("def pytest_runtest_teardown(item): die('now')", "in test_it.py::test_one (teardown)"),
        (
            "@pytest.hookimpl(wrapper=True)\n"
            "    def pytest_runtest_makereport(item, call):\n"
            "        report = yield\n"
            "        return report if call.when != 'teardown' else die('now')",
            "in test_it.py::test_one (teardown)",
        ),
        ("@pytest.hookimpl(trylast=True)\n    def pytest_runtest_logfinish(): die('now')", "between tests"),
        (
            "def pytest_runtest_protocol(item, nextitem):\n"
            "        item.config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)\n"
            "        die('now')",
            "in test_it.py::test_one (setup)",
        ),
    ],
    ids=["setup", "teardown", "the report of the teardown", "between tests", "a protocol that runs no phase here"],
)
@pytest.mark.parametrize("mode", ["--memory", "--memlog"])
def test_measured_or_recorded_it_is_known_where_a_session_dies(pytester, run, monkeypatch, mode, hook, where):
    """The first phase says where a test begins, and the last report where it ends; or pytest, where others run it."""
    pytester.makeconftest(DYING + "\n    " + hook)
    pytester.makepyfile(test_it="def test_one(): pass\ndef test_two(): pass")
    monkeypatch.setenv("DIE", "now")
    told = run(mode)  # by the recorder, where there is one
    monkeypatch.delenv("DIE")
    again = run(mode)
    lines = "\n".join([*told.outlines, *told.errlines, *again.outlines])
    assert where in lines


@pytest.mark.parametrize(
    ("mode", "conftest", "announced"),
    [
        ("--memory", "", False),
        ("--memlog", "", True),
        ("--memory", "def pytest_runtest_protocol(item, nextitem): pass", True),
    ],
    ids=["measured", "recorded alone", "somebody else runs the tests"],
)
def test_tests_are_announced_only_where_nobody_else_says_when_they_begin(pytester, run, mode, conftest, announced):
    """Two hooks more cost every test."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        """
        def test_it(pytestconfig):
            hooks = pytestconfig.hook.pytest_runtest_logstart.get_hookimpls()
            print("ours", sum(hook.function.__module__.startswith("pytest_memory") for hook in hooks))
        """
    )
    run("-s", mode).stdout.fnmatch_lines([f"*ours {int(announced)}"])
