"""§6.1 and §7 of the benchmark contract: ``compare`` as it always was, and what it says of differences."""

from __future__ import annotations

import csv
import json

import pytest

from .conftest import benchmark, table

NOISY_LOW = [1.00, 1.04, 1.01, 1.03, 1.02]
NOISY_HIGH = [1.20, 1.24, 1.21, 1.23, 1.22]
MIB = 1024**2


class TestTable:
    """One table: a row per benchmark, a column per run, and the change if there are two."""

    def test_two_runs(self, compare, pair):
        """Cells share one byte unit, named in the title; a missing value is a dash."""
        code, out, err = compare(*pair, "--metric", "peak")
        title, header, rows = table(out)
        assert (code, err, title) == (0, "", "peak (KiB)")
        assert header == ["id", "old", "new", "change"]
        assert rows["grew"] == ["0.98", "1.17", "+20.0%"]
        assert rows["shrank"] == ["1.95", "0.98", "-50.0%"]
        assert rows["same"] == ["0.68", "0.68", "+0.0%"]
        assert rows["gone"] == ["0.0049", "—", "—"]
        assert rows["came"] == ["—", "0.01", "—"]

    @pytest.mark.parametrize(
        ("before", "after", "shown"),
        [
            (400, 335, ["0.00038", "0.00032", "-16.2%"]),
            (7 * MIB, 7 * MIB + 8, ["7.00000", "7.00001", "+0.0%"]),
            (7 * MIB, 7 * MIB + 1, ["7.000000", "7.000001", "+0.0%"]),
            (400, 400, ["0.00038", "0.00038", "+0.0%"]),
            (0, 8, ["0.0000000", "0.0000076", "—"]),
            (2 * MIB, 3 * MIB, ["2.00", "3.00", "+50.0%"]),
            (0, 0, ["0.00", "0.00", "—"]),
        ],
    )
    def test_what_two_decimals_would_hide(self, compare, save, before, after, shown):
        """A row has as many as it takes: different values never look equal, and no bytes never look like none."""
        large = benchmark("t.py::large", peak=[15 * MIB])
        old = save("a.json", large, benchmark("t.py::x", peak=[before]))
        new = save("b.json", large, benchmark("t.py::x", peak=[after]))
        title, _, rows = table(compare(old, new, "--metric", "peak")[1])
        assert (title, rows["large"][0], rows["x"]) == ("peak (MiB)", "15.00", shown)

    @pytest.mark.parametrize("options", [[], ["--columns", "peak", "--stat", "min"], ["--diff", "--columns", "peak"]])
    def test_what_is_no_more_than_a_rounding_has_no_colour(self, compare, save, monkeypatch, options):
        """Red and green are for changes that are not written as 0.0 %."""
        monkeypatch.setenv("FORCE_COLOR", "1")
        old = save("a.json", benchmark("t.py::x", peak=[7 * MIB]))
        for grown, coloured in ((8, False), (7 * MIB // 2000 - 1, False), (7 * MIB // 1000, True)):
            new = save("b.json", benchmark("t.py::x", peak=[7 * MIB + grown]))
            out = compare(old, new, *(options or ["--metric", "peak"]))[1]
            assert ("\x1b[31m" in out) is coloured

    def test_memory_is_peak(self, compare, pair):
        """The alias shows the same table."""
        assert compare(*pair, "--metric", "memory") == compare(*pair, "--metric", "peak")

    def test_small_values_are_whole_bytes(self, compare, save):
        """The unit comes from the largest value."""
        old, new = save("a.json", benchmark("t.py::x", peak=[900])), save("b.json", benchmark("t.py::x", peak=[1]))
        title, _, rows = table(compare(old, new, "--metric", "peak")[1])
        assert (title, rows["x"]) == ("peak (B)", ["900", "1", "-99.9%"])

    def test_times_have_four_digits(self, compare, save):
        """Time is the default metric, in seconds; its default statistic is the shortest round."""
        old = save("a.json", benchmark("t.py::x", rounds=[0.123456, 9]))
        new = save("b.json", benchmark("t.py::x", rounds=[0.246912, 9]))
        title, _, rows = table(compare(old, new)[1])
        assert title == "time (s)"
        assert rows["x"] == ["0.1235", "0.2469", "+100.0%~"]

    def test_counts_have_commas(self, compare, save):
        """Allocations are counted, not scaled."""
        old = save("a.json", benchmark("t.py::x", peak=[1], allocations=[1234567]))
        new = save("b.json", benchmark("t.py::x", peak=[1], allocations=[1234567]))
        title, _, rows = table(compare(old, new, "--metric", "allocations")[1])
        assert (title, rows["x"]) == ("allocations (count)", ["1,234,567", "1,234,567", "+0.0%"])

    def test_a_statistic_is_named_in_the_title(self, compare, save):
        """``--stat`` is taken over the passes, for every metric."""
        old = save("a.json", benchmark("t.py::x", peak=[10, 20, 60]))
        new = save("b.json", benchmark("t.py::x", peak=[10, 20, 120]))
        title, _, rows = table(compare(old, new, "--metric", "peak", "--stat", "mean")[1])
        assert (title, rows["x"]) == ("peak mean (B)", ["30", "50", "+66.7%~"])

    def test_three_runs_have_no_change(self, compare, save):
        """Only two runs have one; all are shown in the order given."""
        runs = [save(f"r{n}.json", benchmark("t.py::x", peak=[n])) for n in (3, 1, 2)]
        _, header, rows = table(compare(*runs, "--metric", "peak")[1])
        assert (header, rows["x"]) == (["id", "r3", "r1", "r2"], ["3", "1", "2"])

    def test_a_growth_from_nothing_has_no_percentage(self, compare, save):
        """A baseline of zero gives a dash."""
        old, new = save("a.json", benchmark("t.py::x", peak=[0])), save("b.json", benchmark("t.py::x", peak=[9]))
        assert table(compare(old, new, "--metric", "peak")[1])[2]["x"] == ["0", "9", "—"]

    def test_equal_short_ids_are_told_apart(self, compare, save):
        """Two modules may have a test of one name: both are shown with their whole id."""
        entries = [benchmark("a.py::x"), benchmark("b.py::x"), benchmark("b.py::y")]
        _, _, rows = table(compare(save("o.json", *entries), save("n.json", *entries))[1])
        assert {"a.py::x", "b.py::x", "y"} <= rows.keys()

    @pytest.mark.parametrize(
        ("sort", "names"),
        [
            ("name", ["came", "gone", "grew", "same", "shrank"]),
            ("value", ["grew", "shrank", "same", "came", "gone"]),
            ("change", ["grew", "same", "shrank", "came", "gone"]),
        ],
    )
    def test_sort(self, compare, pair, sort, names):
        """By id; by the last run's value; by the change: largest first, what has none last."""
        rows = table(compare(*pair, "--metric", "peak", "--sort", sort)[1])[2]
        assert [name for name in rows if name in names] == names

    def test_what_came_and_went_is_listed(self, compare, pair):
        """Beside the dashes in the table, below it."""
        out = compare(*pair, "--metric", "peak")[1]
        assert "new in new (1): came" in out
        assert "only in old (1): gone" in out

    def test_geometric_mean(self, compare, save):
        """Over the benchmarks that every run has: ratios of 2 and 1/8 make a half."""
        old = save("a.json", benchmark("t.py::x", peak=[100]), benchmark("t.py::y", peak=[800]))
        new = save("b.json", benchmark("t.py::x", peak=[200]), benchmark("t.py::y", peak=[100]))
        assert table(compare(old, new, "--metric", "peak")[1])[2]["geomean"] == ["283", "141", "-50.0%"]


class TestCsv:
    """Raw numbers by id, whatever the table shows."""

    def test_two_runs(self, compare, pair, tmp_path):
        """Unscaled, sorted by id, empty where nothing is, with the change in percent."""
        path = tmp_path / "new" / "out.csv"
        assert compare(*pair, "--metric", "peak", "--sort", "value", "--csv", str(path))[0] == 0
        with path.open(newline="") as file:
            assert list(csv.reader(file)) == [
                ["id", "old", "new", "change_pct"],
                ["t.py::came", "", "6", ""],
                ["t.py::gone", "5", "", ""],
                ["t.py::grew", "1000", "1200", "20.0"],
                ["t.py::same", "700", "700", "0.0"],
                ["t.py::shrank", "2000", "1000", "-50.0"],
            ]

    def test_unwritable(self, compare, pair, tmp_path):
        """A file that cannot be written is a wrong option: one line, exit code 2."""
        (tmp_path / "file").touch()
        code, _, err = compare(*pair, "--csv", str(tmp_path / "file" / "out.csv"))
        assert (code, err.count("\n")) == (2, 1)
        assert "out.csv" in err


class TestErrors:
    """§6.1: texts and exit codes."""

    @pytest.mark.parametrize(
        ("arguments", "code", "text"),
        [
            (["OLD"], 2, "compare needs at least two runs"),
            (["OLD", "nowhere.json"], 2, "missing: ['nowhere.json']"),
            (["OLD", "=OLD"], 2, "missing: ['=OLD']"),
            (["OLD", "x=nowhere*.json"], 2, "missing: ['nowhere*.json']"),
            (["OLD", "OLD"], 1, "two distinct runs"),
            (["OLD", "NEW", "-l", "x", "-l", "x"], 1, "two distinct runs"),
            (["OLD", "NEW", "-l", "x"], 2, "1 label(s) for 2 run(s)"),
            (["OLD", "NEW", "--sort", "size"], 1, "unknown --sort 'size'"),
            (["OLD", "NEW", "--stat", "p99"], 1, "unknown --stat 'p99'"),
            (["OLD", "NEW", "--metric", "peak", "--stat", "iqr"], 1, "unknown --stat 'iqr' of peak"),
            (["OLD", "NEW", "--metric", "rss"], 1, "no benchmarks with rss in old, new"),
            (["OLD", "NEW", "--where", "n=7"], 1, "time and n=7 in old, new; --where leaves none over"),
            (["OLD", "NEW", "--metric", "size"], 2, "--metric"),
            (["OLD", "NEW", "--format", "xml"], 2, "unknown --format 'xml'"),
            (["OLD", "NEW", "--alpha", "5"], 2, "bad --alpha 5.0"),
            (["OLD", "NEW", "--where", "n"], 2, "KEY=VALUE"),
            (["OLD", "NEW", "--significant"], 2, "--significant is about --fail-on"),
            (["OLD", "NEW", "--fail-on", "peak"], 2, "bad --fail-on 'peak': expected FIELD:THRESHOLD"),
            (["OLD", "NEW", "--fail-on", "size:1%"], 2, "unknown field"),
            (["OLD", "NEW", "--fail-on", "peak:x%"], 2, "is not a number"),
            (["OLD", "NEW", "--fail-on", "peak:5MB"], 2, "unknown unit"),
            (["OLD", "NEW", "--fail-on", "allocations:5KiB"], 2, "is a count"),
            (["OLD", "NEW", "--fail-on", "peak:nan%"], 2, "is not a number"),
        ],
    )
    def test_one_line_on_stderr(self, compare, pair, arguments, code, text):
        """Nothing is compared, nothing is printed on stdout."""
        places = dict(zip(("OLD", "NEW"), pair, strict=True))
        outcome = compare(*(places.get(argument, argument) for argument in arguments))
        assert outcome[:2] == (code, "")
        assert text in outcome[2]
        assert outcome[2].count("\n") == 1

    def test_a_run_that_lacks_the_metric_is_named(self, compare, save, pair):
        """One run with memory and one without: the table has dashes, stderr says why."""
        code, out, err = compare(pair[0], save("timed.json", benchmark("t.py::grew")), "--metric", "peak")
        assert (code, err) == (0, "no benchmark of timed has peak\n")
        assert "grew" in out


class TestGate:
    """§7: the first run against the last."""

    def test_passes(self, compare, pair):
        """Growth equal to the threshold is no breach."""
        code, _, err = compare(*pair, "--metric", "peak", "--fail-on", "peak:20%", "--fail-on", "peak: 200 B")
        assert (code, err) == (0, "no regressions over thresholds\n")

    def test_trips_after_the_table(self, compare, pair):
        """The table is shown, then one line for each breach."""
        code, out, err = compare(*pair, "--fail-on", "PEAK:19%", "--fail-on", "allocated:100")
        assert code == 1
        assert "time (s)" in out
        assert err.splitlines() == [
            "2 regression(s) over threshold:",
            "  peak         grew: 1000 B → 1.17 KiB (+20.0%)",
            "  allocated    grew: 1000 B → 1.17 KiB (+20.0%)",
        ]

    def test_both_parts_must_be_over(self, compare, pair):
        """``PCT%+ABS`` spares what is large in one sense only."""
        assert compare(*pair, "--fail-on", "peak:10%+1KiB")[0] == 0
        assert compare(*pair, "--fail-on", "peak:10%+100B")[0] == 1

    def test_first_against_last(self, compare, save):
        """What is between does not count."""
        runs = [save(f"r{n}.json", benchmark("t.py::x", peak=[n])) for n in (10, 99, 11)]
        assert compare(*runs, "--fail-on", "peak:10%")[0] == 0

    def test_a_gate_on_nothing_does_not_pass(self, compare, save):
        """Runs without memory, or without a common benchmark, cannot be called good."""
        timed = [save(f"{name}.json", benchmark("t.py::x")) for name in "ab"]
        code, _, err = compare(*timed, "--fail-on", "peak:10%")
        assert (code, err) == (1, "peak was measured in no benchmark on both sides, so nothing could be compared.\n")

    def test_significance_spares_noise(self, compare, save):
        """``--significant`` counts only what is real: +10 % of one round a side is not, +20 % of five is."""
        once = [save(f"o{value}.json", benchmark("t.py::x", rounds=[value])) for value in (1.0, 1.1)]
        assert compare(*once, "--fail-on", "time:5%")[0] == 1
        code, _, err = compare(*once, "--fail-on", "time:5%", "--significant")
        assert (code, "1 growth(s) over threshold not counted" in err) == (0, True)
        often = [save(f"{n}.json", benchmark("t.py::x", rounds=r)) for n, r in (("p", NOISY_LOW), ("q", NOISY_HIGH))]
        assert compare(*often, "--fail-on", "time:5%", "--significant")[0] == 1


class TestSignificance:
    """Whether a difference is real."""

    def test_real_differences_have_no_mark(self, compare, save):
        """Five rounds that lie apart; the summary counts them."""
        old, new = (
            save("a.json", benchmark("t.py::x", rounds=NOISY_LOW)),
            save("b.json", benchmark("t.py::x", rounds=NOISY_HIGH)),
        )
        out = compare(old, new)[1]
        assert table(out)[2]["x"][-1] == "+20.0%"
        assert "1 grew." in out
        assert "~" not in out

    def test_noise_is_marked(self, compare, save):
        """Rounds that overlap: nothing can be told."""
        old = save("a.json", benchmark("t.py::x", rounds=[1.00, 1.30, 1.10, 1.20, 1.05]))
        new = save("b.json", benchmark("t.py::x", rounds=[1.02, 1.25, 1.15, 1.22, 1.07]))
        out = compare(old, new)[1]
        assert table(out)[2]["x"][-1] == "+2.0%~"
        assert "1 unclear." in out

    def test_bytes_that_repeat_exactly_need_no_test(self, compare, pair):
        """A byte more is a byte more."""
        out = compare(*pair, "--metric", "peak")[1]
        assert "1 grew, 1 shrank, 1 unchanged." in out

    def test_statistics(self, compare, save):
        """Intervals of the medians, p, number of rounds and the test made."""
        old = save("a.json", benchmark("t.py::x", rounds=[*NOISY_LOW, 1.05]))
        new = save("b.json", benchmark("t.py::x", rounds=[*NOISY_HIGH, 1.25]))
        _, header, rows = table(compare(old, new, "--statistics")[1].replace("± ", "±"))
        assert header == ["id", "a", "b", "change", "│", "±a", "±b", "p", "n", "test"]
        assert rows["x"] == ["1", "1.2", "+20.0%", "│", "2.4%", "2.0%", "0.002", "6+6", "mann-whitney"]

    def test_medians_and_quartiles_serve_where_rounds_were_not_kept(self, compare, save):
        """``--benchmark-save`` keeps no rounds."""
        runs = []
        for name, median in (("a", 1.0), ("b", 1.5)):
            entry = benchmark("t.py::x", rounds=[median])
            del entry["stats"]["data"]
            entry["stats"] |= {"rounds": 100, "iqr": 0.1}
            runs.append(save(f"{name}.json", entry))
        assert json.loads(compare(*runs, "--format", "json")[1])["tables"][0]["rows"][0]["test"] == "notches"
        assert "~" not in compare(*runs)[1]

    def test_runs_of_one_label_are_pooled(self, compare, save):
        """Four runs a side, one value each: processes are compared, not rounds of one process."""
        before = [save(f"b{n}.json", benchmark("t.py::x", rounds=[1 + n / 100, 2])) for n in range(4)]
        after = [save(f"a{n}.json", benchmark("t.py::x", rounds=[1.5 + n / 100, 2])) for n in range(4)]
        labels = [argument for label in "BBBBAAAA" for argument in ("-l", label)]
        code, out, _ = compare(*before, *after, *labels)
        _, header, rows = table(out)
        assert (code, header) == (0, ["id", "B", "A", "change"])
        assert rows["x"] == ["1", "1.5", "+50.0%"]
        assert "~" in compare(*before[:3], *after, *labels[2:])[1]  # 3 against 4 has p = 0.057 at the best

    def test_a_label_can_stand_before_a_pattern(self, compare, save, tmp_path):
        """``LABEL=PATTERN`` pools every file that matches."""
        for n in range(2):
            save(f"b{n}.json", benchmark("t.py::x", rounds=[1 + n]))
        new = save("a.json", benchmark("t.py::x", rounds=[3]))
        _, header, rows = table(compare(f"before={tmp_path}/b*.json", f"after={new}")[1])
        assert (header[1:3], rows["x"][:2]) == (["before", "after"], ["1", "3"])
        assert compare(f"before={tmp_path}/z*.json", new)[0] == 2


class TestFormats:
    """Beside the table for people."""

    def test_markdown(self, compare, pair):
        """A heading and a pipe table, which shows in pull requests."""
        lines = compare(*pair, "--metric", "peak", "--format", "md")[1].splitlines()
        assert lines[0] == "#### peak (KiB)"
        assert lines[2:4] == ["| id | old | new | change |", "| :--- | ---: | ---: | ---: |"]
        assert "| grew | 0.98 | 1.17 | +20.0% |" in lines

    def test_markdown_escapes_pipes(self, compare, save):
        """A pipe in an id does not open a column."""
        paths = [save(f"{name}.json", benchmark("t.py::x[a|b]")) for name in "ab"]
        assert "| x[a\\|b] |" in compare(*paths, "--format", "md")[1]

    def test_json(self, compare, pair):
        """Whole ids, raw numbers, null where there is nothing."""
        document = json.loads(compare(*pair, "--metric", "peak", "--format", "json")[1])
        assert (document["format"], document["version"]) == ("pytest-memory-comparison", 1)
        rows = {row["id"]: row for row in document["tables"][0]["rows"]}
        assert rows["t.py::grew"]["values"] == {"old": 1000, "new": 1200}
        assert (rows["t.py::grew"]["change_pct"], rows["t.py::grew"]["real"]) == (20.0, True)
        assert rows["t.py::gone"]["values"] == {"old": 5, "new": None}

    def test_where_selects_by_dim(self, compare, save):
        """All conditions must hold; numbers match however they are written."""
        entries = [benchmark(f"t.py::x[{n}]", params={"n": n, "kind": "a"}) for n in (1, 10)]
        paths = save("o.json", *entries), save("n.json", *entries)
        rows = table(compare(*paths, "--where", "n=1e1", "--where", "param:kind=a")[1])[2]
        assert list(rows) == ["x[10]"]
        assert compare(*paths, "--where", "n=7")[0] == 1
