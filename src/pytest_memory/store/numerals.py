"""JSON whose numbers with a fraction stay as they were written until somebody asks for one.

A benchmark is saved with some thirty of them, and a command looks at one or at five: to make floats of all took as long
as the rest of the parsing. Nothing else in parsed JSON is ``bytes``, so that a numeral cannot be mistaken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def parse_lazily(document: bytes) -> object:
    """Parse JSON; a number with a fraction or an exponent becomes the ``bytes`` of its digits.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    return json.loads(document, parse_float=str.encode)


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
