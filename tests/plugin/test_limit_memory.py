"""``limit_memory`` from the marker to the exit code."""

import json

import pytest

OVER = """
    import pytest

    @pytest.mark.limit_memory("1 MB")
    def test_over():
        block = b"x" * 3_000_000
"""


def test_needs_no_flag(pytester):
    """A marker works without any option: the test fails, with letter M and the sentence of pytest-memray."""
    pytester.makepyfile(OVER)
    result = pytester.runpytest_inprocess("-rf")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "test_needs_no_flag.py M*",
            "Test was limited to 1.0MiB but allocated 2.9MiB (granularity: python)",
            "*memray-max-memory*",
            "List of allocations:",
            "MEMORY PROBLEMS *::test_over - MemoryLimitExceeded: Test*",
        ]
    )


def test_verbosity_of_the_list(pytester):
    """-q leaves the list of allocations out."""
    pytester.makepyfile(OVER)
    assert "List of allocations" not in pytester.runpytest_inprocess("-q").stdout.str()


def test_function_class_and_module(pytester):
    """The closest marker wins: the function's over the class's over the module's."""
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.limit_memory("1 MB")

        def test_module():
            block = b"x" * 3_000_000

        @pytest.mark.limit_memory("5 MB")
        class TestA:
            def test_class(self):
                block = b"x" * 3_000_000

            @pytest.mark.limit_memory("2 MB")
            def test_own(self):
                block = b"x" * 3_000_000
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB*", "Test was limited to 2.0MiB*"])


def test_several_bounds_each_judged(pytester):
    """Every broken bound of a test is told."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory("100 MB", rss="1 MB", retained=10)
        def test_it():
            global kept
            kept = b"x" * 3_000_000
        """
    )
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB of resident memory but reached *"])


def test_phase(pytester):
    """A fixture's memory is seen by a limit on the setup, and not by one on the call."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def big():
            return b"x" * 3_000_000

        @pytest.mark.limit_memory("1 MB", phase="setup")
        def test_setup(big):
            pass

        @pytest.mark.limit_memory("1 MB")
        def test_call(big):
            pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB but allocated 2.9MiB during setup*"])


def test_xfail_is_right(pytester):
    """An over-limit test under xfail(strict=True) is xfailed; one within its limit is XPASS(strict)."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xfail(strict=True)
        @pytest.mark.limit_memory("1 MB")
        def test_over():
            block = b"x" * 3_000_000

        @pytest.mark.xfail(strict=True)
        @pytest.mark.limit_memory("10 MB")
        def test_within():
            block = b"x" * 3_000_000
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*"])


def test_the_tests_own_failure_wins(pytester):
    """A test that fails by itself keeps its own traceback; the broken limit is still in the JSON."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory("1 MB")
        def test_it():
            block = b"x" * 3_000_000
            assert len(block) == 0
        """
    )
    result = pytester.runpytest_inprocess("--memory-report=run.json")
    result.stdout.fnmatch_lines(["*assert 3000000 == 0*"])
    attempt = json.loads((pytester.path / "run.json").read_text())["tests"][0]["attempts"][0]
    assert attempt["outcome"] == "failed"
    assert attempt["verdicts"][0]["outcome"] == "exceeded"


def test_added_at_run_time(pytester):
    """A limit that a fixture adds counts, also where nothing else of ours was asked for."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def limited(request):
            request.node.add_marker(pytest.mark.limit_memory("1 MB"))

        def test_it(limited):
            block = b"x" * 3_000_000
        """
    )
    for arguments in ([], ["--memory"]):
        result = pytester.runpytest_inprocess(*arguments)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["Test was limited to 1.0MiB but allocated 2.9MiB*"])


@pytest.mark.parametrize(
    "added",
    [
        "module.add_marker(pytest.mark.limit_memory('1 MB'))",
        "module.own_markers = [*module.own_markers, pytest.mark.limit_memory('1 MB').mark]",
    ],
)
def test_added_to_a_parent_at_run_time(pytester, added):
    """Tests that begin afterwards are bound by it, however it got there; their parents are looked for only once."""
    pytester.makepyfile(
        f"""
        import pytest

        def test_first(request):
            module = request.node.parent
            {added}

        def test_second():
            block = b"x" * 3_000_000
        """
    )
    pytester.runpytest_inprocess("--memory").assert_outcomes(passed=1, failed=1)


def test_added_at_run_time_to_a_test_case(pytester):
    """The hook for other kinds of test comes too late for the first of them: its call is measured all the same."""
    pytester.makepyfile(
        """
        import pytest, unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def limited(self, request):
                request.node.add_marker(pytest.mark.limit_memory("1 MB"))

            def test_one(self):
                block = b"x" * 3_000_000

            def test_two(self):
                block = b"x" * 3_000_000
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    assert "not judged" not in result.stdout.str()


def test_a_protocol_that_leaves_out_the_setup(pytester):
    """What begins with the call is measured too, from the first test on."""
    pytester.makeconftest(
        """
        import pytest

        class Item(pytest.Item):
            def runtest(self):
                block = b"x" * 3_000_000

        class File(pytest.File):
            def collect(self):
                return [Item.from_parent(self, name="one"), Item.from_parent(self, name="two")]

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".odd":
                return File.from_parent(parent, path=file_path)

        def pytest_runtest_protocol(item, nextitem):
            hook = item.ihook
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            call = pytest.CallInfo.from_call(lambda: hook.pytest_runtest_call(item=item), when="call")
            hook.pytest_runtest_logreport(report=hook.pytest_runtest_makereport(item=item, call=call))
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        """
    )
    (pytester.path / "a.odd").touch()
    without = [f"-pno:{name}" for name in ("logging", "rerunfailures", "flaky")]  # they count on a setup
    result = pytester.runpytest_inprocess(*without, "--memory-limit=1 MB", "a.odd")
    result.stdout.fnmatch_lines(["*2 failed*"])
    assert "not judged" not in result.stdout.str()


def test_wrong_one_added_at_run_time(pytester):
    """A wrong limit that a fixture adds fails that test, and no other."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def limited(request):
            request.node.add_marker(pytest.mark.limit_memory("1 BANANA"))

        def test_it(limited):
            pass

        def test_other():
            pass
        """
    )
    result = pytester.runpytest_inprocess("--memory")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*unknown unit 'BANANA'*"])


class TestAddedInTheBody:
    """A marker that the test itself adds while it runs, in a session that measures its tests."""

    def run(self, pytester, marker, *arguments, before=""):
        pytester.makepyfile(
            f"""
            import pytest
            {before}
            def test_it(request):
                request.node.add_marker(pytest.mark.{marker})
                block = request.node.kept = b"x" * 3_000_000

            def test_other():
                pass
            """
        )
        return pytester.runpytest_inprocess(*arguments)

    @pytest.mark.parametrize(
        ("marker", "text"),
        [
            ("limit_memory('1 MB')", "Test was limited to 1.0MiB but allocated 2.9MiB*"),
            ("limit_memory(retained='1 B')", "*retained*"),
            ("limit_memory('1 BANANA')", "*unknown unit 'BANANA'*"),
            ("limit_memory()", "*sets no limit*"),
            ("limit_leaks('1 BANANA')", "*unknown unit 'BANANA'*"),
        ],
    )
    def test_it_holds(self, pytester, marker, text):
        """The call was measured and is judged; a wrong one fails the test, and no other."""
        result = self.run(pytester, marker, "--memory")
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines([text])

    @pytest.mark.parametrize("marker", ["limit_memory('5 MB')", "limit_memory(rss='5 TB')", "skip", "usefixtures('a')"])
    def test_within_the_limit(self, pytester, marker):
        """Nothing happens, nor does it for markers of others."""
        result = self.run(pytester, marker, "--memory")
        result.assert_outcomes(passed=2)
        assert "not judged" not in result.stdout.str()

    @pytest.mark.parametrize(
        "marker",
        [
            "limit_memory('1 MB', current_thread_only=True)",
            "limit_memory(retained='1 MB', collect=True)",
            "limit_leaks('1 MB')",
        ],
    )
    def test_what_another_window_would_have_measured(self, pytester, marker):
        """It is not judged, and the summary says so."""
        result = self.run(pytester, marker, "--memory")
        result.assert_outcomes(passed=2)
        told = " ".join(result.stdout.str().split())
        assert "1 limit not judged: the marker came while the test ran, and needs a window of its own" in told

    def test_where_tests_are_not_measured(self, pytester):
        """It is not judged if only other tests have a limit, and fails where all must be judged."""
        before = "@pytest.mark.limit_memory('1 MB')\n            def test_limited(): pass"
        result = self.run(pytester, "limit_memory('1 MB')", before=before)
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines(["*1 limit not judged: the marker came while the test ran*"])
        result = self.run(pytester, "limit_memory('1 MB')", "--memory-unmeasured=fail", before=before)
        result.assert_outcomes(passed=2, failed=1)

    def test_beside_a_limit_that_was_there(self, pytester):
        """The limits that were there are judged as ever; the closest still wins."""
        before = "pytestmark = pytest.mark.limit_memory('1 MB', current_thread_only=True)\n"
        result = self.run(pytester, "limit_memory('5 MB', current_thread_only=True)", before=before)
        result.assert_outcomes(passed=2)
        result = self.run(pytester, "limit_memory(allocations=1_000_000)", before=before)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["Test was limited to 1.0MiB but allocated 2.9MiB*"])

    def test_the_teardown_is_bound_too(self, pytester):
        """It is measured by a plan that knows the marker."""
        pytester.makepyfile(
            """
            import pytest

            @pytest.fixture
            def heavy():
                yield
                block = b"x" * 3_000_000

            def test_it(request, heavy):
                request.node.add_marker(pytest.mark.limit_memory("1 MB", phase="teardown"))
            """
        )
        pytester.runpytest_inprocess("--memory").assert_outcomes(passed=1, errors=1)


def test_wrong_markers_end_the_session_before_the_first_test(pytester):
    """Every wrong marker is listed in one usage error, and nothing runs."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory("1 MB", max_peek=2)
        def test_a():
            raise SystemExit("ran")

        @pytest.mark.limit_memory("5 BANANA")
        def test_b():
            pass
        """
    )
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*::test_a: *unknown argument 'max_peek'*", "*::test_b: *unknown unit 'BANANA'*"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_wrong_marker_in_a_worker(pytester):
    """Under pytest-xdist the test errors at its setup with the same message; the others run."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory("5 BANANA")
        def test_a():
            pass

        def test_b():
            pass
        """
    )
    result = pytester.runpytest_subprocess("-n2")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*unknown unit 'BANANA'*"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_xdist_without_flags(pytester):
    """A marker alone is enough under pytest-xdist too: letter, section and exit code are the same."""
    pytester.makepyfile(OVER)
    result = pytester.runpytest_subprocess("-n2", "-rf")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["M*", "Test was limited to 1.0MiB*", "*memray-max-memory*", "MEMORY PROBLEMS *::test_over*"]
    )


def test_suite_wide_limits(pytester):
    """Lines of the ini key limit the tests that they match; the flag limits all; a marker beats both."""
    pytester.makepyfile(
        test_a="def test_it(): block = b'x' * 3_000_000",
        test_b="""
            import pytest

            @pytest.mark.limit_memory("10 MB")
            def test_it(): block = b'x' * 3_000_000
        """,
    )
    assert pytester.runpytest_inprocess("--memory-limit=1MB").parseoutcomes() == {"failed": 1, "passed": 1}
    pytester.makeini("[pytest]\nmemory_limit =\n  * = 1GB\n  test_a.py = 1MB\n  test_b.py = 1MB\n")
    assert pytester.runpytest_inprocess().parseoutcomes() == {"failed": 1, "passed": 1}


def test_metric_of_a_positional_limit(pytester):
    """With --memory-limit-metric=rss a bare limit binds resident memory, as in pytest-memlog."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory("1 MB")
        def test_it():
            pass
        """
    )
    assert pytester.runpytest_inprocess("--memory-limit-metric=heap").ret == 0
    result = pytester.runpytest_inprocess("--memory-limit-metric=rss")
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB of resident memory but reached *"])


def test_not_judged_is_counted_and_can_fail(pytester):
    """A limit on what the engine cannot give is told in the summary; with memory_unmeasured=fail it fails."""
    pytester.makepyfile(OVER)
    result = pytester.runpytest_inprocess("--memory-engine=none")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*1 limit not judged: *"])
    pytester.makeini("[pytest]\nmemory_unmeasured = fail\n")
    result = pytester.runpytest_inprocess("--memory-engine=none")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*could not be judged*"])


def test_last_failed_and_exitfirst(pytester):
    """A broken limit is a failure like any other for --lf and -x."""
    pytester.makepyfile(
        """
        import pytest

        def test_before(): pass

        @pytest.mark.limit_memory("1 MB")
        def test_over():
            block = b"x" * 3_000_000

        def test_after(): pass
        """
    )
    pytester.runpytest_inprocess("-x").assert_outcomes(passed=1, failed=1)
    pytester.runpytest_inprocess("--lf").assert_outcomes(failed=1)


def test_current_thread_only(pytester):
    """With current_thread_only the threads that a test starts do not count; without it they do."""
    pytester.makepyfile(
        """
        import threading
        import pytest

        def in_a_thread():
            kept = []
            thread = threading.Thread(target=lambda: kept.append(b"x" * 3_000_000))
            thread.start()
            thread.join()

        @pytest.mark.limit_memory("1 MB", current_thread_only=True)
        def test_own():
            in_a_thread()

        @pytest.mark.limit_memory("1 MB", current_thread_only=True)
        def test_own_over():
            block = b"x" * 3_000_000

        @pytest.mark.limit_memory("1 MB")
        def test_all():
            in_a_thread()
        """
    )
    result = pytester.runpytest_inprocess("-v")
    result.stdout.fnmatch_lines(["*test_own PASSED*", "*test_own_over MEMORY PROBLEMS*", "*test_all MEMORY PROBLEMS*"])


def test_collect(pytester):
    """Garbage in cycles counts as retained, unless collect=True collects it before the window closes."""
    pytester.makepyfile(
        """
        import gc
        import pytest

        @pytest.fixture(autouse=True)
        def no_automatic_collection():
            gc.disable()
            yield
            gc.enable()

        def make_garbage():
            cycle = [bytes(3_000_000)]
            cycle.append(cycle)

        @pytest.mark.limit_memory(retained="1 MB")
        def test_garbage():
            make_garbage()

        @pytest.mark.limit_memory(retained="1 MB", collect=True)
        def test_collected():
            make_garbage()
        """
    )
    result = pytester.runpytest_inprocess("-v", "--memory-engine=native")
    result.stdout.fnmatch_lines(["*test_garbage MEMORY PROBLEMS*", "*test_collected PASSED*"])
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB retained but retained 2.9MiB*"])
