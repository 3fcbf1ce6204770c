"""The function around a line of source."""

import pytest

from pytest_memory.engines.source import enclosing_function, readable_function

SOURCE = """\
import os                                    # 1

def outer(values):                           # 3
    squares = [value * value                 # 4
               for value in values]          # 5
    def inner():                             # 6
        return lambda: sum(v for v in values)  # 7
    return inner                             # 8

class Thing:                                 # 10
    async def method(self):                  # 11
        return None                          # 12
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    return str(path)


@pytest.mark.parametrize(
    ("line", "name"),
    [(1, "<module>"), (3, "outer"), (5, "outer"), (7, "inner"), (8, "outer"), (10, "<module>"), (12, "method")],
)
def test_the_innermost_def_names_a_line(source, line, name):
    """A line belongs to the innermost function around it, and to the module outside all of them."""
    assert enclosing_function(source, line) == name


def test_frames_of_comprehensions_and_lambdas_take_the_name_around_them(source):
    """``<listcomp>`` and ``<lambda>`` tell a reader nothing; any other name is left as it is."""
    assert readable_function("<listcomp>", source, 5) == "outer"
    assert readable_function("<lambda>", source, 7) == "inner"
    assert readable_function("anything", source, 5) == "anything"


@pytest.mark.parametrize("text", ["def broken(:\n", "\0", None])
def test_without_readable_source_the_name_stays(tmp_path, text):
    """A file that is gone, or is no Python, costs nothing but the nicer name."""
    path = tmp_path / "other.py"
    if text is not None:
        path.write_text(text)
    assert enclosing_function(str(path), 1) is None
    assert readable_function("<lambda>", str(path), 1) == "<lambda>"
