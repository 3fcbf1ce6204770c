"""The grammar of FIELD:THRESHOLD (``--fail-on``, ``--benchmark-memory-compare-fail``)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.errors import InvalidThreshold
from pytest_memory.policy.thresholds import FIELDS, MEMORY_FIELDS, Threshold, growth_percent, parse_threshold

MIB = 1024**2

ACCEPTED = [
    ("peak:10%", "peak", 10, None),
    ("PEAK : 10 %", "peak", 10, None),
    ("allocated:0%", "allocated", 0, None),
    ("time:2.5%", "time", 2.5, None),
    ("rss:1e1%", "rss", 10, None),
    ("peak:5MiB", "peak", None, 5 * MIB),
    ("peak: .5 MiB ", "peak", None, MIB / 2),
    ("peak:1024", "peak", None, 1024),
    ("peak:7B", "peak", None, 7),
    ("rss:1GiB", "rss", None, 1024**3),
    ("allocations:5", "allocations", None, 5),
    ("time:1.5", "time", None, 1.5),
    ("time:1ms", "time", None, 0.001),
    ("time:2us", "time", None, 2e-6),
    ("time:2µs", "time", None, 2e-6),
    ("time:2\N{GREEK SMALL LETTER MU}s", "time", None, 2e-6),
    ("time:3ns", "time", None, 3e-9),
    ("peak:20%+8MiB", "peak", 20, 8 * MIB),
    ("peak: 20% + 8 MiB", "peak", 20, 8 * MIB),
    ("allocations:5%+100", "allocations", 5, 100),
    ("time:5%+1ms", "time", 5, 0.001),
]

REJECTED = [
    ("peak", "expected FIELD:THRESHOLD"),
    ("peak:", "expected FIELD:THRESHOLD"),
    ("10%", "expected FIELD:THRESHOLD"),
    ("peek:10%", "unknown field 'peek'"),
    (":10%", "unknown field ''"),
    ("peak:many", "is not a number"),
    ("peak:%", "is not a number"),
    ("peak:ten%", "is not a number"),
    ("peak:1_0%", "is not a number"),
    ("peak:nan%", "is not a number"),
    ("peak:inf%", "is not a number"),
    ("peak:-5%", "is not a number"),
    ("peak:-5MiB", "is not a number"),
    ("peak:nan", "is not a number"),
    ("peak:5MB", "unknown unit 'MB'"),
    ("peak:5TiB", "unknown unit 'TiB'"),
    ("peak:5mib", "unknown unit 'mib'"),
    ("peak:5ms", "unknown unit 'ms'"),
    ("rss:5ms", "unknown unit 'ms'"),
    ("time:5MiB", "unknown unit 'MiB'"),
    ("time:5S", "unknown unit 'S'"),
    ("peak:" + "9" * 400, "finite"),
    ("allocations:5MiB", "is a count"),
    ("allocations:five", "is a count"),
    ("peak:8MiB+20%", "is not a number with % and then +"),
    ("peak:20%+30%", "is not a number with % and then +"),
    ("peak:20%+", "is not a number"),
]


@pytest.mark.parametrize(("expression", "field", "percent", "absolute"), ACCEPTED)
def test_accepted(expression, field, percent, absolute):
    """A percent, an absolute amount with the field's own units, or both joined by a plus sign."""
    threshold = parse_threshold(expression)
    assert (threshold.field, threshold.percent, threshold.written) == (field, percent, expression)
    assert threshold.absolute == (absolute if absolute is None else pytest.approx(absolute))


@pytest.mark.parametrize(("expression", "fragment"), REJECTED)
def test_rejected(expression, fragment):
    """Anything else is an error that quotes the expression behind the flag, and says what is wrong with it."""
    with pytest.raises(InvalidThreshold) as caught:
        parse_threshold(expression)
    assert str(caught.value).startswith(f"bad --fail-on {expression!r}:")
    assert fragment in str(caught.value)


def test_the_message_names_the_flag_it_was_written_behind():
    """The same grammar serves several flags."""
    with pytest.raises(InvalidThreshold, match=r"^bad --memory-compare-fail 'peak:x':"):
        parse_threshold("peak:x", flag="--memory-compare-fail")


def test_a_field_that_cannot_be_judged_here_is_refused():
    """The inline gate knows memory only: timings have pytest-benchmark's own gate."""
    with pytest.raises(InvalidThreshold, match="can't gate on time; use --benchmark-compare-fail"):
        parse_threshold("time:5%", fields=MEMORY_FIELDS)


@given(st.text(max_size=20))
def test_any_text_is_a_finite_threshold_or_a_clear_error(text):
    """No text disarms a gate: what parses is finite and not negative."""
    for expression in (text, f"peak:{text}", f"time:{text}", f"allocations:{text}%", f"peak:1%+{text}"):
        try:
            threshold = parse_threshold(expression)
        except InvalidThreshold:
            continue
        parts = [part for part in (threshold.percent, threshold.absolute) if part is not None]
        assert parts
        assert all(math.isfinite(part) and part >= 0 for part in parts)


@given(st.sampled_from(FIELDS), st.integers(0, 10**6), st.integers(0, 10**9))
def test_round_trip(field, percent, absolute):
    """Every threshold that can be written is read back as the same numbers."""
    threshold = parse_threshold(f"{field}:{percent}%+{absolute}")
    assert (threshold.field, threshold.percent, threshold.absolute) == (field, percent, absolute)


@pytest.mark.parametrize(
    ("expression", "base", "head", "broken"),
    [
        ("peak:10%", 100, 110, False),  # equal passes
        ("peak:10%", 100, 111, True),
        ("peak:10B", 100, 110, False),
        ("peak:10B", 100, 111, True),
        ("peak:0%", 100, 99, False),  # only growth counts
        ("peak:0B", 100, 100, False),
        ("allocations:10%", 0, 1, True),  # growth from nothing is over any percentage
        ("allocations:10%", 0, 0, False),
        ("allocations:1", 0, 1, False),
        ("peak:20%+50B", 100, 130, False),  # over the percentage only
        ("peak:20%+50B", 1000, 1060, False),  # over the amount only
        ("peak:20%+50B", 100, 151, True),
        ("peak:20%+50B", 0, 50, False),
    ],
)
def test_growth_over_every_part_breaks_a_threshold(expression, base, head, broken):
    """Growth must be strictly over the percentage, the amount, or both where both are given."""
    assert parse_threshold(expression).broken(base, head) is broken


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_growth_percent_has_the_sign_of_the_change(base, head):
    """Percentages never hide a growth, whatever the baseline."""
    assert (growth_percent(base, head) > 0) == (head > base)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 200), st.integers(0, 10**9))
def test_both_parts_together_are_never_stricter_than_one(base, head, percent, absolute):
    """``PCT%+ABS`` is broken exactly where each part alone is."""
    alone = [Threshold("peak", percent, None, ""), Threshold("peak", None, absolute, "")]
    both = Threshold("peak", percent, absolute, "")
    assert both.broken(base, head) == all(part.broken(base, head) for part in alone)
