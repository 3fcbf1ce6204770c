"""Cutting stacks at the frame that opened the window."""

from pytest_memory.engines.opener import Opener

OPENER = Opener((("main", "run.py"), ("call", "pluggy.py"), ("open_window", "meter.py")))


def test_frames_shared_with_the_opener_are_cut():
    """What was running when the window opened is not part of what the test did."""
    stack = [("helper", "test.py", 9), ("test", "test.py", 5), ("call", "pluggy.py", 121), ("main", "run.py", 1)]
    assert OPENER.cut(stack) == stack[:2]


def test_the_line_that_runs_now_does_not_matter():
    """The opener's frames go on running: only function and file tell that they are the same."""
    stack = [("test", "test.py", 5), ("main", "run.py", 99)]
    assert OPENER.cut(stack) == stack[:1]


def test_a_frame_without_a_name_is_known_by_its_file():
    """tracemalloc has no names of functions."""
    stack = [("", "test.py", 5), ("", "pluggy.py", 121), ("", "run.py", 1)]
    assert OPENER.cut(stack) == stack[:1]


def test_an_allocation_of_the_opener_itself_keeps_its_innermost_frame():
    """A stack never becomes empty by cutting: somebody allocated."""
    stack = [("call", "pluggy.py", 130), ("main", "run.py", 1)]
    assert OPENER.cut(stack) == stack[:1]
    assert OPENER.cut([]) == []


def test_a_stack_of_another_thread_is_whole():
    """Nothing of it was called by the opener."""
    stack = [("work", "test.py", 3), ("run", "threading.py", 982)]
    assert OPENER.cut(stack) == stack


def test_native_frames_are_cut_below_the_last_python_frame_kept():
    """Native frames stand between the Python frames; what lies below the cut goes."""
    stack = [("test", "test.py", 5), ("call", "pluggy.py", 121), ("main", "run.py", 1)]
    mixed = [("malloc", "m.c", 1), stack[0], ("eval", "ceval.c", 2), stack[1], ("eval", "ceval.c", 2), stack[2]]
    assert OPENER.cut(stack, mixed) == mixed[:2]


def test_here_is_the_stack_of_the_caller():
    """Oldest call first, and nothing of the function that asks."""

    def nested():
        return Opener.here()

    assert nested().frames[-2:] == (
        ("test_here_is_the_stack_of_the_caller", __file__),
        ("nested", __file__),
    )
