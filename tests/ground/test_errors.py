"""The error hierarchy: one base, messages that say what to do, and the builtin bases that callers rely on."""

import inspect

import pytest

from pytest_memory import errors

OURS = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]


def test_message_joins_problem_and_advice():
    """A message says what happened and then what to do."""
    error = errors.InvalidLimit("unknown bound 'max_peek'", "write peak=")
    assert str(error) == "unknown bound 'max_peek'; write peak="
    assert (error.problem, error.advice) == ("unknown bound 'max_peek'", "write peak=")


def test_message_without_advice():
    """Without advice the problem stands alone."""
    assert str(errors.EngineUnavailable("no compiler was found")) == "no compiler was found"


@pytest.mark.parametrize("error", OURS)
def test_one_base(error):
    """Whoever catches PytestMemoryError catches all of ours, whatever builtin they derive from as well."""
    assert issubclass(error, errors.PytestMemoryError)
    with pytest.raises(errors.PytestMemoryError, match=r"^broken; mend it$"):
        raise error("broken", "mend it")


@pytest.mark.parametrize("error", OURS)
def test_hierarchy_is_drawn(error):
    """The picture in the module's docstring names every class."""
    assert error.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.InvalidSize, ValueError),
        (errors.InvalidThreshold, ValueError),
        (errors.InvalidLimit, ValueError),
        (errors.EngineUnavailable, RuntimeError),
        (errors.WindowRefused, RuntimeError),
        (errors.UnreadableFile, ValueError),
        (errors.UnwritableFile, OSError),
    ],
)
def test_builtin_bases(error, builtin):
    """Code that knows only the builtin exception still catches ours."""
    assert issubclass(error, builtin)
