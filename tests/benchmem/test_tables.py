"""Memory in the terminal summary: the combined table, the table of its own, and the modes of pytest-benchmark."""

from importlib.util import find_spec

import pytest

from pytest_memory.model import Measurement, MemoryResult
from pytest_memory.report.benchmark_columns import Choice, MemoryRow, caption, memory_columns
from pytest_memory.report.benchmark_table import combined_columns, split_table, widen
from pytest_memory.report.lines import Span, line, plain

MIB = 1024**2
KIB = 1024
PEAK = Choice(None, ("min", "mean", "max"))


def result(*peaks, allocations=7, total=None, rss=None):
    return MemoryResult(tuple(Measurement(peak, allocations, total or peak, rss) for peak in peaks))


def row(name, *peaks, base=None, **rest):
    return MemoryRow(name, result(*peaks, **rest) if peaks else None, base)


def texts(columns):
    return [(column.header, *column.cells) for column in columns]


class TestColumns:
    def test_one_pass_is_one_column_with_the_unit_of_the_largest_value(self):
        """Bare numbers with two decimals and commas; a benchmark without memory shows a dash."""
        rows = [row("a", 1536 * KIB), row("b"), row("c", 2000 * MIB)]
        assert texts(memory_columns(rows, PEAK)) == [("peak (GiB)", "0.00", "—", "1.95")]
        assert texts(memory_columns(rows[:2], PEAK)) == [("peak (MiB)", "1.50", "—")]
        assert texts(memory_columns([row("a", 932)], PEAK)) == [("peak (B)", "932")]

    def test_several_passes_spread_every_metric_into_the_chosen_stats(self):
        """If any benchmark has several; the unit stands in the first header only, and constant series spread too."""
        rows = [row("a", 2 * MIB, 4 * MIB), row("b", 8 * MIB)]
        choice = Choice(("peak", "allocations"), ("min", "max", "stddev"))
        assert texts(memory_columns(rows, choice)) == [
            ("peak·min (MiB)", "2.00", "8.00"),
            ("peak·max", "4.00", "8.00"),
            ("peak·stddev", "1.41", "0.00"),  # of a sample: n - 1
            ("allocs·min", "7", "7"),
            ("allocs·max", "7", "7"),
            ("allocs·stddev", "0", "0"),
        ]

    def test_rss_appears_by_itself_where_somebody_measured_it(self):
        """And not otherwise, even if asked for."""
        assert texts(memory_columns([row("a", MIB, rss=30 * MIB)], PEAK))[1] == ("rss (MiB)", "30.00")
        assert len(memory_columns([row("a", MIB)], Choice(("peak", "rss"), ("min",)))) == 1

    def test_the_best_is_green_and_the_worst_red(self):
        """Nothing in between, nothing where all are equal or only one is known."""
        [column] = memory_columns([row("a", 1), row("b", 2), row("c", 3), row("d")], PEAK)
        assert column.styles == ("green", "", "red", "")
        assert memory_columns([row("a", 1), row("b")], PEAK)[0].styles == ("", "")
        assert memory_columns([row("a", 1), row("b", 1)], PEAK)[0].styles == ("", "")

    def test_comparing_adds_the_stored_peak_and_the_change(self):
        """Unknown ids show dashes; growth is red and shrinking green."""
        rows = [
            row("a", 12 * MIB, base=10 * MIB),
            row("b", 5 * MIB, base=10 * MIB),
            row("new", MIB),
            row("z", 1, base=0),
        ]
        columns = combined_columns(rows, PEAK, "0001_x")
        assert texts(columns)[1:] == [
            ("base (MiB)", "10.00", "10.00", "—", "0.00"),
            ("Δ peak", "+20.0%", "-50.0%", "—", "—"),
        ]
        assert columns[2].styles == ("red", "green", "", "")

    def test_the_caption(self):
        """What the numbers are, what else there is, and what they are compared with."""
        assert caption([row("a", 1)], PEAK, timed=True, versus="0001_x") == (
            "memory (right of │): a separate, untimed pass, not the timed rounds  •  "
            "also available via --benchmark-memory-columns: allocated, allocs  •  Δ peak vs 0001_x"
        )
        everything = Choice(("peak", "allocated", "allocations"), ())
        assert caption([row("a", 1)], everything, timed=False) == ""


class TestSplit:
    def test_the_heaviest_comes_first_under_short_names(self):
        """And is red, the lightest green."""
        rows = [row("t.py::light", KIB), row("t.py::none"), row("t.py::T::heavy[a::b]", 3 * KIB)]
        written = list(split_table(rows, PEAK))
        assert [plain(each) for each in written] == [
            " Memory — 2 benchmarks ".center(23, "-"),
            "name         peak (KiB)",
            "-" * 23,
            "heavy[a::b]        3.00",
            "light              1.00",
            "-" * 23,
            "also available via --benchmark-memory-columns: allocated, allocs",
        ]
        assert [each[0].style for each in written[3:5]] == ["red", "green"]

    def test_with_a_stored_run_rows_are_tinted_by_direction(self):
        """Two more columns, and its label in the title."""
        written = list(split_table([row("a", 2 * KIB, base=KIB), row("b", KIB, base=2 * KIB)], PEAK, "0001_x"))
        assert "Memory vs 0001_x" in plain(written[0])
        assert plain(written[1]).split() == ["name", "peak", "(KiB)", "base", "(KiB)", "change"]
        assert [each[0].style for each in written[3:5]] == ["red", "green"]


class TestWiden:
    RECORDED = (
        line(),
        line("- benchmark: 2 tests -"),
        line("Name (time in us)  Min"),
        line("-" * 22),
        line("test_a             1.0"),
        line("test_b             2.0"),
        line("-" * 22),
        line(),
    )

    def test_columns_stand_right_of_a_rule(self):
        """Title and rules grow with the table; the lines of pytest-benchmark stay as they are."""
        rows = [row("test_a", KIB), row("test_b")]
        widened = widen(self.RECORDED, rows, memory_columns(rows, PEAK))
        assert [plain(each) for each in widened] == [
            "",
            " benchmark: 2 tests ".center(37, "-"),
            "Name (time in us)  Min  │  peak (KiB)",
            "-" * 37,
            "test_a             1.0  │        1.00",
            "test_b             2.0  │           —",
            "-" * 37,
            "",
        ]

    @pytest.mark.parametrize("rows", [1, 3])
    def test_a_table_of_another_shape_is_left_alone(self, rows):
        """Nothing is shown in the wrong row, whatever a version of pytest-benchmark prints."""
        rows = [row("a", 1)] * rows
        assert widen(self.RECORDED, rows, memory_columns(rows, PEAK)) is None
        assert widen((line(Span("no table")),), rows, memory_columns(rows, PEAK)) is None


TWO = """
import pytest

def work(size):
    return b"x" * size

@pytest.mark.parametrize("kib", [1, 20])
def test_it(benchmark, kib):
    benchmark.pedantic(work, args=(kib * 1024 - 33,), rounds=3)

@pytest.mark.benchmark(group="text")
def test_text(benchmark):
    benchmark.pedantic(work, args=(5 * 1024 - 33,), rounds=3)
"""


def test_the_combined_table_is_pytest_benchmarks_own_with_memory(suite):
    """One table per group with its title, its columns, its sorting, and no second table."""
    suite.write(TWO)
    result = suite.run("--benchmark-memory", "--benchmark-columns=rounds", "--benchmark-sort=name")
    result.stdout.re_match_lines(
        [
            r"-+ benchmark: 2 tests -+$",
            r"Name \(time in \w+\)\s+Rounds  │  peak \(KiB\)$",
            r"-+$",
            r"test_it\[1\]\s+3  │        1.00$",
            r"test_it\[20\]\s+3  │       20.00$",
            r"-+$",
            r"-+ benchmark 'text': 1 tests -+$",
            r"test_text\s+3  │        5.00$",
            r"Legend:$",
            r"  memory \(right of │\): a separate, untimed pass, not the timed rounds  •  also available via .*$",
        ],
    )
    assert str(result.stdout).count("test_it[1]") == 1


def test_grouping_is_pytest_benchmarks(suite):
    """--benchmark-group-by."""
    suite.write(TWO)
    result = suite.run("--benchmark-memory", "--benchmark-group-by=param:kib", "--deselect=test_it.py::test_text")
    result.stdout.fnmatch_lines(["*benchmark 'kib=1': 1*", "*│* 1.00", "*benchmark 'kib=20': 1*", "*│* 20.00"])


def test_nothing_is_cropped_in_a_pipe(suite, monkeypatch):
    """Trap: upstream's split table ends at column 80 (``7,8…``)."""
    monkeypatch.setenv("COLUMNS", "40")
    name = "test_" + "x" * 100
    suite.write(f"def {name}(benchmark_memory):\n    benchmark_memory(lambda n: b'x' * n, 5087)\n")
    for table in ("combined", "split"):
        text = str(suite.run(f"--benchmark-memory-table={table}", "--benchmark-memory-columns=peak,allocs").stdout)
        assert any(each.startswith(name) and each.endswith("  5.00       1") for each in text.splitlines()), text


@pytest.mark.parametrize("table", ["combined", "split"])
def test_quiet_prints_no_table(suite, table):
    """Trap: upstream ignores --benchmark-quiet."""
    suite.write(TWO)
    result = suite.run("--benchmark-memory", "--benchmark-quiet", f"--benchmark-memory-table={table}")
    result.stdout.no_fnmatch_line("*peak*")


def test_colour_follows_pytest(suite):
    """Trap: upstream ignores --color=no."""
    suite.write(TWO)
    assert "\x1b" not in str(suite.run("--benchmark-memory", "--color=no").stdout)
    assert "\x1b[31m     20.00\x1b[0m" in str(suite.run("--benchmark-memory", "--color=yes").stdout)


def test_profiles_of_pytest_benchmark_are_still_printed(suite):
    """Trap: upstream's table swallows --benchmark-cprofile."""
    suite.write(TWO)
    result = suite.run("--benchmark-memory", "--benchmark-cprofile=tottime")
    result.stdout.fnmatch_lines(["*│*", "*cProfile (time in s)*", "test_it.py::test_it*1*"])


@pytest.mark.skipif(find_spec("pygal") is None, reason="pytest-benchmark draws with pygal")
def test_histograms_of_pytest_benchmark_are_still_written(suite):
    """Trap: upstream's table swallows --benchmark-histogram."""
    suite.write(TWO)
    # pygal imports importlib_metadata, which takes the standard library's finder of plugins away for good.
    suite.run("--benchmark-memory", "--benchmark-histogram=picture", apart=True)
    assert list(suite.pytester.path.glob("picture*.svg"))


def test_stored_rows_show_the_memory_that_was_stored(suite):
    """Trap: with --benchmark-compare upstream shows this run's memory in the rows of the stored one."""
    for size in (991, 2015):
        suite.write(f"def test_it(benchmark):\n    benchmark.pedantic(lambda n: b'x' * n, args=({size},), rounds=2)\n")
        flags = ["--benchmark-compare"] if size > 1000 else []
        result = suite.run("--benchmark-memory", "--benchmark-save=run", "--benchmark-columns=rounds", *flags)
    result.stdout.re_match_lines_random([r"test_it \(0001_run\) .*│ +1.00$", r"test_it \(NOW\) .*│ +2.00$"])


def test_the_split_table_leaves_pytest_benchmarks_alone(suite):
    """Both are printed."""
    suite.write(TWO)
    result = suite.run("--benchmark-memory", "--benchmark-memory-table=split", "--benchmark-columns=rounds")
    result.stdout.re_match_lines([r"test_it\[1\] +3$", r"-* Memory — 3 benchmarks -*$", r"test_it\[20\] +20.00$"])


def test_without_memory_pytest_benchmarks_table_is_untouched(suite):
    """No rule, no caption, no table of ours."""
    suite.write(TWO)
    result = suite.run("--memory-top=1")
    result.stdout.no_fnmatch_line("*│*")
    result.stdout.no_fnmatch_line("*Memory —*")
