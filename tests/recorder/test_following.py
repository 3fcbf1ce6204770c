"""How a process follows its tests: which phases go into the journal, and whose memory counts where."""

import sys
from types import SimpleNamespace

import pytest

from pytest_memory.model import ACTIVITIES, HeapUsage, PhaseUsage, ResidentUsage
from pytest_memory.plugin.recorder_tests import TestLog
from pytest_memory.recorder.channel import Breadcrumb
from pytest_memory.recorder.crumbs import CrumbReader
from pytest_memory.recorder.journal import create_journal
from pytest_memory.recorder.reader import read_journal

SETUP, CALL, TEARDOWN = (ACTIVITIES.index(phase) for phase in ("setup", "call", "teardown"))


class FakeWatermark:
    """Gives the levels it was told, each with the peak since the last reading."""

    def __init__(self):
        self.level = 100
        self.peak = 100

    def read(self):
        peak, self.peak = max(self.peak, self.level), self.level
        return self.level, peak

    def close(self):
        pass


class Followed:
    """A test log on a clock of its own."""

    def __init__(self, folder):
        self.now = 10.0
        self.memory = FakeWatermark()
        self.crumb = Breadcrumb(folder / "main.crumb", clock=lambda: self.now)
        self.log = TestLog(self.crumb, None)
        self.log.journal = create_journal(folder / "journal", {"origin": 10.0})
        self.log.watermark = self.memory
        self._folder = folder

    def phase(self, nodeid, phase, seconds, level=None, peak=0):
        """A phase that takes some time, touches a peak, and leaves memory at a level."""
        self.log.enter(SimpleNamespace(nodeid=nodeid), phase)
        self.now += seconds
        self.memory.level = level if level is not None else self.memory.level
        self.memory.peak = max(self.memory.peak, peak, self.memory.level)

    def spans(self):
        """What is in the journal: name, phase, and resident bytes."""
        read = read_journal(self._folder / "journal").spans
        return [(span.nodeid, span.activity, span.resident) for span in read]


@pytest.fixture(params=["C", "Python"])
def followed(tmp_path, request, monkeypatch):
    if request.param == "Python":  # there was no compiler
        monkeypatch.setitem(sys.modules, "pytest_memory.recorder._cells", None)
    else:
        pytest.importorskip("pytest_memory.recorder._cells")
    followed = Followed(tmp_path)
    yield followed
    followed.log.close()
    followed.crumb.close()


def test_each_long_phase_has_its_own_memory(followed):
    """Start, end and peak of a phase are its own, and the next phase starts where it ended."""
    followed.log.begin("a")
    followed.phase("a", SETUP, 0.5, level=150)
    followed.phase("a", CALL, 0.5, level=200, peak=900)
    followed.phase("a", TEARDOWN, 0.5, level=120)
    followed.log.leave()
    assert followed.spans() == [
        ("a", "setup", ResidentUsage(100, 150, 150)),
        ("a", "call", ResidentUsage(150, 200, 900)),
        ("a", "teardown", ResidentUsage(200, 120, 200)),
    ]


def test_a_brief_phase_counts_with_the_next(followed):
    """A setup of 50 µs gets no reading, and what it took is seen in the call; a brief teardown is not measured."""
    followed.log.begin("a")
    followed.phase("a", SETUP, 5e-5, level=150)
    followed.phase("a", CALL, 0.5, level=200, peak=900)
    followed.phase("a", TEARDOWN, 5e-5)
    followed.log.leave()
    assert followed.spans() == [
        ("a", "setup", None),
        ("a", "call", ResidentUsage(100, 200, 900)),
        ("a", "teardown", None),
    ]


def test_memory_between_tests_is_no_tests(followed):
    """What rises after a test has ended is not the next one's growth."""
    for nodeid in ("a", "b"):
        followed.log.begin(nodeid)
        followed.phase(nodeid, CALL, 0.5)
        followed.log.leave()
        followed.now += 1.0
        followed.memory.level = followed.memory.peak = 500
    assert [resident for *_, resident in followed.spans()] == [
        ResidentUsage(100, 100, 100),
        ResidentUsage(500, 500, 500),
    ]


def test_a_rerun_is_an_attempt_of_its_own(followed):
    """A second setup of the same test ends the first attempt, though nobody said that it had ended."""
    followed.log.begin("a")
    for _ in range(2):
        followed.phase("a", SETUP, 0.5)
        followed.phase("a", CALL, 0.5)
    followed.log.leave()
    assert [activity for _, activity, _ in followed.spans()] == ["setup", "call", "setup", "call"]


def test_a_test_that_runs_elsewhere_leaves_a_name_and_no_phases(followed, tmp_path):
    """Where a fork runs the phases the breadcrumb names the test, and the journal claims nothing."""
    followed.log.begin("a")
    assert CrumbReader(tmp_path / "main.crumb").read().nodeid == "a"
    followed.log.leave()
    assert CrumbReader(tmp_path / "main.crumb").read().nodeid == ""
    assert followed.spans() == []


def test_a_phase_that_nobody_announced_is_followed(followed):
    """A plugin's own protocol may run phases without saying that a test begins."""
    followed.phase("a", CALL, 0.5)
    followed.phase("b", CALL, 0.5)
    followed.log.leave()
    assert [(nodeid, activity) for nodeid, activity, _ in followed.spans()] == [("a", "call"), ("b", "call")]


def test_what_was_measured_counts_more(followed):
    """The meter's exact numbers go into the journal where there are some, and the heap's peak with them."""
    followed.log.begin("a")
    followed.phase("a", CALL, 0.5)
    followed.log.phase_ended(PhaseUsage(0.5, heap=HeapUsage(peak=7), resident=ResidentUsage(1, 2, 3)))
    followed.phase("a", TEARDOWN, 0.5, level=130)
    followed.log.phase_ended(PhaseUsage(0.5))
    followed.log.leave()
    assert followed.spans() == [
        ("a", "call", ResidentUsage(1, 2, 3)),
        ("a", "teardown", ResidentUsage(100, 130, 130)),
    ]


def test_measuring_takes_over_between_two_tests(followed):
    """The journal goes on where somebody begins to measure."""
    followed.phase("a", CALL, 0.5)
    followed.log.leave()
    followed.phase("b", CALL, 0.5)
    followed.log.phase_ended(PhaseUsage(0.5, resident=ResidentUsage(1, 2, 3)))
    followed.log.leave()
    assert followed.spans() == [
        ("a", "call", ResidentUsage(100, 100, 100)),
        ("b", "call", ResidentUsage(1, 2, 3)),
    ]


def test_a_heap_without_a_peak_is_journaled(followed):
    """An engine that cannot tell the peak leaves it out; the phase is in the journal all the same."""
    followed.phase("a", CALL, 0.5)
    followed.log.phase_ended(PhaseUsage(0.5, heap=HeapUsage(allocations=3)))
    followed.log.leave()
    assert followed.spans() == [("a", "call", ResidentUsage(100, 100, 100))]


def test_without_a_journal_nothing_is_read(followed):
    """Where nobody would keep it, a phase costs its breadcrumb and no more."""
    followed.log.journal.close()
    followed.log.journal = None
    followed.memory.read = None  # calling it would raise
    followed.log.begin("a")
    for phase in (SETUP, CALL, TEARDOWN):
        followed.phase("a", phase, 0.5)
        followed.log.phase_ended(PhaseUsage(0.5))
    followed.log.leave()
    assert not followed.log.running
