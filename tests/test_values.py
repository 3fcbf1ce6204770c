"""Our named tuples behave like those of the standard library."""

from __future__ import annotations

import copy
import gc
import pickle
import typing

import pytest

from pytest_memory import values


class Original(typing.NamedTuple):
    """A value."""

    size: int
    name: str | None = None
    count: int = 3  # the name of a method of tuples

    @property
    def twice(self) -> int:
        """A member that is no field."""
        return self.size * 2


class Ours(values.NamedTuple):
    """A value."""

    size: int
    name: str | None = None
    count: int = 3

    @property
    def twice(self) -> int:
        """A member that is no field."""
        return self.size * 2


BOTH = pytest.mark.parametrize("kind", [Original, Ours])


@BOTH
def test_members(kind):
    """By position, by name, by default; beside what the class defines itself."""
    made = kind(5, count=7)
    assert (made.size, made.name, made.count, made.twice) == (5, None, 7, 10)
    assert made == (5, None, 7)
    assert hash(made) == hash((5, None, 7))
    assert kind(name="x", size=1) == kind(1, "x", 3) == kind._make((1, "x", 3))
    assert kind._fields == kind.__match_args__ == ("size", "name", "count")
    assert kind._field_defaults == {"name": None, "count": 3}
    assert kind.__doc__ == "A value."


@BOTH
def test_changed_and_shown(kind):
    """A changed copy, a dict, a text that says it all."""
    made = kind(5)
    assert made._replace(size=6, name="y") == (6, "y", 3)
    assert type(made._replace()) is kind
    assert made._asdict() == {"size": 5, "name": None, "count": 3}
    assert repr(made) == f"{kind.__name__}(size=5, name=None, count=3)"


@BOTH
@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3, 4), {}), ((1,), {"size": 2}), ((1,), {"other": 2})])
def test_wrong_arguments(kind, arguments):
    """Too few, too many, twice, unknown."""
    positional, named = arguments
    with pytest.raises(TypeError):
        kind(*positional, **named)
    with pytest.raises((ValueError, TypeError)):
        kind(1)._replace(other=1)


@BOTH
def test_nothing_can_be_set(kind):
    """Neither a member nor anything else."""
    made = kind(5)
    for name in ("size", "twice", "other"):
        with pytest.raises(AttributeError):
            setattr(made, name, 1)
    assert not hasattr(made, "__dict__")


@BOTH
def test_copies(kind):
    """It travels to other processes, and is copied as what it is."""
    made = kind(5, "x")
    for other in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert (type(other), other) == (kind, made)


def test_a_class_is_few_objects():
    """Which is what they are for: each garbage collection of the tests looks at all of them."""
    made = []

    def objects_of(base):
        gc.collect()
        before = len(gc.get_objects())

        class Kind(base):
            first: int
            second: str

        made.append(Kind)
        gc.collect()
        return len(gc.get_objects()) - before

    ours, original = objects_of(values.NamedTuple), objects_of(typing.NamedTuple)
    assert 0 < 3 * ours <= original


@BOTH
def test_patterns(kind):
    """It is matched by position."""
    match kind(5, "x"):
        case kind(5, name):
            assert name == "x"
        case _:
            pytest.fail("no match")
