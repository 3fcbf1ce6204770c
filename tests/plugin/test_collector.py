"""What travels on reports becomes records, whatever order and process it comes from."""

import gc
import json
import marshal
import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.declaration import REPORT_KEY
from pytest_memory.model import (
    AllocationSite,
    HeapUsage,
    Limit,
    PhaseUsage,
    ResidentUsage,
    StackFrame,
    TestRecord,
    Verdict,
)
from pytest_memory.plugin.collector import Collector
from pytest_memory.plugin.transport import (
    TRAVELLING_FRAMES,
    TRAVELLING_SITES,
    FinishedPhase,
    Showcase,
    junit_properties,
    pack_phase,
)
from pytest_memory.plugin.unpacking import unpack_record

PHASES = ("setup", "call", "teardown")
FRAME = StackFrame("build", "/src/a.py", 3)
SITE = AllocationSite(100, 2, (FRAME,))
BROKEN = Verdict(Limit("peak", 10, origin="limit_memory(10)"), "exceeded", 1000, sites=(SITE,))


def finished(phase="call", peak=1000, nodeid="a.py::test", **more):
    usage = PhaseUsage(0.5, heap=HeapUsage(peak, 2000, 3, 0), resident=ResidentUsage(10, 30, 40))
    return FinishedPhase(nodeid, phase, usage, **more)


def report(when, outcome="passed", *, nodeid="a.py::test", worker=None, carried=None, **attributes):
    made = pytest.TestReport(nodeid, ("a.py", 0, "test"), {}, outcome, None, when)
    if carried is not None:
        setattr(made, REPORT_KEY, [pack_phase(phase) for phase in carried])
    if worker is not None:
        made.worker_id = worker
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def feed(collector, *outcomes, **more):
    """Send the reports of one attempt."""
    for when, outcome in zip(PHASES, outcomes, strict=True):
        if outcome is not None:
            carried = [finished(when, sites=(SITE,))]
            collector.pytest_runtest_logreport(report(when, outcome, carried=carried, **more))


class TestRecords:
    """From reports to records."""

    def test_one_attempt(self):
        """Three reports make one record with three phases, and the call's call stacks."""
        collector = Collector()
        feed(collector, "passed", "passed", "passed")
        (record,) = collector.records()
        assert (record.nodeid, record.outcome, tuple(record.phases)) == ("a.py::test", "passed", PHASES)
        assert record.sites == (SITE,)
        assert record.phases["call"] == finished().usage

    @pytest.mark.parametrize(
        ("outcomes", "expected"),
        [
            (("passed", "failed", "passed"), "failed"),
            (("failed", None, "passed"), "error"),
            (("passed", "passed", "failed"), "error"),
            (("skipped", None, "passed"), "skipped"),
            (("passed", "rerun", "passed"), "rerun"),
        ],
    )
    def test_outcome(self, outcomes, expected):
        """The first phase that did not pass decides; outside the call a failure is an error."""
        collector = Collector()
        feed(collector, *outcomes)
        assert [record.outcome for record in collector.records()] == [expected]

    @pytest.mark.parametrize(("outcome", "expected"), [("skipped", "xfailed"), ("passed", "xpassed")])
    def test_expected_failures(self, outcome, expected):
        """xfail is told from skip and pass."""
        collector = Collector()
        collector.pytest_runtest_logreport(report("setup"))
        collector.pytest_runtest_logreport(report("call", outcome, wasxfail="reason"))
        collector.pytest_runtest_logreport(report("teardown"))
        assert [record.outcome for record in collector.records()] == [expected]

    @pytest.mark.parametrize("last", ["passed", "failed"])
    def test_a_phase_reported_twice(self, last):
        """pytest-retry reports a call as retried, and then how it went in the end: that is what counts."""
        collector = Collector()
        for when, outcome in (("setup", "passed"), ("call", "retried"), ("call", last), ("teardown", "passed")):
            collector.pytest_runtest_logreport(report(when, outcome))
        assert [record.outcome for record in collector.records()] == [last]

    def test_a_rerun_is_another_attempt(self):
        """A second setup of the same test begins another record."""
        collector = Collector()
        feed(collector, "passed", "rerun", "passed")
        feed(collector, "passed", "passed", "passed")
        assert [record.outcome for record in collector.records()] == ["rerun", "passed"]

    def test_the_run_ended_inside_a_test(self):
        """An attempt without its teardown is unfinished, and keeps what was measured so far."""
        collector = Collector()
        collector.pytest_runtest_logreport(report("setup", carried=[finished("setup")]))
        (record,) = collector.records()
        assert (record.outcome, tuple(record.phases)) == ("unfinished", ("setup",))

    def test_a_worker_crashed(self):
        """pytest-xdist reports the test that took its worker down in no phase at all."""
        collector = Collector()
        collector.pytest_runtest_logreport(report("setup", worker="gw1", carried=[finished("setup")]))
        node = SimpleNamespace(gateway=SimpleNamespace(id="gw1"))
        collector.pytest_runtest_logreport(report("???", "failed", node=node))
        (record,) = collector.records()
        assert (record.outcome, record.worker, tuple(record.phases)) == ("crashed", "gw1", ("setup",))

    def test_workers_are_kept_apart(self):
        """The same node id in two workers is two attempts, however their reports interleave."""
        collector = Collector()
        for when in PHASES:
            for worker in ("gw0", "gw1"):
                collector.pytest_runtest_logreport(report(when, worker=worker))
        assert sorted(record.worker for record in collector.records()) == ["gw0", "gw1"]

    def test_subtests_are_not_attempts(self):
        """A subtest's report belongs to its test."""
        collector = Collector()
        collector.pytest_runtest_logreport(report("call", context=object()))
        assert collector.records() == ()

    def test_whole_stacks_replace_those_that_travelled(self):
        """A worker hands over the stacks of the tests to be shown when it ends."""
        collector = Collector()
        feed(collector, "passed", "passed", "passed", worker="gw0")
        whole = (SITE, AllocationSite(1, 1, ()))
        collector.add_whole_sites("gw0", {"a.py::test": whole, "b.py::other": whole})
        assert [record.sites for record in collector.records()] == [whole]

    def test_only_those_shown(self):
        """The heaviest first, those still running among them; whole stacks go to the last attempt at a test alone."""
        collector = Collector()
        whole = (SITE, AllocationSite(1, 1, ()))
        for outcome in ("rerun", "passed"):
            feed(collector, "passed", outcome, "passed")
        collector.add_whole_sites(None, {"a.py::test": whole})
        running = [finished("setup", 10**6, nodeid="b.py::test")]
        collector.pytest_runtest_logreport(report("setup", nodeid="b.py::test", carried=running))
        heaviest = collector.heaviest(3)
        assert [(record.nodeid, record.outcome) for record in heaviest] == [
            ("b.py::test", "unfinished"),
            ("a.py::test", "rerun"),
            ("a.py::test", "passed"),
        ]
        assert [record.sites for record in heaviest] == [(), (SITE,), whole]
        assert collector.heaviest(1) == heaviest[:1]
        assert collector.heaviest(0) == ()

    def test_what_is_kept_is_no_work_for_the_garbage_collector(self):
        """Ended attempts are kept as bytes: objects would make every full collection of the tests longer."""
        collector = Collector()
        feed(collector, "passed", "passed", "passed")
        kept = collector._ended._bytes
        assert kept
        assert not any(map(gc.is_tracked, kept))

    def test_reports_are_unloaded(self):
        """pytest keeps all reports: what hung on them goes to the collector."""
        loaded = report("call", carried=[finished()])
        Collector().pytest_runtest_logreport(loaded)
        assert not hasattr(loaded, REPORT_KEY)


class TestTravelling:
    """What goes from a worker to its controller."""

    def test_plain_json_and_back(self):
        """Everything but sections and the verdicts' own sites survives JSON."""
        sent = finished(sites=(SITE,), verdicts=(BROKEN,), sections=(("title", "text"),))
        received = unpack_record(None, "a.py::test", "failed", json.loads(json.dumps([pack_phase(sent)])), {})
        assert received.phases == {"call": sent.usage}
        assert received.sites == sent.sites
        assert [(v.limit, v.outcome, v.measured) for v in received.verdicts] == [(BROKEN.limit, "exceeded", 1000)]

    def test_few_sites_travel_and_not_deep(self):
        """A suite of thousands of tests must not send megabytes of stacks."""
        deep = AllocationSite(1, 1, (FRAME,) * 100)
        packed = pack_phase(finished(sites=(deep,) * 100))
        received = unpack_record(None, "a.py::test", "passed", [packed], {})
        assert len(received.sites) == TRAVELLING_SITES
        assert {len(site.frames) for site in received.sites} == {TRAVELLING_FRAMES}

    def test_any_transport_will_do(self):
        """Reports travel by execnet (pytest-xdist) and by marshal (pytest-forked): both want plain types."""
        sent = finished(sites=(SITE,), verdicts=(BROKEN,))
        assert marshal.loads(marshal.dumps(pack_phase(sent))) == pack_phase(sent)

    def test_a_call_that_was_not_reported(self):
        """flaky keeps a failed attempt's report to itself: the teardown's carries the call, and it was a rerun."""
        collector = Collector()
        collector.pytest_runtest_logreport(report("setup", carried=[finished("setup")]))
        collector.pytest_runtest_logreport(report("teardown", carried=[finished("call"), finished("teardown")]))
        (record,) = collector.records()
        assert (record.outcome, tuple(record.phases)) == ("rerun", PHASES)

    def test_junit_properties(self):
        """Names say the phase, values are bytes and counts, and what was not measured is left out."""
        usage = PhaseUsage(0.1, heap=HeapUsage(peak=5), resident=ResidentUsage(1, 2))
        assert junit_properties(FinishedPhase("n", "setup", usage)) == [
            ("memory.setup.heap.peak", 5),
            ("memory.setup.resident.start", 1),
            ("memory.setup.resident.end", 2),
        ]


numbers = st.none() | st.integers(0, 2**63 - 1)
frames = st.builds(StackFrame, st.text(), st.text(), st.integers(0, 2**31))
phases = st.builds(
    FinishedPhase,
    nodeid=st.text(),
    phase=st.sampled_from(PHASES),
    usage=st.builds(
        PhaseUsage,
        seconds=st.floats(0, 1e6),
        heap=st.none() | st.builds(HeapUsage, numbers, numbers, numbers, numbers),
        resident=st.none() | st.builds(ResidentUsage, st.integers(0, 2**50), st.integers(0, 2**50), numbers),
        unmeasured=st.text(),
    ),
    sites=st.lists(
        st.builds(
            AllocationSite,
            st.integers(0, 2**60),
            st.integers(0, 2**40),
            st.lists(frames, max_size=TRAVELLING_FRAMES).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)


@given(phases)
def test_packing_round_trip(phase):
    """Every phase comes out as it went in."""
    record = unpack_record("gw1", phase.nodeid, "passed", marshal.loads(marshal.dumps([pack_phase(phase)])), {})
    sites = phase.sites if phase.phase == "call" else ()
    around = {phase.phase: phase.sites} if phase.phase != "call" and phase.sites else {}
    assert record == TestRecord(phase.nodeid, "passed", "gw1", {phase.phase: phase.usage}, sites, around=around)


class TestShowcase:
    """Which whole stacks are kept."""

    @staticmethod
    def kept(showcase):
        return set(showcase.sites())

    def test_the_highest(self):
        """Of many tests the highest peaks stay, whatever their order."""
        showcase = Showcase(2)
        for peak in (5, 9, 1, 7):
            showcase.consider(finished(peak=peak, nodeid=str(peak), sites=(SITE,)))
        assert self.kept(showcase) == {"9", "7"}

    def test_zero_keeps_all(self):
        """As --memory-top=0 shows all."""
        showcase = Showcase(0)
        for peak in range(20):
            showcase.consider(finished(peak=peak, nodeid=str(peak), sites=(SITE,)))
        assert len(self.kept(showcase)) == 20

    def test_broken_limits_stay(self):
        """A test that broke a limit is shown however small it is."""
        showcase = Showcase(1)
        showcase.consider(finished(peak=1, nodeid="small", sites=(SITE,), verdicts=(BROKEN,)))
        showcase.consider(finished(peak=9, nodeid="big", sites=(SITE,)))
        assert self.kept(showcase) == {"small", "big"}

    def test_only_calls_with_sites(self):
        """There is nothing to keep of the rest."""
        showcase = Showcase(5)
        showcase.consider(finished("setup", sites=(SITE,)))
        showcase.consider(finished())
        assert self.kept(showcase) == set()


def test_call_stacks_of_a_record_share_their_texts():
    """A session keeps thousands of records, and the frames of a test's call stacks lie in few files."""
    deep = tuple(
        StackFrame(f"step_{number}", "/home/somebody/project/src/package/module.py", number) for number in range(16)
    )
    sites = tuple(AllocationSite(size, 1, deep) for size in (500, 400, 300, 200, 100))
    collector = Collector()
    tracemalloc.start()
    try:
        for number in range(200):
            nodeid = f"a.py::test_{number}"
            collector.pytest_runtest_logreport(report("setup", nodeid=nodeid))
            carried = [finished("call", nodeid=nodeid, sites=sites)]
            collector.pytest_runtest_logreport(report("call", nodeid=nodeid, carried=carried))
            collector.pytest_runtest_logreport(report("teardown", nodeid=nodeid))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / 200 < 2500
    assert collector.records()[-1].sites == sites
