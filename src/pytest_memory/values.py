"""Named tuples whose classes cost little.

A class that :class:`typing.NamedTuple` makes is some forty objects and compiled code, for which a session pays before
its first test, and again whenever a garbage collection looks at all there is. A class of this one is a third of that at
most. Type checkers see the original, and it behaves like that, but for one thing: a value is made in Python. Who makes
thousands of them calls ``tuple.__new__``.
"""

from __future__ import annotations

try:
    from _collections import _tuplegetter as _getter  # type: ignore[import-not-found]  # what the original uses
except ImportError:  # no CPython
    from operator import itemgetter

    def _getter(index: int, doc: str) -> property:
        return property(itemgetter(index), doc=doc)


TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, NamedTuple

    __all__ = ["NamedTuple"]


class _Kind(type):
    """Makes the classes: what is annotated is a field, and what it is set to is its default."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> _Kind:
        fields = tuple(members.get("__annotations__", ()))
        defaults = {field: members[field] for field in fields if field in members}
        members |= {field: _getter(index, "") for index, field in enumerate(fields)}
        members |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
        return super().__new__(cls, name, bases, members)


class _Values(tuple, metaclass=_Kind):  # type: ignore[type-arg]  # subscripted, it would be another base
    _fields: tuple[str, ...]
    _field_defaults: dict[str, Any]

    # No list is made here or in ``_replace``: one that goes away is there for the next heap window, and does not count.

    def __new__(cls, *values: Any, **named: Any) -> _Values:
        missing = cls._fields[len(values) :]
        if missing:
            try:
                values += tuple(map((cls._field_defaults | named).__getitem__, missing))
            except KeyError as error:
                raise TypeError(f"{cls.__name__}() lacks {error}") from None
        if len(values) > len(cls._fields) or not all(map(missing.__contains__, named)):
            raise TypeError(f"{cls.__name__}() takes {', '.join(cls._fields)}, each of them once")
        return tuple.__new__(cls, values)

    @classmethod
    def _make(cls, values: Any) -> _Values:
        return cls(*values)

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **named: Any) -> _Values:
        changed = tuple.__new__(type(self), map(named.pop, self._fields, self))
        if named:
            raise ValueError(f"{type(self).__name__} has no {', '.join(named)}")
        return changed

    def __repr__(self) -> str:
        members = ", ".join([f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)])
        return f"{type(self).__name__}({members})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


if not TYPE_CHECKING:
    NamedTuple = _Values
