"""The ``--benchmark-memory…`` flags and their ini twins."""

import pytest

from pytest_memory.declaration import OPTIONS

FAMILY = [option for option in OPTIONS if option.flag.startswith("--benchmark-memory")]

ONE = """
def test_it(benchmark):
    benchmark(lambda: [0] * 1000)
"""

ERRORS = [
    ("--benchmark-memory-repeats=two", "*--benchmark-memory-repeats: 'two' is not a whole number*"),
    ("--benchmark-memory-warmup=-1", "*--benchmark-memory-warmup: '-1' is not a whole number*"),
    ("--benchmark-memory-max-time=soon", "*'soon' is not a number of seconds*"),
    ("--benchmark-memory-max-time=nan", "*'nan' is not a number of seconds*"),
    ("--benchmark-memory-columns=peek", "*unknown memory metric 'peek'; choose from peak, allocated, allocs*"),
    ("--benchmark-memory-stats=mode", "*unknown memory stat 'mode'; choose from min, max, mean, median, stddev*"),
    ("--benchmark-memory-table=both", "*--benchmark-memory-table: unknown value 'both'*"),
    ("--benchmark-memory-compare-fail=time:5%", "*can't gate on time*"),
    ("--benchmark-memory-compare-fail=peek:5%", "*unknown field 'peek'*"),
    ("--benchmark-memory-compare-fail=peak:lots", "*bad --benchmark-memory-compare-fail 'peak:lots':*is not a number*"),
    ("--benchmark-memory-compare-fail=peak:nan%", "*is not a number*"),
    ("--benchmark-memory-compare-fail=allocations:5KiB", "*is a count*"),
    ("--benchmark-memory-profile-native", "*needs --benchmark-memory-profile*"),
    ("--benchmark-memory-compare=test_it.py", "*took 'test_it.py' for the stored run*"),
    ("--benchmark-memory-compare=a/b/c", "*a/b/c*"),
]


@pytest.mark.parametrize(("flag", "message"), ERRORS)
def test_a_wrong_value_is_a_usage_error_before_the_first_test(suite, flag, message):
    """Exit code 4, and nothing runs; upstream reports thresholds only after the whole suite."""
    suite.write("def test_it():\n    print('it ran')\n")
    result = suite.run("-s", flag, code=4)
    result.stderr.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*it ran*")


def test_the_flag_measures_every_benchmark(suite):
    """Plain calls and pedantic ones, without a change to the tests; without it they have no memory."""
    suite.write(ONE + "\ndef test_pedantic(benchmark):\n    benchmark.pedantic(list, args=('ab',), rounds=2)\n")
    assert all("benchmem" in entry["extra_info"] for entry in suite.saved("--benchmark-memory").values())
    assert not any("benchmem" in entry["extra_info"] for entry in suite.saved().values())


@pytest.mark.parametrize(
    ("flags", "passes"),
    [
        ([], 1),
        (["--benchmark-memory-repeats=3"], 3),
        (["--benchmark-memory-repeats=0"], 1),
        (["--benchmark-memory-repeats=auto"], 3),  # exact numbers settle at once: two stale passes
        (["--benchmark-memory-max-time=60"], 3),
        (["--benchmark-memory-max-time=0"], 2),
        (["--benchmark-memory-max-time=60", "--benchmark-memory-repeats=4"], 4),
    ],
)
def test_how_many_passes(suite, flags, passes):
    """One by default; a budget makes their number adaptive, unless the number is given."""
    suite.write("def test_it(benchmark):\n    benchmark(len, '')\n")
    assert len(suite.blob("--benchmark-memory", *flags)["peak_bytes"]) == passes


def test_warmup_runs_between_timing_and_passes(suite):
    """Unmeasured calls."""
    suite.write(
        """
        def test_it(benchmark_memory):
            calls = []
            benchmark_memory.pedantic(lambda: calls.append(1))
            assert len(calls) == 1 + 2 + 1
        """
    )
    suite.run("--benchmark-memory-warmup=2", outcomes={"passed": 1})


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ("allocs,peak", "*│  allocs  peak (KiB)"),
        ("allocations, allocated ", "*│  allocs  allocated (KiB)"),
        ("", "*│  peak (KiB)"),
        ("peak,rss", "*│  peak (KiB)"),  # a metric that nobody measured gets no column
    ],
)
def test_columns_in_the_order_given(suite, columns, header):
    """Both spellings of the count; an empty list is the default."""
    suite.write(ONE)
    suite.run("--benchmark-memory", f"--benchmark-memory-columns={columns}").stdout.fnmatch_lines([header])


def test_the_later_granularity_and_engine_are_chosen_by_the_common_flags(suite):
    """--memory-granularity and --memory-engine hold for benchmarks too, and the saved run says so."""
    suite.write("def test_it(benchmark):\n    benchmark(bytearray, 100_000)\n")
    blob = suite.blob("--benchmark-memory", "--memory-granularity=malloc")
    assert 100_000 <= blob["peak_bytes"][0] < 101_000
    assert suite.document()["memory_info"]["granularity"] == "malloc"
    blob = suite.blob("--benchmark-memory", "--memory-engine=tracemalloc")
    assert list(blob) == ["peak_bytes"]
    assert suite.document()["memory_info"]["engine"] == "tracemalloc"


def test_memory_info_stands_outside_the_blob_and_only_where_memory_is(suite):
    """As machine_info does; comparing timings is not disturbed by it."""
    suite.write(ONE)
    suite.saved("--benchmark-memory")
    assert set(suite.document()["memory_info"]) == {"engine", "granularity", "version"}
    suite.saved()
    assert "memory_info" not in suite.document()


def test_every_flag_has_an_ini_twin():
    """``--benchmark-memory-x`` is ``benchmark_memory_x``."""
    assert [option.ini for option in FAMILY] == [(option.flag[2:].replace("-", "_"),) for option in FAMILY]
    assert len(FAMILY) == 12


def test_ini_keys_count_and_flags_beat_them(suite):
    """Marker over flag over ini over default."""
    suite.configure("benchmark_memory = true\nbenchmark_memory_repeats = 2\nbenchmark_memory_columns = allocs\n")
    suite.write(ONE)
    result = suite.run("--benchmark-json=out.json")
    result.stdout.fnmatch_lines(["*│  allocs·min  allocs·mean  allocs·max"])
    assert len(suite.document()["benchmarks"][0]["extra_info"]["benchmem"]["peak_bytes"]) == 2
    assert len(suite.blob("--benchmark-memory-repeats=3")["peak_bytes"]) == 3


def test_a_wrong_ini_value_names_its_key(suite):
    """The message says where to look."""
    suite.configure("benchmark_memory = true\nbenchmark_memory_stats = mode\n")
    suite.write(ONE)
    suite.run(code=4).stderr.fnmatch_lines(["*ini key benchmark_memory_stats: unknown memory stat 'mode'*"])


def test_help_works(suite):
    """Trap: upstream's ``pytest --help`` crashed on percent signs."""
    suite.run("--help", code=0).stdout.fnmatch_lines(["*--benchmark-memory-compare-fail=FIELD:THRESHOLD", "*peak:10%*"])
