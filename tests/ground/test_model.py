"""The frozen values: they cannot be changed, and their derived numbers are None where a part is missing."""

import dataclasses
import inspect

import pytest

from pytest_memory import model
from pytest_memory.model import (
    AllocationSite,
    HeapUsage,
    PhaseUsage,
    ResidentUsage,
    Stack,
    StackFrame,
    TestRecord,
)

VALUES = [
    value
    for _, value in inspect.getmembers(model, lambda one: dataclasses.is_dataclass(one) or hasattr(one, "_fields"))
]
MB = 1_000_000


@pytest.mark.parametrize("value", VALUES)
def test_frozen_and_slotted(value):
    """A record is read by many features; none of them may change it or hang anything on it."""
    assert issubclass(value, tuple) or value.__dataclass_params__.frozen
    assert "__dict__" not in dir(value)


def test_all_names_everything():
    """What the package exports is what it says it exports."""
    assert set(model.__all__) >= {value.__name__ for value in VALUES}
    assert sorted(model.__all__) == sorted(set(model.__all__))


def test_resident_growth():
    """Growth is the end minus the start, negative if memory was given back."""
    assert ResidentUsage(start=10, end=4, peak=12).growth == -6


def test_record_growth_spans_its_phases():
    """A test has grown from the start of its first phase to the end of its last."""
    phases = {
        "setup": PhaseUsage(0.1, resident=ResidentUsage(100 * MB, 150 * MB)),
        "call": PhaseUsage(0.2, resident=ResidentUsage(150 * MB, 170 * MB)),
        "teardown": PhaseUsage(0.3, resident=ResidentUsage(170 * MB, 110 * MB)),
    }
    record = TestRecord("test_it", "passed", phases=phases)
    assert record.growth == 10 * MB
    assert record.seconds == pytest.approx(0.6)


@pytest.mark.parametrize("outcome", ["crashed", "unfinished"])
def test_a_test_that_was_cut_short_has_no_growth(outcome):
    """What its setup gained is not what the test did; nobody has read how it ended."""
    phases = {"setup": PhaseUsage(0.1, resident=ResidentUsage(5, 8))}
    assert TestRecord("test_it", outcome, phases=phases).growth is None


def test_record_growth_skips_phases_without_resident():
    """A phase whose resident memory was not read takes no part."""
    phases = {"setup": PhaseUsage(0.1), "call": PhaseUsage(0.2, resident=ResidentUsage(5, 8))}
    assert TestRecord("test_it", "passed", phases=phases).growth == 3


def test_record_without_measurement():
    """Not measured is None, never 0."""
    record = TestRecord("test_it", "skipped", phases={"setup": PhaseUsage(0.1)})
    assert record.growth is None
    assert record.peak is None


def test_record_peak_is_that_of_the_call():
    """The peak of a test is its call's: a fixture's memory is shown, but not taken for the test's own."""
    phases = {"setup": PhaseUsage(0.1, HeapUsage(peak=50)), "call": PhaseUsage(0.1, HeapUsage(peak=7))}
    assert TestRecord("test_it", "passed", phases=phases).peak == 7


def test_site_gives_the_stack_users_see():
    """filter_fn receives a Stack with the frames of the site."""
    frames = (StackFrame("inner", "a.py", 3), StackFrame("outer", "a.py", 9))
    assert AllocationSite(10, 1, frames).stack == Stack(frames)
