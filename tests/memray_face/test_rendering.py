"""The report as text, and leaks judged, on hand-built values."""

import pytest

from pytest_memory.model import AllocationSite, HeapUsage, Limit, PhaseUsage, StackFrame, TestRecord, Verdict
from pytest_memory.policy.leaks import LeakLimit, judge_leaks
from pytest_memory.report.failures import failure_sections
from pytest_memory.report.memray import histogram, memray_report_lines

PYTHON = StackFrame("load", "/src/app.py", 7)
CALLER = StackFrame("test_load", "/src/test_app.py", 3)
NATIVE = StackFrame("PyObject_Malloc", "Objects/obmalloc.c", 12)


def site(size, *frames, count=1):
    return AllocationSite(size, count, frames or (PYTHON, CALLER))


def record(nodeid="test_app.py::test_load", peak=3 * 1024**2, sites=(), allocations=33929, **more):
    usage = PhaseUsage(0.1, heap=HeapUsage(peak=peak, allocations=allocations))
    return TestRecord(nodeid, "passed", phases={"call": usage}, sites=tuple(sites), **more)


def test_the_lines_of_a_test():
    """Exactly the shape in which pytest-memray prints them."""
    lines = list(memray_report_lines([record(sites=[site(2 * 1024**2), site(1024)])], 5))
    assert lines == [
        "Allocation results for test_app.py::test_load at the high watermark",
        "",
        "\t 📦 Total memory allocated: 3.0MiB",
        "\t 📏 Total allocations: 33929",
        "\t 📊 Histogram of allocation sizes: |██|",
        "\t 🥇 Biggest allocating functions:",
        "\t\t- load:/src/app.py:7 -> 2.0MiB",
        "\t\t- load:/src/app.py:7 -> 1.0KiB",
        "",
        "",
    ]


def test_an_unknown_count_is_not_made_up():
    """Where the engine did not count all calls, those live at the peak are named as such; else a dash."""
    lines = list(memray_report_lines([record(allocations=None, sites=[site(5, count=7)])], 5))
    assert "\t 📏 Total allocations: 7 live at the high watermark" in lines
    assert "\t 📏 Total allocations: —" in list(memray_report_lines([record(allocations=None)], 5))


def test_unknown_sites_are_not_an_empty_list():
    """tracemalloc cannot say which call stacks held the peak: a dash, not nothing."""
    lines = list(memray_report_lines([record()], 5))
    assert "\t 📊 Histogram of allocation sizes: —" in lines
    assert "\t 🥇 Biggest allocating functions: —" in lines


def test_native_frames_do_not_hide_the_function():
    """The biggest functions are the innermost Python ones."""
    lines = list(memray_report_lines([record(sites=[site(1024, NATIVE, PYTHON)])], 5))
    assert "\t\t- load:/src/app.py:7 -> 1.0KiB" in lines


def test_the_last_attempt_counts_and_tests_without_allocations_are_left_out():
    """A rerun replaces what came before it; there is nothing to say of a peak of nothing, or of none."""
    records = [record(peak=9), record(peak=5), record("other", peak=0), TestRecord("unmeasured", "passed")]
    lines = list(memray_report_lines(records, 0))
    assert sum(line.startswith("Allocation results") for line in lines) == 1
    assert "\t 📦 Total memory allocated: 5.0B" in lines


@pytest.mark.parametrize(
    ("sizes", "bars"),
    [
        ([], ""),
        ([5], "█"),
        ([5, 5, 5], "█  "),
        ([1, 1000], "██"),
        ([1, 1, 1, 1, 10**6], "█   ▂"),
        ([0, 10], "██"),
    ],
)
def test_histogram(sizes, bars):
    """Sizes by magnitude, small ones left; no size falls out of it, and a step that has any is never blank."""
    assert histogram(sizes) == bars


class TestSections:
    """What a failed test shows below its sentence."""

    @staticmethod
    def verdict(metric, count):
        return Verdict(Limit(metric, 1), "exceeded", 5, sites=tuple(site(1024 * (n + 1)) for n in range(count)))

    def test_both_kinds_stand_side_by_side(self):
        """A test may break its limit and leak."""
        sections = failure_sections([self.verdict("peak", 1), self.verdict("leak", 1)], verbosity=0, stacks=1)
        assert [title for title, _ in sections] == ["memray-max-memory", "memray-leaked-memory"]
        assert sections[0][1] == (
            "List of allocations:\n    - 1.0KiB allocated here:\n        load:/src/app.py:7\n        ..."
        )
        assert sections[1][1].endswith("        load:/src/app.py:7\n        test_load:/src/test_app.py:3")

    @pytest.mark.parametrize(("verbosity", "listed"), [(-1, None), (0, 10), (1, 10), (2, 12)])
    def test_length_follows_verbosity(self, verbosity, listed):
        """None with -q, ten by default, all with -vv."""
        sections = failure_sections([self.verdict("peak", 12)], verbosity=verbosity, stacks=1)
        assert (sections[0][1].count("allocated here") if sections else None) == listed

    def test_leaks_are_all_listed_whatever_the_verbosity(self):
        """They are the ones over the limit: leaving any out would hide the answer."""
        ((_, text),) = failure_sections([self.verdict("leak", 12)], verbosity=-1, stacks=1)
        assert text.count("allocated here") == 12

    def test_a_stack_without_frames_says_so(self):
        """An allocation of a thread without Python code has none."""
        verdict = Verdict(Limit("peak", 1), "exceeded", 5, sites=(AllocationSite(9, 1, ()),))
        assert "<no Python frame>" in failure_sections([verdict], verbosity=0, stacks=1)[0][1]


class TestLeaks:
    """The rules of ``limit_leaks``."""

    LIMIT = Limit("leak", 100)

    def test_the_bound_itself_passes(self):
        """Only more than the limit is a leak."""
        assert judge_leaks(LeakLimit(self.LIMIT), [site(100)]).outcome == "passed"
        assert judge_leaks(LeakLimit(self.LIMIT), [site(101)]).outcome == "exceeded"
        assert judge_leaks(LeakLimit(self.LIMIT), []).outcome == "passed"

    def test_the_bound_is_per_call_stack_and_not_for_the_sum(self):
        """Ten stacks of 60 bytes pass; the same stack seen twice is one stack."""
        different = [site(60, PYTHON, StackFrame("test", "t.py", line)) for line in range(10)]
        assert judge_leaks(LeakLimit(self.LIMIT), different).outcome == "passed"
        verdict = judge_leaks(LeakLimit(self.LIMIT), [site(60), site(60)])
        assert (verdict.outcome, verdict.measured) == ("exceeded", 120)

    def test_the_filter_is_asked_once_for_each_stack_over_the_bound(self):
        """With the stack's frames, most recent first; what it lets pass is reported, the rest is not."""
        asked = []

        def only_callers(stack):
            asked.append(stack.frames)
            return stack.frames[0] is CALLER

        sites = [site(300, PYTHON), site(200, CALLER), site(200, PYTHON), site(50, NATIVE)]
        verdict = judge_leaks(LeakLimit(self.LIMIT, only_callers), sites)
        assert asked == [(PYTHON,), (CALLER,)]
        assert [found.frames for found in verdict.sites] == [(CALLER,)]
        assert verdict.measured == 200

    def test_if_all_is_filtered_out_the_test_passes(self):
        """False positives can be named."""
        assert judge_leaks(LeakLimit(self.LIMIT, lambda stack: False), [site(300)]).outcome == "passed"

    def test_a_filter_that_raises_breaks_the_limit(self):
        """A leak does not pass because its filter has a mistake."""
        verdict = judge_leaks(LeakLimit(self.LIMIT, lambda stack: 1 / 0), [site(300)])
        assert verdict.outcome == "exceeded"
        assert "ZeroDivisionError" in verdict.reason
