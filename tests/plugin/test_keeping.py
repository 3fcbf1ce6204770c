"""What is kept of an attempt that is over says what was measured, whoever packed it."""

import gc
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.model import (
    NOTABLE_PHASE,
    PHASES,
    AllocationSite,
    HeapUsage,
    Limit,
    PhaseUsage,
    ResidentUsage,
    StackFrame,
    Verdict,
)
from pytest_memory.plugin import keeping
from pytest_memory.plugin.keeping import Attempts
from pytest_memory.plugin.tally import Tally
from pytest_memory.plugin.transport import TRAVELLING_FRAMES, TRAVELLING_SITES, FinishedPhase, keep_phase, pack_phase

KEY = (None, "a.py::test")
FRAMES = [StackFrame(f"f{n}", "a.py", n) for n in range(4)]

sizes = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10 * NOTABLE_PHASE)
odd = sizes | st.none() | st.just(2**63) | st.just(2**80)
heaps = st.none() | st.builds(HeapUsage, sizes, sizes, sizes, sizes) | st.builds(HeapUsage, odd, odd, odd, odd)
residents = st.none() | st.builds(ResidentUsage, st.integers(0, 2**40), st.integers(0, 2**40), st.none() | sizes)
usages = st.builds(PhaseUsage, st.floats(0, 1e6), heaps, residents, st.sampled_from(["", "", "refused"]))
stacks = st.lists(st.sampled_from(FRAMES), max_size=2 * TRAVELLING_FRAMES).map(tuple)
sites = st.lists(st.builds(AllocationSite, sizes, sizes, stacks), max_size=2 * TRAVELLING_SITES).map(tuple)
verdicts = st.sampled_from([(), (), (Verdict(Limit("rss", 1), "not judged", reason="no rss"),)])
phases = st.builds(FinishedPhase, st.just("a.py::test"), st.sampled_from(PHASES), usages, sites, verdicts)
ordinary = st.tuples(*(st.builds(FinishedPhase, st.just("n"), st.just(phase), usages) for phase in PHASES)).map(list)


@pytest.fixture(scope="module", params=["C", "Python"], autouse=True)
def packer(request):
    """Packed in C and, as where there was no compiler, in Python."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Python":
            patch.setitem(sys.modules, "pytest_memory.plugin._keeping", None)
        else:
            pytest.importorskip("pytest_memory.plugin._keeping", reason="the extension was not built")
        yield request.param


@given(st.lists(st.tuples(st.sampled_from(["passed", "failed"]), ordinary | st.lists(phases, max_size=4)), max_size=4))
def test_nothing_is_lost(attempts):
    """Whatever was measured comes back as it would have travelled, and counts as much."""
    kept, tally = Attempts(), Tally()
    for outcome, measured in attempts:
        kept.add(KEY, outcome, [keep_phase(phase) for phase in measured])
        tally.add(KEY, [pack_phase(phase) for phase in measured])
    assert len(kept) == len(attempts)
    for position, (outcome, measured) in enumerate(attempts):
        assert kept[position] == (KEY, outcome, [pack_phase(phase) for phase in measured])
    assert kept.tally.weights == tally.weights
    assert kept.tally.seconds == pytest.approx(tally.seconds)
    assert kept.tally.unmeasured == tally.unmeasured
    assert kept.tally.tests == tally.tests
    assert [kept.tally.is_last(KEY, n) for n in range(9)] == [tally.is_last(KEY, n) for n in range(9)]


@given(st.lists(phases, max_size=3))
def test_what_has_travelled_is_kept_too(measured):
    """A controller of pytest-xdist keeps what workers have sent."""
    sent = [pack_phase(phase) for phase in measured]
    kept = Attempts()
    kept.add(("gw0", "a.py::test"), "passed", sent)
    assert kept[0] == (("gw0", "a.py::test"), "passed", sent)


def ordinary_attempt(call_sites=()):
    """One of which there is no more to say than numbers."""
    usage = PhaseUsage(0.5, HeapUsage(1, 2, 3, 4), ResidentUsage(5, 6, 7))
    return [keep_phase(FinishedPhase("n", phase, usage, call_sites if phase == "call" else ())) for phase in PHASES]


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_what_pytest_let_go_of(outcome):
    """The last attempt that ended so ends with less; it stays what it was otherwise, call stacks too."""
    kept = Attempts()
    sites = (AllocationSite(8, 1, tuple(FRAMES)),)
    for _ in range(2):
        kept.add(KEY, outcome, ordinary_attempt(sites))
    kept.let_go(KEY, 7, 5)  # there is none that ended with 7
    kept.let_go((None, "another"), 6, 5)
    assert kept[1] == kept[0]
    kept.let_go(KEY, 6, 2)
    (_, _, before), (key, found, after) = kept[0], kept[1]
    assert (key, found, after[:2]) == (KEY, outcome, before[:2])
    assert (before[2][4], after[2][4]) == ((5, 6, 7), (5, 2, 7))
    assert [growth for _, growth in kept.tally.weights] == [1, -3]


def test_most_attempts_are_packed(packer):
    """Ordinary attempts are packed in C: the rest of these tests would pass if none was."""
    kept = Attempts()
    kept.add(KEY, "passed", ordinary_attempt((AllocationSite(8, 1, tuple(FRAMES)),)))
    kept.add(KEY, "failed", ordinary_attempt())
    assert [found[0] == 0 for found in kept._bytes] == [packer == "C", False]


def test_a_frame_is_kept_once(packer):
    """Tests of one module have most of their frames in common; those that travelled are marshalled with their stack."""
    if packer == "Python":
        pytest.skip("marshalled stacks share nothing")
    kept = Attempts()
    many = [StackFrame("f", "a.py", n) for n in range(3000)]
    for first in range(0, 3000, 10):
        kept.add(KEY, "passed", ordinary_attempt((AllocationSite(8, 1, tuple(many[first : first + 10])),)))
        kept.add(KEY, "passed", ordinary_attempt((AllocationSite(8, 1, tuple(many[:10])),)))
    assert list(kept._packer.frames) == many
    stacks = [kept[position][2][1][5][0][2] for position in range(0, len(kept), 2)]
    assert [lineno for stack in stacks for _, _, lineno in stack] == list(range(3000))


def test_bad_arguments(packer):
    """The C face refuses what it cannot use."""
    if packer == "Python":
        pytest.skip("there is none")
    from pytest_memory.plugin._keeping import Packer

    with pytest.raises(ValueError, match="no less than 0 frames"):
        Packer(1, -1)
    with pytest.raises(TypeError):
        Packer()
    for nothing in (None, [], [1, 2, 3], [()] * 3, ((), (), ()), [(1, 2, 3, 4, 5, 6, 7)] * 3):
        assert Packer(1, 1).pack(nothing) is None


def test_what_holds_it_can_be_collected(packer):
    """A cycle through the packer is found by the collector."""
    kept = Attempts()
    kept.add(KEY, "passed", ordinary_attempt((AllocationSite(8, 1, (kept,)),)) if packer == "C" else ordinary_attempt())
    gc.collect()  # those of sessions that other tests ran
    alive = sum(isinstance(found, Attempts) for found in gc.get_objects())
    del kept
    gc.collect()
    assert sum(isinstance(found, Attempts) for found in gc.get_objects()) == alive - 1


def test_the_format_is_that_of_the_c_side():
    """What is read is what was written."""
    assert keeping._HEAD.size == 8
    assert keeping._PHASE.size == 64
    assert keeping._SITE.size == 24
