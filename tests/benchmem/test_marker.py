"""The ``benchmem`` marker: passes and ceilings."""

import pytest

from pytest_memory.errors import InvalidSize
from pytest_memory.model import Measurement, MemoryResult
from pytest_memory.policy.ceilings import CEILINGS, first_breach, parse_ceiling, unjudged

MIB = 1024**2
RESULT = MemoryResult((Measurement(200 * MIB, 9, 9), Measurement(117 * MIB, 5001, 250 * MIB)))


class TestCeilings:
    @pytest.mark.parametrize(
        ("name", "value", "bound"),
        [
            ("max_peak", "100MiB", 100 * MIB),
            ("max_peak", " 0.5 MiB ", MIB / 2),
            ("max_peak", 1000, 1000),
            ("max_peak", 1.5, 1.5),
            ("max_peak", "1000", 1000),
            ("max_allocated", "1GiB", 1024 * MIB),
            ("max_allocations", 5000, 5000),
            ("max_allocations", "5000", 5000),
        ],
    )
    def test_accepted(self, name, value, bound):
        """Bytes as a number or with one of B, KiB, MiB, GiB; counts without a unit."""
        assert parse_ceiling(name, value).bound == bound

    @pytest.mark.parametrize(
        ("name", "value", "fragment"),
        [
            ("max_peak", "100MB", "unknown unit"),
            ("max_peak", "100mib", "unknown unit"),
            ("max_peak", "1e3", "number with an optional unit"),
            ("max_peak", "lots", "number with an optional unit"),
            ("max_peak", "-5MiB", "number with an optional unit"),
            ("max_peak", -5, "non-negative"),
            ("max_peak", float("nan"), "non-negative"),
            ("max_peak", True, "not a bool"),
            ("max_peak", [1], "expected a number or a string"),
            ("max_allocations", "5 MiB", "count takes no unit"),
            ("max_allocations", False, "not a bool"),
            ("max_allocations", -1, "non-negative"),
        ],
    )
    def test_rejected(self, name, value, fragment):
        """Anything else is an error (a ValueError too) that names the argument."""
        with pytest.raises(InvalidSize, match=fragment) as caught:
            parse_ceiling(name, value)
        assert str(caught.value).startswith(name)

    @pytest.mark.parametrize(
        ("ceilings", "message"),
        [
            ({"max_peak": "100MiB"}, "peak 117 MiB exceeds max_peak 100 MiB"),
            ({"max_allocations": 5000}, "allocations 5001 exceeds max_allocations 5000"),
            ({"max_allocations": 5000.5}, "allocations 5001 exceeds max_allocations 5000.5"),
            ({"max_allocated": "10MiB"}, "allocated 250 MiB exceeds max_allocated 10 MiB"),
            ({"max_allocations": 1, "max_allocated": 1, "max_peak": 1}, "peak 117 MiB exceeds max_peak 1 B"),
            ({"max_peak": 117 * MIB, "max_allocations": 5001, "max_allocated": 250 * MIB}, None),
        ],
    )
    def test_the_headline_is_judged(self, ceilings, message):
        """A value equal to the ceiling passes; the first breach is told, in the order peak, allocated, allocations."""
        written = [parse_ceiling(name, ceilings[name]) for name in CEILINGS if name in ceilings]
        assert first_breach(RESULT, written) == message

    def test_what_was_not_measured_is_not_judged(self):
        """It is told by name instead."""
        ceilings = [parse_ceiling("max_peak", 1), parse_ceiling("max_allocations", 1)]
        only_peak = MemoryResult((Measurement(1),))
        assert first_breach(only_peak, ceilings) is None
        assert unjudged(only_peak, ceilings) == ["max_allocations"]
        assert unjudged(None, ceilings) == ["max_peak", "max_allocations"]


def test_a_broken_ceiling_fails_the_test_and_keeps_its_timings(suite):
    """Trap: upstream raised before timing, and the benchmark vanished from JSON and table."""
    suite.write(
        """
        import pytest
        @pytest.mark.benchmem(max_peak="1MiB")
        def test_build(benchmark_memory):
            benchmark_memory(bytearray, 3 * 1024**2)
        """
    )
    result = suite.run("--benchmark-json=out.json", outcomes={"failed": 1}, code=1)
    result.stdout.fnmatch_lines(["E*test_it.py::test_build: peak 3 MiB exceeds max_peak 1 MiB", "test_build*│*"])
    [entry] = suite.document()["benchmarks"]
    assert entry["extra_info"]["benchmem"]["peak_bytes"][0] > 3 * 1024**2
    assert entry["stats"]["rounds"] == 1
    result.stdout.no_fnmatch_line("*benchmark_fixture.py*")  # no frames of ours


def test_ceilings_are_enforced_wherever_memory_is_measured(suite):
    """On plain ``benchmark`` they do nothing without the flag, and judge with it; xfail applies by itself."""
    suite.write(
        """
        import pytest
        @pytest.mark.benchmem(max_allocations=0)
        def test_plain(benchmark):
            benchmark(bytearray, 1000)

        @pytest.mark.benchmem(max_peak=10)
        @pytest.mark.xfail(strict=True)
        def test_known(benchmark_memory):
            benchmark_memory(bytearray, 1000)
        """
    )
    suite.run(outcomes={"passed": 1, "xfailed": 1})
    suite.run("--benchmark-memory", outcomes={"failed": 1, "xfailed": 1})


def test_a_ceiling_judges_the_measured_call_only(suite):
    """What the test allocates beside it does not count."""
    suite.write(
        """
        import pytest
        @pytest.mark.benchmem(max_peak="1MiB")
        def test_it(benchmark_memory):
            before = bytearray(50_000_000)
            benchmark_memory(bytearray, 1000)
        """
    )
    suite.run(outcomes={"passed": 1})


def test_repeats_beats_the_flag(suite):
    """And less than one acts as one."""
    suite.write(
        """
        import pytest
        @pytest.mark.benchmem(repeats=3)
        def test_three(benchmark_memory):
            benchmark_memory(len, "")
        @pytest.mark.benchmem(repeats=0)
        def test_one(benchmark_memory):
            benchmark_memory(len, "")
        def test_flag(benchmark_memory):
            benchmark_memory(len, "")
        """
    )
    saved = suite.saved("--benchmark-memory-repeats=2")
    passes = {name: len(entry["extra_info"]["benchmem"]["peak_bytes"]) for name, entry in saved.items()}
    assert passes == {"test_three": 3, "test_one": 1, "test_flag": 2}


class TestWithoutMemory:
    """The marker does nothing where memory is not measured (§3.2), and the summary says so once."""

    SUITE = """
        import pytest
        @pytest.mark.benchmem(max_peak="1 KiB", max_allocations=1)
        def test_two(benchmark):
            benchmark(bytearray, 10000)
        @pytest.mark.benchmem(max_peak="1 KiB")
        def test_one(benchmark):
            benchmark(bytearray, 10000)
        @pytest.mark.benchmem(repeats=2)
        def test_none(benchmark):
            benchmark(bytearray, 10000)
        """
    TOLD = "benchmem: 3 limits not judged, since memory was not measured (--benchmark-memory measures it)."

    @pytest.mark.parametrize("arguments", [[], ["--memory"], ["--benchmark-disable"], ["-n2"]])
    def test_the_limits_are_counted(self, suite, arguments):
        """In one line, also in the controller of pytest-xdist, which sees no marker."""
        suite.write(self.SUITE)
        result = suite.run(*arguments, outcomes={"passed": 3}, apart="-n2" in arguments)
        assert result.outlines.count(self.TOLD) == 1

    def test_nothing_is_said_of_limits_that_were_judged(self, suite):
        """With the flag that the line names."""
        suite.write(self.SUITE)
        result = suite.run("--benchmark-memory", outcomes={"passed": 1, "failed": 2})
        assert "not judged" not in result.stdout.str()

    def test_they_fail_where_all_must_be_judged(self, suite):
        """Ini key memory_unmeasured."""
        suite.write(self.SUITE)
        result = suite.run("--memory-unmeasured=fail", outcomes={"passed": 1, "failed": 2})
        result.stdout.fnmatch_lines(["*test_two: max_peak, max_allocations could not be judged without --benchmark-*"])


def test_markers_merge_from_the_outermost_to_the_closest(suite):
    """Trap: upstream lets a method's marker hide its class's completely."""
    suite.write(
        """
        import pytest
        pytestmark = pytest.mark.benchmem(repeats=2, max_peak=10)

        @pytest.mark.benchmem(max_peak="1MiB", calls=2)
        class TestClass:
            @pytest.mark.benchmem(warmup=1)
            def test_it(self, benchmark_memory):
                calls = []
                benchmark_memory.pedantic(lambda: calls.append(1))
                assert len(calls) == 1 + 1 + 2 * 2
                assert benchmark_memory.result.repeats == 2

            @pytest.mark.benchmem(max_peak=None)
            def test_lifted(self, benchmark_memory):
                benchmark_memory(bytearray, 5_000_000)
        """
    )
    suite.run(outcomes={"passed": 2})


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("max_peek='1MiB'", "*benchmem(max_peek='1MiB'): unknown argument 'max_peek'; the arguments are*max_peak*"),
        ("'1MiB'", "*benchmem('1MiB'): a positional argument*"),
        ("max_peak='1MB'", "*benchmem(max_peak='1MB'): max_peak: unknown unit 'MB' in '1MB'*"),
        ("max_peak=True", "*max_peak: expected a number or a string, not a bool*"),
        ("max_allocations='5KiB'", "*count takes no unit*"),
        ("repeats='two'", "*repeats='two'; write a whole number*"),
        ("repeats=True", "*repeats=True; write a whole number*"),
        ("calls=0", "*calls=0; write a whole number of at least 1*"),
        ("warmup=-1", "*warmup=-1; write a whole number of at least 0*"),
        ("isolate=1", "*isolate=1; write True or False*"),
    ],
)
def test_a_wrong_marker_is_an_error_before_the_first_test(suite, written, message):
    """Trap: upstream ignores unknown and positional arguments silently."""
    suite.write(
        f"""
        import pytest
        @pytest.mark.benchmem({written})
        def test_it(benchmark_memory):
            benchmark_memory(len, "")
        def test_other():
            print("it ran")
        """
    )
    result = suite.run("-s", code=4)
    result.stderr.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*it ran*")


def test_the_marker_is_registered(suite):
    """--strict-markers accepts it and --markers lists it."""
    suite.write("import pytest\n@pytest.mark.benchmem\ndef test_it(benchmark_memory):\n    benchmark_memory(len, '')\n")
    suite.run("--strict-markers", outcomes={"passed": 1})
    suite.run("--markers").stdout.fnmatch_lines(["@pytest.mark.benchmem(*): how the memory of a benchmark*"])


def test_isolated_passes_have_a_resident_peak(suite):
    """isolate=True: a process of its own for each pass, which adds the fourth series; rss gets a column by itself."""
    suite.write(
        """
        import pytest
        def work(n):
            return [0] * n
        @pytest.mark.benchmem(isolate=True, repeats=2)
        def test_it(benchmark_memory):
            benchmark_memory(work, 1000)
        """
    )
    result = suite.run("--benchmark-json=out.json", outcomes={"passed": 1})
    blob = suite.document()["benchmarks"][0]["extra_info"]["benchmem"]
    assert list(blob) == ["peak_bytes", "allocations", "total_bytes", "rss_bytes"]
    assert all(value > 5_000_000 for value in blob["rss_bytes"])
    result.stdout.fnmatch_lines(["*peak·min (KiB)*rss·min (MiB)*"])


def test_isolation_of_what_cannot_be_pickled_fails_with_the_reason(suite):
    """isolate=True on a lambda."""
    suite.write(
        """
        import pytest
        @pytest.mark.benchmem(isolate=True)
        def test_it(benchmark_memory):
            benchmark_memory(lambda: None)
        """
    )
    suite.run(outcomes={"failed": 1}).stdout.fnmatch_lines(["*IsolationError: isolate=True needs a picklable action*"])
