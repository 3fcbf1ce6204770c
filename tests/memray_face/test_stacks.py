"""pytest's own frames are cut off a test's call stacks."""

import pytest_memory
from pytest_memory.model import AllocationSite, StackFrame
from pytest_memory.plugin.stacks import sites_of_test

MAIN = StackFrame("main", "/lib/_pytest/config/__init__.py", 1)
RUNNER = StackFrame("pytest_runtest_call", "/lib/_pytest/runner.py", 184)
CALL = StackFrame("pytest_pyfunc_call", "/lib/_pytest/python.py", 187)
TEST = StackFrame("test_it", "/src/test_it.py", 3)
HELPER = StackFrame("helper", "/src/app.py", 9)
OURS = StackFrame("pytest_pyfunc_call", f"{pytest_memory.__path__[0]}/plugin/phases.py", 1)


def cut(*frames):
    return [site.frames for site in sites_of_test([AllocationSite(5, 1, frames)])]


def test_a_stack_ends_at_the_test():
    """What called the test is the same for all tests."""
    assert cut(HELPER, TEST, CALL, RUNNER, MAIN) == [(HELPER, TEST)]


def test_tests_that_are_no_functions_end_at_the_runner():
    """unittest and doctest items pass through no ``pytest_pyfunc_call``."""
    assert cut(HELPER, RUNNER, MAIN) == [(HELPER,)]


def test_a_pytest_inside_a_test_is_part_of_the_test():
    """Only the outermost call is the harness."""
    assert cut(HELPER, CALL, RUNNER, TEST, CALL, RUNNER) == [(HELPER, CALL, RUNNER, TEST)]


def test_a_session_inside_a_test_cuts_at_its_own_call():
    """What surrounds the session is not its test either."""
    site = AllocationSite(5, 1, (HELPER, TEST, CALL, RUNNER, MAIN, TEST, CALL, RUNNER, MAIN))
    assert sites_of_test([site], surrounding=1)[0].frames == (HELPER, TEST)


def test_an_engine_may_have_left_out_what_surrounds_a_session():
    """Then the outermost call that is left is the session's own."""
    for stack in ((HELPER, TEST, CALL), (HELPER, TEST, RUNNER)):
        site = AllocationSite(5, 1, stack)
        assert sites_of_test([site], surrounding=1)[0].frames == (HELPER, TEST)


def test_an_allocation_of_the_harness_keeps_one_frame():
    """It was made between the window's opening and the test: somebody allocated."""
    assert cut(CALL, RUNNER, MAIN) == [(CALL,)]


def test_other_threads_are_kept_whole():
    """Their stacks pass through no hook."""
    assert cut(HELPER, StackFrame("run", "/lib/threading.py", 1)) == [
        (HELPER, StackFrame("run", "/lib/threading.py", 1))
    ]
    assert cut() == [()]


def test_our_own_bookkeeping_is_left_out():
    """Nobody can do anything about the few bytes with which a window opens."""
    assert cut(StackFrame("open_heap", f"{pytest_memory.__path__[0]}/meter.py", 76), OURS, RUNNER, MAIN) == []
