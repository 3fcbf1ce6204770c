"""Which frame of a stack a reader recognises."""

import os
from pathlib import Path

import pytest

from pytest_memory.model import StackFrame
from pytest_memory.report.frames import describe_frame, own_frame, project_roots

ROOT = "/home/me/project"
LIBRARY = Path(os.__file__).parent


def frame(filename, function="f"):
    return StackFrame(function, filename, 7)


OWN = frame(f"{ROOT}/src/a.py")
JSON = frame(f"{LIBRARY}/json/decoder.py")
NUMPY = frame(f"{ROOT}/.venv/lib/python3.12/site-packages/numpy/core.py")
FROZEN = frame("<frozen importlib._bootstrap>")


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ((JSON, OWN, NUMPY), OWN),
        ((JSON, NUMPY), NUMPY),
        ((FROZEN, JSON), FROZEN),
        ((NUMPY, OWN), OWN),
        ((), None),
    ],
)
def test_own_frame(stack, expected):
    """The project's own innermost frame; else the innermost outside the standard library; else the innermost."""
    assert own_frame(stack, (ROOT,)) == expected


def test_a_virtual_environment_inside_the_project_is_not_the_project():
    """Installed packages are below the root and yet not the reader's own."""
    assert own_frame((NUMPY, JSON, OWN), (ROOT,)) == OWN


def test_an_installed_package_whose_tests_are_run_is():
    """With --pyargs the package is what is tested."""
    roots = project_roots(ROOT, [f"{ROOT}/.venv/lib/python3.12/site-packages/numpy/tests/test_core.py"])
    assert own_frame((JSON, NUMPY, OWN), roots) == NUMPY


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        (f"{ROOT}/src/a.py", "src/a.py:7"),
        (NUMPY.filename, "numpy/core.py:7"),
        (JSON.filename, "json/decoder.py:7"),
        ("/somewhere/else.py", "/somewhere/else.py:7"),
        ("<string>", "<string>:7"),
    ],
)
def test_path(filename, shown):
    """Paths are relative to the project, to the package folder or to the standard library."""
    assert describe_frame(frame(filename), (ROOT,)) == ("f", shown)
