"""Where pytest-benchmark takes no timings, and where it is not there at all: memory is measured all the same."""

import sys

import pytest

from pytest_memory.engines.choose import choose_engine

GROWING = "--benchmark-memory-compare-fail=peak:10%"


def write(suite, kib=10):
    suite.write(
        f"""
        import pytest

        def work(size):
            return b"x" * size

        def test_one(benchmark_memory):
            benchmark_memory.extra_info["shape"] = "round"
            benchmark_memory(work, {kib * 1024 - 33})

        @pytest.mark.benchmark(group="g")
        @pytest.mark.parametrize("n", [1])
        def test_two(benchmark, n):
            assert benchmark.pedantic(work, args=({kib * 1024 - 33},), rounds=5) is not None
        """
    )


def calls_of(suite, *flags):
    """How often a target is called, besides for its result."""
    suite.write(
        """
        def test_it(benchmark_memory):
            calls = []
            benchmark_memory.pedantic(lambda: calls.append(1), rounds=5)
            print("calls:", len(calls))
        """
    )
    return next(text for text in suite.run("-s", *flags).outlines if "calls:" in text).split("calls: ")[1][0]


class TestDisabled:
    def test_one_plain_call_and_the_passes(self, suite):
        """Trap: upstream calls the target five times, and stores and prints nothing of it."""
        assert calls_of(suite, "--benchmark-disable") == "2"

    def test_memory_is_shown_and_the_absence_of_timings_told(self, suite):
        """A table of memory alone, with the reason."""
        write(suite)
        result = suite.run("--benchmark-disable", "--benchmark-memory", outcomes={"passed": 2})
        result.stdout.fnmatch_lines(
            [
                "*Memory — 2 benchmarks*",
                "test_one*10.00",
                "test_two[[]1[]]*10.00",
                "benchmem: timings are off (--benchmark-disable); memory was measured.",
            ]
        )

    def test_memory_is_stored_in_pytest_benchmarks_shape(self, suite):
        """In the JSON file with empty stats, group, params and the blob in extra_info."""
        write(suite)
        saved = suite.saved("--benchmark-disable", "--benchmark-memory")
        one, two = saved["test_one"], saved["test_two[1]"]
        assert one["stats"] == two["stats"] == {}
        assert one["extra_info"] == {
            "shape": "round",
            "benchmem": {"peak_bytes": [10240], "allocations": [1], "total_bytes": [10240]},
        }
        assert (two["group"], two["params"], two["param"]) == ("g", {"n": 1}, "1")
        assert suite.document()["memory_info"]["granularity"] == "python"
        assert {"machine_info", "commit_info", "datetime", "version"} <= suite.document().keys()

    def test_memory_is_gated(self, suite):
        """Against a timed run, and against one without timings."""
        write(suite)
        suite.run("--benchmark-memory", "--benchmark-save=timed")
        write(suite, 20)
        flags = ["--benchmark-disable", "--benchmark-memory", GROWING]
        result = suite.run(*flags, "--benchmark-save=untimed", outcomes={"passed": 2}, code=1)
        result.stdout.fnmatch_lines(["  peak         test_one: 10 KiB → 20 KiB (+100.0%)"])
        suite.run("--benchmark-memory", GROWING, code=0).stdout.fnmatch_lines(["*0002_untimed.json"])

    def test_ceilings_apply(self, suite):
        """They judge memory, which was measured."""
        suite.write(
            """
            import pytest
            @pytest.mark.benchmem(max_peak=10)
            def test_it(benchmark_memory):
                benchmark_memory(bytearray, 1000)
            """
        )
        suite.run("--benchmark-disable", outcomes={"failed": 1})

    def test_without_wanting_memory_nothing_changes(self, suite):
        """One call, and nothing printed."""
        suite.write("def test_it(benchmark):\n    c = []\n    benchmark(c.append, 1)\n    assert len(c) == 1\n")
        result = suite.run("--benchmark-disable", outcomes={"passed": 1})
        result.stdout.no_fnmatch_line("*timings are off*")


@pytest.mark.parametrize("dist", [["-n2"], ["-n2", "--benchmark-disable"]])
def test_workers_measure_and_the_controller_tells_stores_and_gates(suite, dist):
    """Trap: under pytest-xdist upstream measures nothing and says nothing."""
    pytest.importorskip("xdist")
    write(suite)
    suite.run("--benchmark-memory", "--benchmark-save=timed", "--benchmark-quiet")
    write(suite, 20)
    result = suite.pytester.runpytest_subprocess(*dist, "--benchmark-memory", GROWING, "--benchmark-json=out.json")
    assert result.ret == 1
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*Memory vs *0001_timed.json*",
            "test_one*20.00*10.00*+100.0%",
            "benchmem: timings are off (pytest-xdist is active); memory was measured.",
            "Memory regressions over threshold:",
            "  peak         test_one: 10 KiB → 20 KiB (+100.0%)",
        ]
    )
    blobs = [entry["extra_info"]["benchmem"]["peak_bytes"] for entry in suite.document()["benchmarks"]]
    assert blobs == [[20480]] * 2 if choose_engine()[0].name == "native" else len(blobs) == 2


def test_the_fixture_alone_is_told_by_the_controller_too(suite):
    """No flag anywhere: the plugin loads when the first report brings memory."""
    pytest.importorskip("xdist")
    suite.write("def test_it(benchmark_memory):\n    benchmark_memory(bytearray, 1000)\n")
    result = suite.pytester.runpytest_subprocess("-n1")
    result.stdout.fnmatch_lines(["*Memory — 1 benchmark*", "test_it*"])


def test_skipped_benchmarks_run_nothing(suite):
    """--benchmark-skip."""
    write(suite)
    suite.run("--benchmark-skip", "--benchmark-memory", outcomes={"skipped": 2})


def test_benchmark_only_selects_the_fixture_too(suite):
    """``benchmark_memory`` depends on ``benchmark``, so pytest-benchmark knows these tests."""
    suite.write("def test_a(benchmark_memory):\n    benchmark_memory(len, '')\ndef test_b():\n    pass\n")
    suite.run("--benchmark-only", outcomes={"passed": 1, "skipped": 1})


class TestWithoutPytestBenchmark:
    def test_the_flags_name_the_extra(self, suite):
        """A usage error, and not a missing fixture in each test."""
        result = suite.pytester.runpytest("-p", "no:benchmark", "--benchmark-memory")
        assert result.ret == 4
        result.stderr.fnmatch_lines(
            ["*--benchmark-memory needs pytest-benchmark*pip install 'pytest-memory[[]benchmark[]]'*"]
        )

    def test_everything_else_works(self, suite):
        """Only the tests that use the fixture err."""
        suite.write("def test_a(benchmark_memory):\n    pass\ndef test_b(memory_scaling):\n    pass\n")
        result = suite.pytester.runpytest("-p", "no:benchmark", "--memory")
        result.assert_outcomes(errors=1, passed=1)

    def test_an_ini_key_is_told_and_stops_nobody(self, suite):
        """A run without benchmarks must not need another command line."""
        suite.configure("benchmark_memory = true\n")
        suite.write("def test_b():\n    pass\n")
        result = suite.pytester.runpytest("-p", "no:benchmark", "--memory")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["*ini key benchmark_memory needs pytest-benchmark*"])

    def test_not_installed_at_all(self, suite, monkeypatch):
        """The fixture says what to install."""
        suite.pytester.makepyfile(
            no_benchmark="import sys\nsys.modules['pytest_benchmark'] = None\n",
            test_it="def test_a(benchmark_memory):\n    pass\ndef test_b():\n    pass\n",
        )
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTHONPATH", str(suite.pytester.path))
        result = suite.pytester.runpytest_subprocess("-p", "no_benchmark", "-p", "pytest_memory.entry", "--memory")
        result.assert_outcomes(errors=1, passed=1)
        result.stdout.fnmatch_lines(["*benchmark_memory needs pytest-benchmark: pip install*"])


class TestProfiles:
    pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="memray does not exist for Windows")

    def test_a_capture_of_each_benchmark(self, suite):
        """Named after the id, with the command that shows it; the numbers are those of a run without."""
        pytest.importorskip("memray")
        write(suite)
        result = suite.run("--benchmark-memory", "--benchmark-memory-profile=kept", "--benchmark-json=out.json")
        names = sorted(path.name for path in (suite.pytester.path / "kept").iterdir())
        assert names == ["test_it.py__test_one.bin", "test_it.py__test_two_1_.bin"]
        result.stdout.fnmatch_lines(
            ["benchmem: saved 2 memory profile(s) to *kept — render with:", "  memray flamegraph *test_one.bin"]
        )
        peaks = [entry["extra_info"]["benchmem"]["peak_bytes"] for entry in suite.document()["benchmarks"]]
        assert peaks == [[10240]] * 2 if choose_engine()[0].name == "native" else True

    def test_with_a_gate_only_of_those_that_broke_it(self, suite):
        """The rest needs no explanation."""
        pytest.importorskip("memray")
        write(suite)
        suite.run("--benchmark-memory", "--benchmark-save=first")
        [path] = suite.pytester.path.rglob("0001_*.json")
        path.write_text(path.read_text().replace("10240", "9000", 1))
        suite.run("--benchmark-memory", GROWING, "--benchmark-memory-profile=kept", code=1)
        assert [path.name for path in (suite.pytester.path / "kept").iterdir()] == ["test_it.py__test_one.bin"]

    def test_ids_that_differ_only_in_special_characters_keep_apart(self, suite):
        """Trap: upstream's files overwrite each other."""
        pytest.importorskip("memray")
        suite.write(
            """
            import pytest
            @pytest.mark.parametrize("sign", ["+", "-", "*"])
            def test_it(benchmark_memory, sign):
                benchmark_memory(len, sign)
            """
        )
        suite.run("--benchmark-memory-profile=kept")
        assert len(list((suite.pytester.path / "kept").iterdir())) == 3
