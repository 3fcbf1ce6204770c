"""What is counted of attempts as they end is what their records say."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.model import NOTABLE_PHASE, PHASES, HeapUsage, Limit, PhaseUsage, ResidentUsage, Verdict
from pytest_memory.plugin.tally import Tally
from pytest_memory.plugin.transport import FinishedPhase, pack_phase
from pytest_memory.plugin.unpacking import unpack_record

MIB = 1024**2


def packed(phase, heap=None, resident=None, *, seconds=0.5, unmeasured="", verdicts=()):
    return pack_phase(FinishedPhase("n", phase, PhaseUsage(seconds, heap, resident, unmeasured), verdicts=verdicts))


def attempt(setup, call, growth=0):
    """One whose setup and call peaked at so many bytes."""
    start, end = ResidentUsage(100, 100), ResidentUsage(100, 100 + growth)
    return [
        packed("setup", HeapUsage(setup), start),
        packed("call", HeapUsage(call), start),
        packed("teardown", None, end),
    ]


def counted(*attempts):
    tally = Tally()
    for position, phases in enumerate(attempts):
        tally.add((None, f"t.py::test_{position}"), phases)
    return tally


class TestRank:
    """Which attempts are the heaviest."""

    def test_fixtures_count(self):
        """A test whose fixture takes the most stands first."""
        tally = counted(attempt(100, 4_000), attempt(100, 12 * MIB), attempt(50 * MIB, 2 * MIB))
        assert tally.heaviest(None) == [2, 1, 0]

    def test_a_small_setup_does_not(self):
        """The setup of an empty test takes more than its call, which says nothing of it."""
        assert counted(attempt(100, 200), attempt(NOTABLE_PHASE - 1, 100)).heaviest(None) == [0, 1]

    def test_then_growth(self):
        """Of equal heap peaks, or without any, the one after which the process is larger; then the earlier."""
        tally = counted(attempt(1, 100, growth=5), attempt(1, 100, growth=7), attempt(1, 100, growth=7))
        assert tally.heaviest(None) == [1, 2, 0]
        assert tally.heaviest(2) == [1, 2]

    def test_what_was_not_measured_has_no_rank(self):
        """An attempt without phases keeps its place among the records and is none of those shown."""
        tally = counted(attempt(1, 100), [], attempt(1, 200))
        assert tally.heaviest(None) == [2, 0]
        assert tally.attempts == 2


class TestTotals:
    """What is said of all attempts."""

    def test_a_rerun_is_the_same_test(self):
        """Tests are counted once, those of each worker apart; whole stacks belong to the last attempt."""
        tally = Tally()
        for key in ((None, "a"), (None, "a"), ("gw0", "a"), (None, "b")):
            tally.add(key, attempt(1, 2))
        tally.add((None, "b"), [])
        last = {(None, "a"): 1, ("gw0", "a"): 2, (None, "b"): 3}
        assert [key for key in last for position in range(5) if tally.is_last(key, position)] == list(last)
        assert all(tally.is_last(*pair) for pair in last.items())
        assert tally.tests == 3
        assert tally.attempts == 4

    def test_reasons(self):
        """Why phases were not measured and limits not judged, with counts."""
        limit = Limit("rss", 1)
        verdicts = (Verdict(limit, "not judged", reason="no rss"), Verdict(limit, "kept", 1))
        tally = counted(
            [packed("call", unmeasured="hooks were replaced", verdicts=verdicts)],
            [packed("call", HeapUsage(1), verdicts=verdicts), packed("teardown", unmeasured="hooks were replaced")],
        )
        assert tally.unmeasured == {"hooks were replaced": 2}
        assert tally.unjudged == {"no rss": 2}


sizes = st.none() | st.integers(0, 10 * NOTABLE_PHASE)
usages = st.builds(
    PhaseUsage,
    st.integers(0, 100).map(float),
    st.none() | st.builds(HeapUsage, sizes),
    st.none() | st.builds(ResidentUsage, st.integers(0, 100), st.integers(0, 100)),
    st.sampled_from(["", "one reason", "another"]),
)
attempts = st.lists(st.lists(usages, max_size=len(PHASES)), max_size=8)


@given(attempts)
def test_records_say_the_same(measured):
    """Whatever was measured: each figure is the one that the records give."""
    carried = [
        [pack_phase(FinishedPhase("n", *one)) for one in zip(PHASES, usages, strict=False)] for usages in measured
    ]
    tally = counted(*carried)
    records = [unpack_record(None, f"t.py::test_{n}", "passed", phases, {}) for n, phases in enumerate(carried)]
    phases = [usage for record in records for usage in record.phases.values()]
    assert tally.seconds == sum(record.seconds for record in records)
    assert tally.unmeasured == Counter(usage.unmeasured for usage in phases if usage.unmeasured)
    assert sorted(tally.heaviest(None)) == [position for position, record in enumerate(records) if record.phases]
    for position in tally.heaviest(None):
        record = records[position]
        peaks = [
            usage.heap.peak
            for phase, usage in record.phases.items()
            if usage.heap and usage.heap.peak and (phase == "call" or usage.heap.peak >= NOTABLE_PHASE)
        ]
        assert tally.weights[position] == (max(peaks, default=0), record.growth or 0)
