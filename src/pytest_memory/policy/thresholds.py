"""The grammar of ``FIELD:THRESHOLD``, by which one run is held against another.

::

    expression = field ":" threshold
    threshold  = percent | absolute | percent "+" absolute
    percent    = number "%"
    absolute   = number [unit]

Units are ``B KiB MiB GiB`` for bytes and ``s ms us µs ns`` for time; a count has none. ``peak:20%+8MiB`` is broken
only where both parts are.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_memory.errors import InvalidSize, InvalidThreshold
from pytest_memory.units import parse_benchmark_count, parse_benchmark_size, parse_duration

ThresholdField = Literal["peak", "allocated", "allocations", "time", "rss"]

FIELDS: tuple[ThresholdField, ...] = get_args(ThresholdField)
MEMORY_FIELDS: tuple[ThresholdField, ...] = tuple(field for field in FIELDS if field != "time")


@dataclass(frozen=True, slots=True)
class Threshold:
    """How much one field may grow; growth equal to the threshold passes.

    Attributes:
        field: What is compared.
        percent: Largest growth in percent of the baseline, or ``None``.
        absolute: Largest growth in bytes, seconds or calls, or ``None``. At least one of the two is set.
        written: The expression as its author wrote it.
    """

    field: ThresholdField
    percent: float | None
    absolute: float | None
    written: str

    def broken(self, base: float, head: float) -> bool:
        """Whether the growth from ``base`` to ``head`` is over every part of the threshold.

        Any growth from a baseline of zero is over any percentage.
        """
        growth = head - base
        if growth <= 0:
            return False
        if self.percent is not None and growth_percent(base, head) <= self.percent:
            return False
        return self.absolute is None or growth > self.absolute


def growth_percent(base: float, head: float) -> float:
    """Growth in percent of the baseline; infinite for growth from zero."""
    if base > 0:
        return (head - base) / base * 100
    return math.inf if head > base else 0.0


def parse_threshold(
    expression: str, *, flag: str = "--fail-on", fields: Collection[ThresholdField] = FIELDS
) -> Threshold:
    """Read one ``FIELD:THRESHOLD``.

    Args:
        expression: Such as ``peak:10%``, ``allocated: 5MiB``, ``allocations:100``, ``time:1ms``, ``peak:20%+8MiB``.
        flag: The option it was written behind, for the message.
        fields: Those that can be judged here.

    Raises:
        InvalidThreshold: Anything else; the message starts with ``bad <flag> '<expression>':``.
    """
    name, colon, text = expression.partition(":")
    if not colon or not text.strip():
        raise _bad(flag, expression, "expected FIELD:THRESHOLD", "write it like peak:10% or peak:5MiB")
    field = next((field for field in FIELDS if field == name.strip().lower()), None)
    if field is None:
        raise _bad(flag, expression, f"unknown field {name.strip()!r}", f"choose from {', '.join(_ordered(fields))}")
    if field not in fields:
        advice = (
            "use --benchmark-compare-fail for it" if field == "time" else f"choose from {', '.join(_ordered(fields))}"
        )
        raise _bad(flag, expression, f"can't gate on {field}", advice)
    first, plus, second = (part.strip() for part in text.partition("+"))
    try:
        if plus:
            if not first.endswith("%") or second.endswith("%"):
                raise InvalidSize(f"{text.strip()!r} is not a number with % and then + and an absolute amount")
            return Threshold(field, _percent(first), _absolute(field, second), expression)
        if first.endswith("%"):
            return Threshold(field, _percent(first), None, expression)
        return Threshold(field, None, _absolute(field, first), expression)
    except InvalidSize as error:
        raise _bad(flag, expression, error.problem, error.advice) from None


def _percent(text: str) -> float:
    number = text[:-1].strip()
    try:
        percent = float("nothing" if "_" in number else number)
    except ValueError:
        raise InvalidSize(f"{text!r} is not a number with %", "write it like 10% or 2.5%") from None
    if not math.isfinite(percent) or percent < 0:
        raise InvalidSize(f"{text!r} is not a number that is finite and not negative", "write it like 10% or 2.5%")
    return percent


def _absolute(field: ThresholdField, text: str) -> float:
    if field == "time":
        return parse_duration(text, subject=field)
    if field != "allocations":
        return parse_benchmark_size(text, subject=field)
    try:
        return parse_benchmark_count(text, subject=field)
    except InvalidSize as error:
        raise InvalidSize(f"{error.problem} ({field} is a count)", "write it like 5 or 10%") from None


def _ordered(fields: Collection[ThresholdField]) -> list[ThresholdField]:
    return [field for field in FIELDS if field in fields]


def _bad(flag: str, expression: str, problem: str, advice: str) -> InvalidThreshold:
    return InvalidThreshold(f"bad {flag} {expression!r}: {problem}", advice)
