"""Numbers by benchmark, kept as lists beside one list of benchmarks.

Runs of one suite have the same benchmarks in the same order, and there may be fifty columns of them: whoever asks for
the numbers of some benchmarks has their places looked up once, and not once for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeVar

_Member = TypeVar("_Member")


class Ids:
    """Benchmarks in the order in which columns hold something of each; columns with the same may share one object.

    Args:
        keys: Each once.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self._asked: Sequence[str] | None = None
        self._places: list[int | None] = []
        self._getter: Callable[[Sequence[Any]], Sequence[Any]] | None = None

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each of them stands."""
        return dict(zip(self.keys, range(len(self.keys)), strict=True))

    def pick(self, column: Sequence[_Member], keys: Sequence[str]) -> Sequence[_Member | None]:
        """What a column holds of each of some benchmarks; ``None`` for those that are not among these.

        Args:
            column: One member for each of these benchmarks.
            keys: Which; not to be changed while the same list is asked for again.
        """
        if keys is not self._asked:
            self._look_up(keys)
        if self._getter is not None:
            return self._getter(column)
        return [None if place is None else column[place] for place in self._places]

    def _look_up(self, keys: Sequence[str]) -> None:
        self._asked, self._places = keys, list(map(self.places.get, keys))
        # With a single place an itemgetter would give the member itself.
        self._getter = itemgetter(*self._places) if len(keys) > 1 and None not in self._places else None


class Numbers(Mapping[str, float]):
    """One number for each of some benchmarks.

    Args:
        ids: The benchmarks.
        numbers: Theirs, in the same order.
    """

    def __init__(self, ids: Ids, numbers: Sequence[float]) -> None:
        self.ids = ids
        self.numbers = numbers

    @classmethod
    def of(cls, numbers: Mapping[str, float]) -> Numbers:
        """The column of what a mapping holds."""
        return cls(Ids(list(numbers)), list(numbers.values()))

    def __getitem__(self, key: str) -> float:
        return self.numbers[self.ids.places[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids.keys)

    def __len__(self) -> int:
        return len(self.numbers)

    def pick(self, keys: Sequence[str]) -> Sequence[float | None]:
        """The number of each of some benchmarks, ``None`` for those that have none; see :meth:`Ids.pick`."""
        return self.ids.pick(self.numbers, keys)


EMPTY = Numbers(Ids(()), ())


def sorted_keys(several: Iterable[Ids]) -> list[str]:
    """Every benchmark that is among some, once and in order."""
    distinct = {id(ids): ids.keys for ids in several}
    return sorted(set().union(*distinct.values()))
