"""``--memray`` and the flags and ini keys around its report."""

import re

import pytest

from .conftest import SUITE, report_of


@pytest.fixture(autouse=True)
def suite(pytester):
    pytester.makepyfile(test_suite=SUITE)


def shown_tests(result):
    return re.findall(r"^Allocation results for test_suite\.py::(\w+) at the high watermark$", report_of(result), re.M)


def test_the_report_has_pytest_memrays_lines(run):
    """``--memray``: title, tests by peak, and under each the four lines that people's eyes and greps look for."""
    result = run("--memray")
    result.assert_outcomes(passed=3)
    assert shown_tests(result) == ["test_large", "test_medium", "test_small"]
    result.stdout.fnmatch_lines(
        [
            "*= MEMRAY REPORT =*",
            "Allocation results for test_suite.py::test_large at the high watermark",
            "",
            "\t 📦 Total memory allocated: 5.7MiB",
            "\t 📏 Total allocations: [0-9]*",
            "\t 📊 Histogram of allocation sizes: |*|",
            "\t 🥇 Biggest allocating functions:",
            "\t\t- allocate:*test_suite.py:7 -> 5.7MiB",
        ]
    )
    assert re.search(r"Histogram of allocation sizes: \|[ ▁▂▃▄▅▆▇█]{1,5}\|", report_of(result))
    result.stdout.fnmatch_lines(["Measured by the * engine, counting malloc and mmap"])


def test_ini_keys_work_without_any_flag(run, pytester):
    """pytest-memray ignores its own ini keys, because its flags default to False; here they count."""
    pytester.makeini("[pytest]\nmemray = true\nmost_allocations = 2\ntrace_python_allocators = true\n")
    result = run()
    assert shown_tests(result) == ["test_large", "test_medium"]
    result.stdout.fnmatch_lines(["Measured by the * engine, counting every Python object"])


def test_no_memory_beats_the_ini_key(run, pytester):
    """A flag wins over the ini file, this one too."""
    pytester.makeini("[pytest]\nmemray = true\n")
    result = run("--no-memory")
    result.assert_outcomes(passed=3)
    assert "Allocation results" not in result.stdout.str()


@pytest.mark.parametrize(("count", "shown"), [("1", 1), ("2", 2), ("0", 3)])
def test_most_allocations_says_how_many_tests(run, count, shown):
    """``--most-allocations=N``; 0 means all."""
    assert len(shown_tests(run("--memray", f"--most-allocations={count}"))) == shown


def test_five_tests_are_shown_by_default(run, pytester):
    """As in pytest-memray."""
    pytester.makepyfile(
        test_suite="import pytest\n@pytest.mark.parametrize('n', range(7))\n"
        "def test_it(n): bytearray(1_000_000 + n * 100_000)\n"
    )
    shown = re.findall(r"test_it\[(\d)\] at the high", report_of(run("--memray")))
    assert shown == ["6", "5", "4", "3", "2"]


def test_hide_memray_summary(run):
    """``--hide-memray-summary`` measures and says nothing."""
    result = run("--memray", "--hide-memray-summary")
    result.assert_outcomes(passed=3)
    assert "MEMRAY REPORT" not in result.stdout.str()


def test_hide_memray_summary_in_the_ini_file(run, pytester):
    """Its ini twin does the same."""
    pytester.makeini("[pytest]\nmemray = true\nhide_memray_summary = true\n")
    assert "MEMRAY REPORT" not in run().stdout.str()


def test_trace_python_allocators_counts_every_object(run, pytester):
    """Small objects live in the interpreter's own pools: only with the flag does each of them count."""
    pytester.makepyfile(test_suite="def test_objects():\n    objects = [object() for _ in range(100_000)]\n")

    def counted(*arguments):
        text = report_of(run("--memray", *arguments))
        return int(re.search(r"Total allocations: (\d+)", text).group(1))

    assert counted("--trace-python-allocators") > 100_000
    assert counted() < 50_000


def test_native_shows_native_frames(run, pytester):
    """``--native`` selects the memray engine; lists of allocations then begin with C functions."""
    pytest.importorskip("memray")
    pytester.makepyfile(
        test_suite="import pytest\n@pytest.mark.limit_memory('1 MB')\ndef test_over(): bytearray(5_000_000)\n"
    )
    result = run("--memray", "--native")
    if "stripped of its symbols" in result.stdout.str():
        pytest.skip("this Python is stripped: no native frames")
    result.stdout.fnmatch_lines(
        ["*memray-max-memory*", "List of allocations:", "    - 4.8MiB allocated here:", "        *:*.c:*"]
    )
    # The biggest functions are Python's all the same, as in pytest-memray.
    assert re.search(r"- test_over:.*test_suite\.py:3 -> 4\.8MiB", report_of(result))


def test_native_in_the_ini_file(run, pytester):
    """Its ini twin selects the memray engine too."""
    pytest.importorskip("memray")
    pytester.makeini("[pytest]\nmemray = true\nnative = true\n")
    result = run()
    result.stdout.fnmatch_lines(["Measured by the memray engine*"])


def test_nothing_is_printed_when_only_collecting(run, pytester):
    """``--collect-only`` measures nothing, prints no report and makes no directory."""
    result = run("--memray", "--collect-only", "--memray-bin-path=dumps")
    assert "MEMRAY REPORT" not in result.stdout.str()
    assert not (pytester.path / "dumps").exists()


def test_a_failing_test_is_measured_and_reported(run, pytester):
    """A test that fails used memory all the same."""
    pytester.makepyfile(test_suite="def test_fails():\n    block = bytearray(5_000_000)\n    assert 0\n")
    result = run("--memray")
    result.assert_outcomes(failed=1)
    assert shown_tests(result) == ["test_fails"]


@pytest.mark.parametrize("engine", ["memray", "tracemalloc"])
def test_the_report_works_with_every_engine(run, engine):
    """What an engine cannot say is left out, and the report still stands."""
    if engine == "memray":
        pytest.importorskip("memray")
    result = run("--memray", f"--memory-engine={engine}")
    assert shown_tests(result) == ["test_large", "test_medium", "test_small"]
    result.stdout.fnmatch_lines([f"Measured by the {engine} engine, counting *"])
