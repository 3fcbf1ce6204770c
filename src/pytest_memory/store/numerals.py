"""JSON whose numbers with a fraction stay as they were written until somebody asks for one.

A benchmark is saved with some thirty of them, and a command looks at one or at five: to make floats of all took as long
as the rest of the parsing. Nothing else in parsed JSON is ``bytes``, so that a numeral cannot be mistaken.

Another parser than the standard library's (:mod:`pytest_memory.store.parsers`) makes floats at once, all of them
finite. Of the standard library's, no float that stands where a numeral could is finite.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

LARGEST = 2**63 - 1
"""The largest measurement that is believed, in seconds, bytes or calls."""


def parse_lazily(document: bytes) -> object:
    """Parse JSON; a number with a fraction or an exponent becomes the ``bytes`` of its digits.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    return json.loads(document, parse_float=str.encode)


def numeral_of(number: float) -> object:
    """What :func:`parse_lazily` makes of a number that is written as JSON."""
    return repr(number).encode() if type(number) is float else number


def number_of(value: object) -> object:
    """A numeral as a float, and anything else as it is."""
    return float(value) if type(value) is bytes else value


def numbers_of(members: Mapping[str, object]) -> dict[str, object]:
    """The members of an object, its own numerals as floats."""
    return {name: number_of(value) for name, value in members.items()}


def all_numbers_of(value: object) -> object:
    """A whole document, every numeral in it as a float."""
    if isinstance(value, dict):
        return {name: all_numbers_of(member) for name, member in value.items()}
    if isinstance(value, list):
        return [all_numbers_of(member) for member in value]
    return number_of(value)


def floats_of(column: Sequence[object]) -> list[float] | None:
    """Numerals as floats; ``None`` if one is something else, or :func:`are_measures` says no.

    A column is looked at as a whole: there may be a million.
    """
    kinds = set(map(type, column))
    if kinds == {float}:
        values: list[float] = column if isinstance(column, list) else list(column)  # type: ignore[arg-type]
    elif kinds <= {bytes}:
        values = list(map(float, column))  # type: ignore[arg-type]
    else:
        return None
    return values if are_measures(values) else None


def are_measures(values: Sequence[float]) -> bool:
    """Whether all are finite and no larger than :data:`LARGEST`, so that sums of their squares are numbers too."""
    return not values or (math.isfinite(sum(values)) and min(values) >= -LARGEST and max(values) <= LARGEST)
