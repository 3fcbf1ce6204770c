"""``limit_memory`` and ``limit_leaks`` as pytest-memray's users know them."""

import re

import pytest

from .conftest import LIMITED


def test_each_marker_passes_and_fails_as_it_should(run, pytester):
    """Over the limit fails with letter M, within it passes; the filter decides; two markers on one test both hold."""
    pytester.makepyfile(test_limited=LIMITED)
    result = run("-rA")
    result.assert_outcomes(passed=3, failed=4)
    outcomes = result.stdout.str()
    for name in ("over", "leaks", "two_markers_limit_breaks", "two_markers_leak_breaks"):
        assert f"MEMORY PROBLEMS test_limited.py::test_{name} - " in outcomes
    for name in ("within", "leaks_little", "leak_is_filtered"):
        assert f"PASSED test_limited.py::test_{name}" in outcomes


def test_a_broken_limit_lists_the_allocations(run, pytester):
    """Sentence, section title and shape of the list are pytest-memray's."""
    pytester.makepyfile(test_limited=LIMITED)
    result = run("test_limited.py", "-k", "test_over or test_leaks")
    result.stdout.fnmatch_lines(
        [
            "*Test was limited to 1.0MiB but allocated 4.8MiB*",
            "*- memray-max-memory -*",
            "List of allocations:",
            "    - 4.8MiB allocated here:",
            "        allocate:*test_limited.py:7",
        ],
        consecutive=False,
    )
    result.stdout.fnmatch_lines(
        [
            "*Test was allowed to leak 100.0KiB per location but at least one location leaked more*",
            "*- memray-leaked-memory -*",
            "List of leaked allocations:",
            "    - 39?.?KiB allocated here:",
            "        *:*:*",
        ],
    )


MANY = (
    """
import pytest

def a0(): return bytearray(900_000)
"""
    + "\n".join(f"def a{n}(): return bytearray({900_000 - n * 1000})" for n in range(1, 15))
    + """

@pytest.mark.limit_memory("1 MB")
def test_many():
    blocks = ["""
    + ", ".join(f"a{n}()" for n in range(15))
    + """]
"""
)


class TestHowMuchOfTheList:
    """Ten allocations by default, all with ``-vv``, none with ``-q``; ``verbosity_memray`` says so on its own."""

    @pytest.fixture(autouse=True)
    def suite(self, pytester):
        pytester.makepyfile(test_many=MANY)

    @staticmethod
    def listed(result):
        return result.stdout.str().count("allocated here:")

    @pytest.mark.parametrize("engine", ["auto", "memray"])
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [((), 10), (("-v",), 10), (("-vv",), 15), (("-q",), 0)],
        ids=["plain", "v", "vv", "q"],
    )
    def test_by_pytests_verbosity(self, run, arguments, expected, engine):
        """``-vv`` shows at least every call stack of the test's own, ``-q`` not even the section."""
        if engine == "memray":
            pytest.importorskip("memray")
        result = run("--memray", f"--memory-engine={engine}", *arguments)
        shown = self.listed(result)
        assert shown == expected if expected < 15 else shown >= 15
        assert ("memray-max-memory" in result.stdout.str()) == bool(expected)
        if expected == 10:
            result.stdout.fnmatch_lines(["    ... and * more; -vv shows all"])

    @pytest.mark.parametrize(("level", "expected"), [("2", 15), ("-1", 0)])
    def test_by_its_own_ini_key(self, run, pytester, level, expected):
        """``verbosity_memray`` beats pytest's ``-v`` and ``-q`` for these lists."""
        pytester.makeini(f"[pytest]\nverbosity_memray = {level}\n")
        shown = self.listed(run("--memray"))
        assert shown == expected if expected < 15 else shown >= 15


@pytest.mark.parametrize("source", ["flag", "ini"])
def test_stacks_says_how_many_frames(run, pytester, source):
    """One frame of each stack by default; ``--stacks=N`` or ini ``stacks`` show more, and dots where there are more."""
    pytester.makepyfile(
        "import pytest\n"
        "def inner(): return bytearray(5_000_000)\n"
        "def outer(): return inner()\n"
        "@pytest.mark.limit_memory('1 MB')\n"
        "def test_deep(): block = outer()\n"
    )
    plain = run().stdout.str()
    assert re.search(r"^        inner:.*\n        \.\.\.$", plain, re.M)
    if source == "ini":
        pytester.makeini("[pytest]\nstacks = 2\n")
    result = run(*(["--stacks=2"] if source == "flag" else []))
    result.stdout.fnmatch_lines(["        inner:*py:2", "        outer:*py:3", "        ..."], consecutive=True)


def test_other_threads_do_not_count_where_so_asked(run, pytester):
    """``current_thread_only=True`` leaves out what other threads allocate, for both markers."""
    pytest.importorskip("memray")
    pytester.makepyfile(
        """
        import threading
        import pytest

        KEPT = []

        def elsewhere():
            thread = threading.Thread(target=lambda: KEPT.append(bytearray(5_000_000)))
            thread.start()
            thread.join()

        @pytest.mark.limit_memory("1 MB", current_thread_only=True)
        @pytest.mark.limit_leaks("1 MB", current_thread_only=True)
        def test_own_thread():
            elsewhere()

        @pytest.mark.limit_memory("1 MB")
        def test_all_threads():
            elsewhere()
        """
    )
    result = run("--memory-engine=memray")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["MEMORY PROBLEMS *::test_all_threads*"])


def test_a_limit_on_all_threads_is_not_judged_by_one(run, pytester):
    """One window counts one thread or all: where two markers disagree, the weaker reading is told, and never passes."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_leaks("1 MB", current_thread_only=True)
        @pytest.mark.limit_memory("1 MB")
        def test_limit_on_all(): bytearray(5_000_000)

        @pytest.mark.limit_leaks("1 MB")
        @pytest.mark.limit_memory("1 MB", current_thread_only=True)
        def test_leaks_of_all(): pass
        """
    )
    result = run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*2 limits not judged: another limit of this test counts its own thread alone*"])
    run("--memory-unmeasured=fail").assert_outcomes(failed=2)


def test_totals_are_counted_where_a_limit_asks_for_them(run, pytester):
    """The memray engine knows them only in its costlier format, and takes that for this test alone."""
    pytest.importorskip("memray")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.limit_memory(allocations=100)
        def test_many_calls():
            for _ in range(5000): bytearray(1000)

        @pytest.mark.limit_memory(allocated="1 MB")
        def test_much_in_all():
            for _ in range(5000): bytearray(1000)
        """
    )
    result = run("--memory-engine=memray")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*limited to 100 allocations but made *", "*1.0MiB allocated in total but *"])


def test_a_leak_under_a_strict_xfail_is_an_expected_failure(run, pytester):
    """The limit is judged inside the call, so pytest's own rules for failures apply."""
    pytester.makepyfile(
        """
        import pytest
        KEPT = []

        @pytest.mark.xfail(strict=True)
        @pytest.mark.limit_leaks("10 KB")
        def test_known_leak():
            KEPT.append(bytearray(400_000))
        """
    )
    run().assert_outcomes(xfailed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("limit_leaks('x')", "*limit_leaks('x'): invalid location_limit 'x'; write a number and a unit*"),
        ("limit_leaks('5 BANANA')", "*unknown unit 'BANANA'*"),
        ("limit_leaks('100 MiBs')", "*unknown unit 'MiBs'*"),
        ("limit_leaks('1 MB', filter_fn='no')", "*filter_fn='no' cannot be called*write a function*"),
        ("limit_leaks()", "*limit_leaks(): 0 limits*write one, for example limit_leaks('1 MB')*"),
        ("limit_leaks('1 MB', '2 MB')", "*2 limits*"),
        ("limit_leaks('1 MB', location_limit='2 MB')", "*2 limits*"),
        ("limit_leaks('1 MB', max_leak=3)", "*unknown argument 'max_leak'*the arguments are location_limit*"),
        ("limit_leaks('1 MB', current_thread_only=1)", "*current_thread_only=1*"),
    ],
)
def test_a_wrong_marker_is_a_usage_error_before_any_test_runs(run, pytester, marker, message):
    """A misspelt limit is never a silent pass and never an INTERNALERROR."""
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): print('the body')\n")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "the body" not in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_a_filter_gets_the_types_that_are_published(run, pytester):
    """``Stack`` and ``StackFrame`` are importable from the package, for annotations and for tests of filters."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_memory import Stack, StackFrame

        KEPT = []

        def ours(stack: Stack) -> bool:
            assert isinstance(stack, Stack)
            assert all(isinstance(frame, StackFrame) for frame in stack.frames)
            return stack.frames[-1].function != "test_it"

        @pytest.mark.limit_leaks("10 KB", filter_fn=ours)
        def test_it():
            KEPT.append(bytearray(400_000))
        """
    )
    run().assert_outcomes(passed=1)


def test_location_limit_may_be_named(run, pytester):
    """``limit_leaks(location_limit=...)`` is the documented name of its argument."""
    pytester.makepyfile(
        "import pytest\nKEPT = []\n@pytest.mark.limit_leaks(location_limit='10 KB')\n"
        "def test_it(): KEPT.append(bytearray(400_000))\n"
    )
    run().assert_outcomes(failed=1)


def test_a_filter_that_raises_fails_the_test_and_says_so(run, pytester):
    """Neither a silent pass nor an internal error: the message names the filter and its exception."""
    pytester.makepyfile(
        """
        import pytest
        KEPT = []

        def broken(stack):
            raise KeyError("oops")

        @pytest.mark.limit_leaks("10 KB", filter_fn=broken)
        def test_it():
            KEPT.append(bytearray(400_000))
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*filter_fn of limit_leaks('10 KB', filter_fn=broken) raised KeyError('oops')*"])


def test_the_markers_are_declared(run):
    """``--strict-markers`` accepts them and ``--markers`` explains them."""
    result = run("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.limit_memory(*", "@pytest.mark.limit_leaks(location_limit,*"])
