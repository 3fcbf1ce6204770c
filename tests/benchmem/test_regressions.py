"""Comparing two runs: what is over a threshold, in which words it is told, and what could not be compared."""

from pytest_memory.policy.regressions import GateResult, judge_regressions
from pytest_memory.policy.thresholds import parse_threshold

MIB = 1024**2


def judge(baseline: dict[str, dict[str, float]], head: dict[str, dict[str, float]], *thresholds: str) -> GateResult:
    return judge_regressions(baseline, head, [parse_threshold(threshold) for threshold in thresholds])


def test_offenders_are_listed_rule_by_rule_and_by_id():
    """Rules are independent: a benchmark may break several, and ids are sorted within each."""
    baseline = {key: {"peak": 100.0, "allocations": 10.0} for key in ("t.py::b", "t.py::a")}
    head = {key: {"peak": 200.0, "allocations": 20.0} for key in ("t.py::b", "t.py::a")}
    result = judge(baseline, head, "allocations:5", "peak:10%")
    assert [(offender.threshold.field, offender.benchmark) for offender in result.regressions] == [
        ("allocations", "t.py::a"),
        ("allocations", "t.py::b"),
        ("peak", "t.py::a"),
        ("peak", "t.py::b"),
    ]
    assert not result.passed


def test_only_ids_on_both_sides_are_compared():
    """A benchmark that is new, or that is gone, breaks nothing."""
    result = judge({"a": {"peak": 1}, "gone": {"peak": 1}}, {"a": {"peak": 1}, "new": {"peak": 99}}, "peak:0%")
    assert result.passed


def test_the_report_line():
    """Two blanks, the padded field, the short id, both values and the signed percentage."""
    result = judge({"t.py::test_build": {"peak": 10 * MIB}}, {"t.py::test_build": {"peak": 12 * MIB}}, "peak:10%")
    assert [offender.line() for offender in result.regressions] == [
        "  peak         test_build: 10 MiB → 12 MiB (+20.0%)"
    ]


def test_counts_are_plain_and_time_is_in_seconds():
    """Each field is written in its own unit."""
    result = judge(
        {"a": {"allocations": 1000, "time": 1.5}}, {"a": {"allocations": 2000, "time": 3}}, "allocations:1", "time:1s"
    )
    assert [offender.line() for offender in result.regressions] == [
        "  allocations  a: 1000 → 2000 (+100.0%)",
        "  time         a: 1.5s → 3s (+100.0%)",
    ]


def test_growth_from_zero_is_a_regression():
    """A benchmark that allocated nothing and now allocates is over any percentage, and the line says +inf%."""
    result = judge({"a": {"allocations": 0}}, {"a": {"allocations": 1}}, "allocations:50%")
    assert [offender.line() for offender in result.regressions] == ["  allocations  a: 0 → 1 (+inf%)"]


def test_a_gate_that_compared_nothing_has_not_passed():
    """An empty intersection is told with its reason, once per field."""
    result = judge({"a": {"peak": 1}}, {"b": {"peak": 1}}, "peak:1%", "peak:1MiB")
    assert result.regressions == ()
    assert result.unjudged == ("The two runs share no benchmark, so peak could not be compared.",)
    assert not result.passed


def test_a_metric_measured_on_one_side_only_cannot_be_compared():
    """rss exists only for isolated runs: a gate on it fails where either side has none."""
    result = judge({"a": {"peak": 1}}, {"a": {"peak": 1, "rss": 5}}, "rss:1%", "peak:1%")
    assert result.unjudged == ("rss was measured in no benchmark on both sides, so nothing could be compared.",)


def test_parameters_may_contain_the_separator():
    """The short id is cut at the last ``::`` outside the parameters."""
    result = judge({"t.py::T::test[a::b]": {"peak": 0}}, {"t.py::T::test[a::b]": {"peak": 1}}, "peak:1%")
    assert result.regressions[0].line() == "  peak         test[a::b]: 0 B → 1 B (+inf%)"


def test_a_short_id_that_two_benchmarks_have_names_neither():
    """Where two have the same, the whole id is given, whether or not both have grown."""
    older = {"a.py::test": {"peak": 100}, "b.py::test": {"peak": 100}, "b.py::test_other": {"peak": 100}}
    newer = {"a.py::test": {"peak": 100}, "b.py::test": {"peak": 200}, "b.py::test_other": {"peak": 200}}
    assert [offender.line() for offender in judge(older, newer, "peak:10%").regressions] == [
        "  peak         b.py::test: 100 B → 200 B (+100.0%)",
        "  peak         test_other: 100 B → 200 B (+100.0%)",
    ]
    newer["c.py::test_other"] = {"peak": 1}  # is in one run only, and a reader may take it for the one that has grown
    assert "b.py::test_other: 100 B → 200 B" in judge(older, newer, "peak:10%").regressions[-1].line()
