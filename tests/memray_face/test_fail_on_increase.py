"""``--fail-on-increase``: no test may use more than in its last successful run."""

import json

import pytest

SUITE = """
import pytest

@pytest.mark.limit_memory("24 MB")
def test_limited():
    block = bytearray({size})

def test_free():
    block = bytearray({size})
"""


@pytest.fixture
def grow(pytester):
    def grow(size):
        pytester.makepyfile(test_suite=SUITE.format(size=size))

    grow(2_000_000)
    return grow


def test_more_than_last_time_fails(run, grow):
    """The first run sets the mark; a larger peak fails a limited test, others are let be; the mark stays."""
    run("--fail-on-increase").assert_outcomes(passed=2)
    grow(4_000_000)
    for _ in range(2):
        result = run("--fail-on-increase")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            [
                "*Test previously used 1.9MiB but now uses 3.8MiB*",
                "*- memray-max-memory -*",
                "Test uses more memory than previous run",
                "MEMORY PROBLEMS test_suite.py::test_limited - *",
            ]
        )
    grow(1_000_000)
    run("--fail-on-increase").assert_outcomes(passed=2)


@pytest.mark.parametrize("key", ["fail_on_increase", "fail-on-increase"])
def test_both_spellings_of_the_ini_key_work(run, pytester, grow, key):
    """pytest-memray declares the one and reads the other, so neither worked."""
    pytester.makeini(f"[pytest]\n{key} = true\n")
    run().assert_outcomes(passed=2)
    grow(4_000_000)
    run().assert_outcomes(passed=1, failed=1)


def test_without_the_flag_the_mark_moves(run, grow):
    """Every successful run is remembered; nothing fails."""
    run().assert_outcomes(passed=2)
    grow(4_000_000)
    run().assert_outcomes(passed=2)
    grow(3_000_000)
    run("--fail-on-increase").assert_outcomes(passed=2)


def test_one_byte_more_fails_and_is_told_in_bytes(run, pytester, grow):
    """The comparison is exact, as in pytest-memray; where the shown sizes agree the message gives bytes.

    Each run has a process of its own: only those repeat to the byte. In one process, a garbage collection before the
    test may empty the interpreter's free lists, and the test then asks for a few objects more.
    """
    for _ in range(2):  # the first compiles the suite
        run("--fail-on-increase", alone=True).assert_outcomes(passed=2)
    stored = next((pytester.path / ".pytest_cache" / "v" / "memray").rglob("*test_limited"))
    mark = json.loads(stored.read_text())
    mark["total_allocated_memory"] -= 1
    stored.write_text(json.dumps(mark))
    result = run("--fail-on-increase", alone=True)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Test previously used 1.9MiB (* bytes) but now uses 1.9MiB (* bytes)*"])


def test_marks_of_pytest_memray_go_on_counting(run, pytester, grow):
    """A cache left behind by pytest-memray is compared with runs that count as it did."""
    stored = pytester.path / ".pytest_cache" / "v" / "memray" / "test_suite.py::test_limited"
    stored.parent.mkdir(parents=True)
    stored.write_text('{"total_allocated_memory": 1000}')
    pytest.importorskip("memray")
    run("--memory-engine=memray", "--memray", "--fail-on-increase").assert_outcomes(passed=1, failed=1)
    run("--memory-engine=memray", "--fail-on-increase").assert_outcomes(passed=2)


def test_a_failing_run_is_not_remembered(run, pytester, grow):
    """The mark is that of the last *successful* run."""
    pytester.makepyfile(test_suite=SUITE.format(size=1_000_000).replace("def test_free", "    assert 0\ndef test_free"))
    run("--fail-on-increase").assert_outcomes(passed=1, failed=1)
    grow(2_000_000)
    run("--fail-on-increase").assert_outcomes(passed=2)


def test_without_a_cache_it_says_so(run, grow):
    """There is nothing to compare with, and the summary says it."""
    result = run("--memray", "--fail-on-increase", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*cache is switched off*"])
