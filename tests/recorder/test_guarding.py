"""When the guard stops a test, and when it ends the process."""

import pytest

from pytest_memory.recorder.guarding import Guard

MIB = 1024**2


@pytest.fixture()
def guard():
    guard = Guard(500 * MIB, 625 * MIB)
    assert guard.look(0.0, 0, "", 100 * MIB) == ""
    return guard


def test_a_call_above_the_threshold_is_stopped_once(guard):
    """The request is made at the first look above, and not at every look after it."""
    assert guard.look(1.00, 1, "call", 500 * MIB) == ""
    assert guard.look(1.02, 1, "call", 501 * MIB) == "stop"
    assert guard.look(1.04, 1, "call", 510 * MIB) == ""
    assert guard.requests == 1


def test_a_test_that_does_not_react_is_asked_again(guard):
    """As long as the second threshold is not reached there is time."""
    guard.look(1.0, 1, "call", 501 * MIB)
    assert guard.look(1.2, 1, "call", 510 * MIB) == "stop"


@pytest.mark.parametrize("activity", ["", "setup", "teardown", "collection"])
def test_only_a_call_is_stopped(guard, activity):
    """Outside a call there is nobody to raise in; only the second threshold holds there."""
    assert guard.look(1.0, 1, activity, 600 * MIB) == ""
    assert guard.look(1.1, 1, activity, 626 * MIB) == "kill"


def test_a_test_that_jumps_over_both_thresholds_gets_its_chance(guard):
    """It is asked to stop before the process is ended."""
    assert guard.look(1.0, 1, "call", 900 * MIB) == "stop"
    assert guard.look(1.05, 1, "call", 900 * MIB) == ""
    assert guard.look(1.2, 1, "call", 900 * MIB) == "kill"


def test_a_stopped_test_may_let_go_of_its_memory(guard):
    """After a stop the process is ended only if the test takes still more, or holds what it has for long."""
    guard.look(1.0, 1, "call", 700 * MIB)
    assert guard.look(1.1, 1, "call", 700 * MIB, answered=1) == ""
    assert guard.look(3.0, 1, "call", 710 * MIB, answered=1) == ""
    assert guard.look(3.1, 1, "call", 800 * MIB, answered=1) == "kill"
    assert guard.look(20.0, 1, "call", 700 * MIB, answered=1) == "kill"


def test_the_next_test_is_guarded_anew(guard):
    """A stop in one test is forgotten in the next."""
    guard.look(1.0, 1, "call", 600 * MIB)
    guard.look(1.1, 1, "call", 600 * MIB, answered=1)
    guard.look(1.2, 2, "setup", 100 * MIB, answered=1)
    assert guard.look(1.3, 2, "call", 600 * MIB, answered=1) == "stop"


def test_the_victim_is_not_blamed(guard):
    """A test that begins above the threshold is stopped only when it raises the level itself."""
    guard.look(1.0, 1, "teardown", 520 * MIB)
    assert guard.look(1.1, 2, "call", 521 * MIB) == ""
    assert guard.look(1.2, 2, "call", 530 * MIB) == ""
    assert guard.look(1.3, 2, "call", 560 * MIB) == "stop"
