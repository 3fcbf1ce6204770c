"""What an autopsy says, from hand-built timelines."""

import signal
from dataclasses import replace

import pytest

from pytest_memory.model import Death, MemoryBounds, ResidentUsage, Series, Span, Timeline
from pytest_memory.recorder.curve import curve_of
from pytest_memory.recorder.explain import Raise, explain
from pytest_memory.report.autopsy import one_line, render_autopsies
from pytest_memory.report.memlog import memlog_lines, sparkline

MIB = 1024**2
GIB = 1024**3


def span(nodeid, start, end, grown, activity="call", worker=None, *, level=0):
    after = (level + grown) * MIB
    return Span(nodeid, activity, worker, start, end, ResidentUsage(level * MIB, after, after))


def series(*sizes, worker=None, pid=7, tests=None):
    times = [10.0 + place for place in range(len(sizes))]
    names = tests or [""] * len(sizes)
    return Series(worker, pid, times, [size * MIB for size in sizes], [0] * len(sizes), names, [""] * len(sizes))


DEATH = Death(None, 7, 14.25, "t.py::test_victim", "call", 13.75, 13.5, status=signal.SIGKILL)
TIMELINE = Timeline(
    series=(series(50, 60, 500, 500, 530),),
    spans=(span("t.py::test_small", 10.0, 11.0, 10), span("t.py::test_culprit", 11.0, 12.0, 440, level=10)),
    origin=10.0,
    deaths=(DEATH,),
)


def test_the_levels_before_and_at_the_death():
    """How long the test ran, what was resident when it began and when it died."""
    autopsy = explain(TIMELINE, DEATH)
    assert (autopsy.test_seconds, autopsy.activity_seconds) == (0.75, 0.5)
    assert (autopsy.before, autopsy.resident, autopsy.own) == (500 * MIB, 530 * MIB, 30 * MIB)
    assert autopsy.finished == 2


def test_culprits_come_first_by_size():
    """The tests before it, by how much they raised the level; those below 1 MiB are left out."""
    assert explain(TIMELINE, DEATH).raised == (
        Raise("t.py::test_culprit", None, 440 * MIB),
        Raise("t.py::test_small", None, 10 * MIB),
    )
    assert explain(TIMELINE, DEATH, most=1).raised[0].nodeid == "t.py::test_culprit"


def test_a_raise_spans_all_phases_of_one_attempt():
    """Setup, call and teardown count together; a second attempt counts for itself."""
    spans = [
        Span("t", activity, None, 0.0, 1.0, ResidentUsage(start * MIB, end * MIB, end * MIB))
        for activity, start, end in [("setup", 10, 20), ("call", 20, 60), ("teardown", 60, 50), ("setup", 50, 55)]
    ]
    timeline = replace(TIMELINE, spans=tuple(spans))
    assert [one.size for one in explain(timeline, DEATH).raised] == [40 * MIB, 5 * MIB]


def test_what_was_let_go_before_the_next_test_is_no_raise():
    """pytest lets go of fixtures' values after the teardown; the next test of another process says nothing of that."""
    spans = [
        Span(nodeid, "teardown", worker, 0.0, 1.0, ResidentUsage(start * MIB, end * MIB, end * MIB))
        for nodeid, worker, start, end in [
            ("freed", "gw0", 10, 50),
            ("other", "gw1", 10, 20),
            ("kept", "gw0", 12, 42),
            ("last", "gw0", 60, 65),
        ]
    ]
    timeline = replace(TIMELINE, spans=tuple(spans))
    assert [(one.nodeid, one.size // MIB) for one in explain(timeline, DEATH).raised] == [
        ("kept", 30),
        ("other", 10),
        ("last", 5),
        ("freed", 2),
    ]


def test_without_exact_values_samples_answer():
    """A span without resident memory is judged by the samples at its two ends."""
    timeline = replace(TIMELINE, spans=(Span("t.py::test_culprit", "call", None, 11.0, 12.0),))
    assert explain(timeline, DEATH).raised == (Raise("t.py::test_culprit", None, 440 * MIB),)


@pytest.mark.parametrize(
    ("sizes", "slope"), [((100, 150, 200, 250), 50 * MIB), ((100, 100, 100), 0), ((100, 200), None), ((), None)]
)
def test_the_slope_is_that_of_the_last_seconds(sizes, slope):
    """Least squares over the last three seconds; two samples say nothing."""
    assert explain(replace(TIMELINE, series=(series(*sizes),)), DEATH).slope == slope


def test_the_text_names_test_cause_levels_and_culprits():
    """The whole autopsy of a process killed from outside."""
    bounds = MemoryBounds(16 * GIB, 8 * GIB, "/sys/fs/cgroup/x", GIB, 900 * MIB, 3, 3, 12.0)
    death = replace(DEATH, bounds=bounds, bounds_before=replace(bounds, group_kills=2))
    text = render_autopsies(replace(TIMELINE, deaths=(death,)), [0], "/project/session")
    assert (
        text
        == """
================================ memory autopsy ================================
The test process (process 7) was killed by SIGKILL while running
    t.py::test_victim
    in its call for 500 ms, 750 ms after the test began
Resident memory: 530 MiB, growing by 15 MiB/s in the last seconds
When the test began: 500 MiB; the test itself raised it by 30 MiB
Limit of the cgroup: 1 GiB, 900 MiB in use now (/sys/fs/cgroup/x)
Memory of the machine: 16 GiB, 8 GiB available now
Memory pressure: some task waited for memory in 12% of the last 10 s
The kernel killed for memory: 1 process of this cgroup since the run began
Raised the resident level most before it:
     +440 MiB  t.py::test_culprit
      +10 MiB  t.py::test_small
These raised it by more than the test that was running: look at them first.

The results of this run are incomplete: 2 tests had ended before.
recorded in /project/session
================================================================================
"""
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": 0}, "left with status 0, past pytest (os._exit) while running"),
        ({"status": 3 << 8}, "left with status 3, past pytest"),
        ({"status": signal.SIGSEGV | 0x80}, "was killed by SIGSEGV while running"),
        ({"status": None}, "ended without a word while running"),
        ({"guard": 625 * MIB}, "was ended by the memory guard at its second threshold, 625 MiB"),
        ({"activity": "collection", "nodeid": "t.py"}, "was killed by SIGKILL while collecting"),
        ({"nodeid": "", "activity": ""}, "was killed by SIGKILL while no test was running"),
        ({"worker": "gw1"}, "Worker gw1 (process 7) was killed by SIGKILL"),
        ({"worker": "controller"}, "The controller of pytest-xdist (process 7) was killed by SIGKILL"),
    ],
)
def test_every_way_to_die_has_its_words(changes, expected):
    """The first sentence says who died, how, and inside what."""
    death = replace(DEATH, **changes)
    assert expected in render_autopsies(replace(TIMELINE, deaths=(death,)), [0], "x")


def test_a_kill_that_the_kernel_did_not_count_came_from_somebody_else():
    """SIGKILL without an out-of-memory kill is told apart from one."""
    bounds = MemoryBounds(machine_kills=3)
    death = replace(DEATH, bounds=bounds, bounds_before=bounds)
    assert "somebody else sent the signal" in render_autopsies(replace(TIMELINE, deaths=(death,)), [0], "x")


def test_what_is_not_known_is_not_said():
    """From a breadcrumb alone there is no level, no duration and no count."""
    death = Death(None, 7, None, "t.py::test_victim", "call", 13.75, 13.5)
    text = render_autopsies(Timeline((), (), 10.0, deaths=(death,)), [0], "x")
    assert "in its call; begun 3.50 s after the session" in text
    assert "not sampled" in text
    assert "The results of this run are incomplete.\n" in text


def test_one_line_names_the_test():
    """The next run's sentence."""
    sentence = "the last run died: process 7 in t.py::test_victim (call), was killed by SIGKILL"
    assert one_line(TIMELINE, DEATH) == sentence


@pytest.mark.parametrize(
    ("sizes", "width", "expected"),
    [([], 5, ""), ([5], 5, "▁"), ([0, 7], 2, "▁█"), ([3, 3, 3], 3, "▁▁▁"), ([0, 0, 70, 0, 0, 35], 3, "▁█▄")],
)
def test_a_sparkline_keeps_the_highest_of_each_stretch(sizes, width, expected):
    """A short peak is not averaged away."""
    assert sparkline(sizes, width) == expected


def test_the_summary_has_a_line_for_each_worker_in_order():
    """gw2 before gw10, the controller left out, the test of the highest sample named."""
    timeline = Timeline(
        series=(
            series(1, 2, worker="gw10"),
            series(1, 5, 3, worker="gw2", tests=["", "t.py::a", ""]),
            series(9, worker="controller"),
        ),
        spans=(),
        origin=0.0,
    )
    curves = [curve_of(one, span=1.0) for one in timeline.series]
    first, second = memlog_lines(curves)
    assert first.startswith("gw2: ")
    assert first.endswith("from 1 MiB, highest sample 5 MiB in t.py::a")
    assert second.startswith("gw10: ")
    narrow = memlog_lines(curves, width=50)
    assert narrow[:2] == ["gw2: ▁█▄ from 1 MiB, highest sample 5 MiB", "    in t.py::a"]
