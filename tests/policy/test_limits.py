"""Which limits bind a test, and what becomes of them."""

import pytest

from pytest_memory.errors import InvalidLimit, InvalidSize
from pytest_memory.model import AllocationSite, HeapUsage, Limit, PhaseUsage, ResidentUsage, Verdict
from pytest_memory.policy.limits import DefaultLimit, binding_limits, explain, judge

SITE = AllocationSite(100, 1, ())
USAGE = PhaseUsage(
    0.1,
    heap=HeapUsage(peak=1000, allocated=5000, allocations=7, retained=None),
    resident=ResidentUsage(start=0, end=0, peak=9000),
)


@pytest.mark.parametrize(
    ("line", "nodeid"),
    [
        ("1MB", "anything.py::test"),
        ("* = 1MB", "tests/unit/test_a.py::test"),
        ("tests/unit = 1MB", "tests/unit/test_a.py::test"),
        ("tests/unit/ = 1MB", "tests/unit/test_a.py::test"),
        ("tests/test_a.py = 1MB", "tests/test_a.py::TestA::test"),
        ("tests/test_a.py::TestA = 1MB", "tests/test_a.py::TestA::test"),
        ("*::test_big* = 1MB", "tests/test_a.py::test_big[x=1]"),
    ],
)
def test_pattern_matches(line, nodeid):
    """A pattern matches a whole node id, or the folder, file or class in front of it."""
    default = DefaultLimit.parse(line, origin="here", metric="peak")
    assert default.matches(nodeid)
    assert default.limit.bound == 1024**2


@pytest.mark.parametrize(
    ("line", "nodeid"),
    [
        ("tests/unit = 1MB", "tests/unittest/test_a.py::test"),
        ("tests/test_a.py = 1MB", "tests/test_a.pyx::test"),
        ("test = 1MB", "tests/test_a.py::test"),
    ],
)
def test_pattern_does_not_match_part_of_a_name(line, nodeid):
    """A pattern ends where a name ends."""
    assert not DefaultLimit.parse(line, origin="here", metric="peak").matches(nodeid)


@pytest.mark.parametrize(
    ("line", "error", "text"),
    [
        ("= 1MB", InvalidLimit, "no pattern in front of '='"),
        ("tests/ =", InvalidSize, "here: size ''"),
        ("tests/ = 5 BANANA", InvalidSize, "unknown unit 'BANANA'"),
        ("tests/", InvalidSize, "'tests/'"),
    ],
)
def test_line_that_cannot_be_used(line, error, text):
    """A line of the ini key names what is wrong with it."""
    with pytest.raises(error, match="here") as caught:
        DefaultLimit.parse(line, origin="here", metric="peak")
    assert text in str(caught.value)


def test_closest_wins_per_bound_and_phase():
    """A test's own limit hides its class's on the same metric and phase, and no other."""
    own, of_class = Limit("peak", 1), Limit("peak", 2)
    setup, total = Limit("peak", 3, phase="setup"), Limit("allocated", 4)
    assert binding_limits([own, of_class, setup, total], (), "x") == (own, setup, total)


def test_last_default_that_matches_wins_behind_every_marker():
    """Suite-wide limits bind where no marker does; the last line that matches counts."""
    lines = ["* = 1KB", "tests/a* = 2KB", "tests/b* = 3KB"]
    defaults = [DefaultLimit.parse(line, origin="ini", metric="peak") for line in lines]
    assert [limit.bound for limit in binding_limits([], defaults, "tests/a.py::t")] == [2048]
    assert [limit.bound for limit in binding_limits([Limit("peak", 7)], defaults, "tests/a.py::t")] == [7]


@pytest.mark.parametrize(
    ("limit", "outcome", "measured"),
    [
        (Limit("peak", 1000), "passed", 1000),
        (Limit("peak", 999), "exceeded", 1000),
        (Limit("allocated", 4999), "exceeded", 5000),
        (Limit("allocations", 7), "passed", 7),
        (Limit("rss", 8999), "exceeded", 9000),
    ],
)
def test_equal_passes_and_more_exceeds(limit, outcome, measured):
    """A value equal to the bound passes; one more does not."""
    verdict = judge(limit, USAGE, (SITE,))
    assert (verdict.outcome, verdict.measured) == (outcome, measured)


def test_sites_come_with_broken_heap_limits_only():
    """Call stacks explain heap memory; they say nothing about resident memory."""
    assert judge(Limit("peak", 1), USAGE, (SITE,)).sites == (SITE,)
    assert judge(Limit("rss", 1), USAGE, (SITE,)).sites == ()
    assert judge(Limit("peak", 1000), USAGE, (SITE,)).sites == ()


@pytest.mark.parametrize(
    ("limit", "usage", "reason"),
    [
        (Limit("retained", 1), USAGE, "does not measure 'retained'"),
        (Limit("peak", 1), PhaseUsage(0.1, unmeasured="hooks were replaced"), "hooks were replaced"),
        (Limit("rss", 1), PhaseUsage(0.1), "resident memory was not read"),
    ],
)
def test_unmeasured_is_not_judged(limit, usage, reason):
    """A limit on something that was not measured neither passes nor fails."""
    verdict = judge(limit, usage)
    assert verdict.outcome == "not judged"
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            Verdict(Limit("peak", 24 * 1024**2), "exceeded", 32715571),
            "Test was limited to 24.0MiB but allocated 31.2MiB (granularity: python)",
        ),
        (
            Verdict(Limit("allocations", 1000), "exceeded", 12345),
            "Test was limited to 1,000 allocations but made 12,345 (granularity: python)",
        ),
        (
            Verdict(Limit("peak", 1024, phase="setup"), "exceeded", 2048),
            "Test was limited to 1.0KiB but allocated 2.0KiB during setup (granularity: python)",
        ),
        (
            Verdict(Limit("peak", 1024**2), "exceeded", 1024**2 + 1),
            "Test was limited to 1.0MiB (1048576 bytes) but allocated 1.0MiB (1048577 bytes) (granularity: python)",
        ),
        (
            Verdict(Limit("rss", 1024**2), "exceeded", 2 * 1024**2),
            "Test was limited to 1.0MiB of resident memory but reached 2.0MiB",
        ),
    ],
)
def test_failure_text(verdict, text):
    """The text says limit and value in one unit, and in bytes where the unit hides the difference."""
    assert explain(verdict, "python") == text
