"""Numbers kept as lists beside their benchmarks are what a dictionary of them would be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.store.aligned import EMPTY, Ids, Numbers, sorted_keys

names = st.text("abc", max_size=2)


@given(st.dictionaries(names, st.integers()), st.lists(st.lists(names, max_size=5), max_size=3))
def test_numbers_are_a_mapping(expected, questions):
    """Whatever is asked for, known or not, several times or not at all."""
    numbers = Numbers.of(expected)
    assert dict(numbers) == numbers == expected
    assert list(numbers) == list(expected)
    assert len(numbers) == len(expected)
    for keys in questions:
        assert list(numbers.pick(keys)) == [expected.get(key) for key in keys]
        assert list(numbers.pick(keys)) == [expected.get(key) for key in keys]


def test_places_are_looked_up_once_for_all_columns():
    """What is asked of one column after the other is found in the same places."""
    ids, keys = Ids(["a", "b", "c"]), ["c", "a"]
    assert list(ids.pick([1, 2, 3], keys)) == [3, 1]
    ids.places.clear()
    assert list(ids.pick("xyz", keys)) == ["z", "x"]


def test_a_missing_key_is_an_error():
    """As in any mapping."""
    with pytest.raises(KeyError):
        EMPTY["a"]


def test_keys_of_several():
    """Each once and in order, however often they are shared."""
    first, second = Ids(["b", "a"]), Ids(["c", "b"])
    assert sorted_keys([first, second, first]) == ["a", "b", "c"]
    assert sorted_keys([]) == []
