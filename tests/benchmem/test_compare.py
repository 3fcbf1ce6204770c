"""Comparing with a stored run, and the gate (``--benchmark-memory-compare``, ``--benchmark-memory-compare-fail``)."""

import json

import pytest

GATE = "--benchmark-memory-compare-fail=peak:10%"


@pytest.fixture
def grown(suite):
    """A suite whose first run is stored and whose benchmark then grows by half."""
    return grow(suite)


def grow(suite, before=100, after=150, *flags):
    store(suite, before, "first", *flags)
    write(suite, after)
    return suite


def write(suite, kib, name="test_it"):
    """A benchmark whose peak is so many KiB to the byte: the header of bytes takes 33."""
    suite.write(
        f"""
        def {name}(benchmark_memory):
            benchmark_memory.pedantic(lambda size: b"x" * size, args=({kib * 1024 - 33},))
        """
    )


def store(suite, kib, name, *flags):
    write(suite, kib)
    suite.run(f"--benchmark-save={name}", *flags, outcomes={"passed": 1})


def test_a_regression_fails_the_run_and_not_the_test(grown):
    """Trap: upstream prints a 60-line traceback and loses the "N passed" line. Here: the verdict, exit code 1."""
    result = grown.run(GATE, outcomes={"passed": 1}, code=1)
    result.stdout.fnmatch_lines(
        [
            "Name*│  peak (KiB)  base (KiB)  Δ peak",
            "test_it*│      150.00      100.00  +50.0%",
            "*Δ peak vs *0001_first.json",
            "Memory regressions over threshold:",
            "  peak         test_it: 100 KiB → 150 KiB (+50.0%)",
            "*1 passed*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("disabled", ["first", "second", "both", "none"])
def test_a_run_with_timings_against_one_without(suite, disabled):
    """A gate that trips over two runs of which one had called its benchmarks before says so, and what to do."""
    flags = {run: ["--benchmark-disable"] if disabled in (run, "both") else [] for run in ("first", "second")}
    grow(suite, 100, 150, *flags["first"])
    result = suite.run(GATE, *flags["second"], outcomes={"passed": 1}, code=1)
    words = {
        "first": "without timings and this one with timings",
        "second": "with timings and this one without timings",
    }
    told = [line for line in result.outlines if "--benchmark-memory-warmup=20" in line]
    assert (len(told), disabled in words) in ((1, True), (0, False))
    assert all(f"the stored run was made {words[disabled]}:" in line for line in told)


def test_nothing_is_said_of_timings_while_the_gate_holds(suite):
    """Most benchmarks allocate the same either way."""
    result = grow(suite, 100, 100, "--benchmark-disable").run(GATE, code=0)
    assert "--benchmark-memory-warmup" not in result.stdout.str()


@pytest.mark.parametrize(
    ("thresholds", "code"),
    [
        (["peak:50KiB"], 0),
        (["peak:10%+1MiB"], 0),
        (["peak:60%", "allocated:40%"], 1),
        (["allocations:0"], 0),
    ],
)
def test_thresholds(grown, thresholds, code):
    """Rules are OR-ed, only growth counts, and each must be exceeded."""
    flags = [f"--benchmark-memory-compare-fail={threshold}" for threshold in thresholds]
    grown.run(*flags, outcomes={"passed": 1}, code=code)


def test_less_is_never_a_regression(suite):
    """Shrinking passes any threshold."""
    grow(suite, 150, 100).run("--benchmark-memory-compare-fail=peak:0%", code=0)


def test_growth_from_no_allocation_at_all_is_one(suite):
    """Trap: a baseline of zero never breaks a percentage upstream."""
    suite.write("def test_it(benchmark_memory):\n    benchmark_memory(lambda: None)\n")
    suite.run("--benchmark-save=first")
    write(suite, 1)
    result = suite.run("--benchmark-memory-compare-fail=allocations:50%", code=1)
    result.stdout.fnmatch_lines(["  allocations  test_it: 0 → 1 (+inf%)"])


def test_without_a_gate_the_comparison_is_only_shown(grown):
    """Exit code 0."""
    grown.run("--benchmark-memory-compare", code=0).stdout.fnmatch_lines(["test_it*+50.0%"])


def test_the_baseline_is_read_before_this_run_is_saved(grown):
    """With --benchmark-save in the same run it does not compare with itself."""
    grown.run(GATE, "--benchmark-save=second", code=1)
    grown.run(GATE, code=0).stdout.fnmatch_lines(["*Δ peak vs *0002_second.json"])


def test_a_reference_picks_the_run(grown):
    """As behind --benchmark-compare: a number, or the path of a file."""
    grown.run("--benchmark-save=second")
    grown.run(GATE, code=0)
    grown.run(GATE, "--benchmark-memory-compare=0001", code=1)
    [path] = grown.pytester.path.rglob("0001_*.json")
    grown.run(GATE, f"--benchmark-memory-compare={path}", code=1)


def test_the_latest_run_with_memory_counts(grown):
    """Trap: one save of timings alone disarms upstream's gate."""
    grown.pytester.makepyfile(test_it="def test_it(benchmark):\n    benchmark(bytearray, 100_000)\n")
    grown.run("--benchmark-save=timings")
    write(grown, 150)
    grown.run(GATE, code=1).stdout.fnmatch_lines(["*Δ peak vs *0001_first.json"])


def test_a_broken_file_in_the_storage_is_skipped(grown):
    """The latest that can be read counts."""
    [path] = grown.pytester.path.rglob("0001_*.json")
    path.with_name("0002_broken.json").write_text("{")
    path.with_name("0003_list.json").write_text("[]")
    path.with_name("0004_odd.json").write_text(
        json.dumps({"benchmarks": [{"fullname": "x", "extra_info": {"benchmem": 1}}]})
    )
    grown.run(GATE, code=1)


@pytest.mark.parametrize("flags", [[], ["--benchmark-memory-compare=0042"]])
def test_no_stored_run_with_memory_is_told_and_passes(suite, flags):
    """As the reference promises; the ini key makes it a failure."""
    write(suite, 1)
    result = suite.run(GATE, *flags, code=0)
    result.stdout.fnmatch_lines(["benchmem-compare: no prior run with memory to compare against*"])
    suite.configure("benchmark_memory_compare_strict = true\n")
    suite.run(GATE, *flags, outcomes={"passed": 1}, code=1)


def test_a_run_that_measured_no_memory_fails_the_gate(grown):
    """Trap: upstream passes. Without a gate it is only told."""
    grown.pytester.makepyfile(test_it="def test_it(benchmark):\n    benchmark(len, '')\n")
    result = grown.run(GATE, outcomes={"passed": 1}, code=1)
    result.stdout.fnmatch_lines(["benchmem-compare: no memory recorded this run*"])
    grown.run("--benchmark-memory-compare", code=0)


def test_a_baseline_that_shares_no_benchmark_fails_the_gate(grown):
    """Trap: an empty intersection passes upstream, and so a renamed test disarms the gate."""
    write(grown, 100, name="test_renamed")
    result = grown.run(GATE, outcomes={"passed": 1}, code=1)
    result.stdout.fnmatch_lines(["benchmem-compare: The two runs share no benchmark, so peak could not be compared."])


def test_a_run_measured_another_way_is_told(suite):
    """Different granularity or engine: the numbers do not compare, and that is not silent."""
    grow(suite, 100, 100, "--memory-granularity=malloc")
    result = suite.run("--benchmark-memory-compare")
    result.stdout.fnmatch_lines(["benchmem-compare: the stored run was measured by*malloc*this one by*python*"])
    result = suite.run("--benchmark-memory-compare", "--memory-granularity=malloc")
    result.stdout.no_fnmatch_line("*was measured by*")


def test_ini_keys_can_hold_the_gate(grown):
    """A repository sets its thresholds once."""
    grown.configure("benchmark_memory_compare_fail =\n    peak:10%\n    allocations:5\n")
    grown.run(code=1)
    grown.configure("benchmark_memory_compare_fail = peak:10 percent\n")
    grown.run(code=4).stderr.fnmatch_lines(["*bad ini key benchmark_memory_compare_fail 'peak:10 percent'*"])


@pytest.mark.parametrize(("value", "shown"), [("true", True), ("latest", True), ("0001", True), ("false", False)])
def test_the_ini_key_of_the_comparison_takes_a_switch_or_a_reference(grown, value, shown):
    """``benchmark_memory_compare = true`` is the flag without its value."""
    grown.configure(f"benchmark_memory_compare = {value}\n")
    assert ("Δ peak" in str(grown.run().stdout)) is shown


def test_a_failing_test_keeps_pytests_own_exit_code(grown):
    """The gate changes the exit code only where all was well."""
    grown.write("def test_it(benchmark_memory):\n    benchmark_memory(bytearray, 150_000)\n    assert 0\n")
    grown.run(GATE, outcomes={"failed": 1}, code=1).stdout.fnmatch_lines(["Memory regressions over threshold:"])


def test_pytest_benchmarks_own_gate_works_beside_it(grown):
    """Its error is its own; our verdict is printed all the same."""
    [path] = grown.pytester.path.rglob("0001_*.json")
    stored = json.loads(path.read_text())
    for key, value in stored["benchmarks"][0]["stats"].items():
        if isinstance(value, float):
            stored["benchmarks"][0]["stats"][key] = value / 1e6
    path.write_text(json.dumps(stored))
    result = grown.run(GATE, "--benchmark-compare", "--benchmark-compare-fail=min:5%")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["Memory regressions over threshold:"])


def test_nothing_is_compared_while_tests_are_only_collected(grown):
    """--collect-only prints and fails nothing."""
    grown.run(GATE, "--collect-only", code=0).stdout.no_fnmatch_line("*benchmem-compare*")
