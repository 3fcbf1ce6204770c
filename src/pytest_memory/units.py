"""The only place that parses and formats sizes, counts and percentages.

Sizes have two dialects. *Limits* follow pytest-memray: ``B KB MB GB TB PB`` and ``KiB … PiB`` in any case, both
1024. *Benchmarks* follow pytest-benchmem: exactly ``B KiB MiB GiB``, or a bare number of bytes.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import cache

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .errors import InvalidSize

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_NUMBER_AND_UNIT = r"\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[A-Za-zµ]*)\s*"
_LIMIT_UNITS = {"b": 1} | {
    f"{prefix}{infix}b": 1024**power for power, prefix in enumerate("kmgtp", 1) for infix in ("", "i")
}
_BENCHMARK_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_DURATION_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_LARGEST_SIZE = 2**63 - 1


@cache
def _number_and_unit() -> re.Pattern[str]:
    """Compiled when it is first used: who only formats sizes, as a recorded session does, parses none."""
    return re.compile(_NUMBER_AND_UNIT, re.ASCII)


def _invalid(problem: str, advice: str = "") -> InvalidSize:
    from .errors import InvalidSize

    return InvalidSize(problem, advice)


def parse_limit_size(value: object, *, subject: str = "size") -> int:
    """Read a size in the dialect of limits.

    Args:
        value: An ``int`` of bytes, or text such as ``"24 MB"`` or ``"1.5GiB"``; KB and KiB are both 1024 bytes.
        subject: What the value is, for the message.

    Returns:
        Whole bytes.

    Raises:
        InvalidSize: Anything else: no unit, an unknown unit, a negative or non-finite number, a bool.
    """
    advice = "write a number and a unit, like '24 MB' or '512 KiB'"
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _invalid(f"invalid {subject} {value!r}: expected text or a whole number of bytes", advice)
    if isinstance(value, int):
        if not 0 <= value <= _LARGEST_SIZE:
            raise _invalid(f"invalid {subject} {value!r}: out of range", advice)
        return value
    match = _number_and_unit().fullmatch(value)
    if match is None:
        raise _invalid(f"invalid {subject} {value!r}", advice)
    unit = match["unit"]
    if not unit:
        raise _invalid(f"invalid {subject} {value!r}: the unit is missing", advice)
    if unit.lower() not in _LIMIT_UNITS:
        raise _invalid(f"invalid {subject} {value!r}: unknown unit {unit!r}", advice)
    size = Decimal(match["number"]) * _LIMIT_UNITS[unit.lower()]
    if size > _LARGEST_SIZE:
        raise _invalid(f"invalid {subject} {value!r}: out of range", advice)
    return int(size)


def parse_benchmark_size(value: object, *, subject: str = "size") -> float:
    """Read a size in the dialect of benchmarks.

    Args:
        value: Bytes as a number, or text: a number with an optional unit, exactly ``B KiB MiB GiB``.
        subject: What the value is, for the message.

    Returns:
        Bytes.

    Raises:
        InvalidSize: A bool, a negative or non-finite number, an unknown unit, other text.
    """
    if isinstance(value, str):
        match = _number_and_unit().fullmatch(value)
        if match is None:
            raise _invalid(f"{subject}: {value!r} is not a number with an optional unit (B, KiB, MiB, GiB)")
        unit = match["unit"] or "B"
        if unit not in _BENCHMARK_UNITS:
            raise _invalid(f"{subject}: unknown unit {unit!r} in {value!r}", "use B, KiB, MiB or GiB")
        return _number(float(match["number"]) * _BENCHMARK_UNITS[unit], value, subject)
    return _number(value, value, subject)


def parse_benchmark_count(value: object, *, subject: str = "count") -> float:
    """Read a number of allocations: a number, or text with a number and nothing else.

    Raises:
        InvalidSize: A bool, a negative or non-finite number, a unit, other text.
    """
    if isinstance(value, str):
        match = _number_and_unit().fullmatch(value)
        if match is None:
            raise _invalid(f"{subject}: {value!r} is not a number")
        if match["unit"]:
            raise _invalid(f"{subject}: {value!r} has a unit, and a count takes no unit")
        return _number(float(match["number"]), value, subject)
    return _number(value, value, subject)


def parse_duration(text: str, *, subject: str = "time") -> float:
    """Read a duration: a number with an optional unit, exactly ``s ms us µs ns``.

    Returns:
        Seconds.

    Raises:
        InvalidSize: An unknown unit, a sign, an exponent, other text.
    """
    match = _number_and_unit().fullmatch(text.replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}"))
    if match is None:
        raise _invalid(f"{subject}: {text!r} is not a number with an optional unit (s, ms, us, µs, ns)")
    unit = match["unit"] or "s"
    if unit not in _DURATION_UNITS:
        raise _invalid(f"{subject}: unknown unit {unit!r} in {text!r}", "use s, ms, us, µs or ns")
    return _number(float(match["number"]) * _DURATION_UNITS[unit], text, subject)


def _number(number: object, written: object, subject: str) -> float:
    if isinstance(number, bool):
        raise _invalid(f"{subject}: expected a number or a string, not a bool ({written!r})")
    if not isinstance(number, (int, float)):
        raise _invalid(f"{subject}: expected a number or a string, got {written!r}")
    if not 0 <= number < math.inf:  # false for NaN, and takes an int of any length
        raise _invalid(f"{subject}: expected a finite, non-negative number, got {written!r}")
    return number


def format_size(size: float) -> str:
    """Bytes as pytest-memray shows them: one decimal and a binary unit, ``24.4MiB``, ``512.0B``."""
    magnitude = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(magnitude) < 1024:
            return f"{magnitude:.1f}{unit}"
        magnitude /= 1024
    return f"{magnitude:.1f}PiB"


def human_bytes(n: float) -> str:
    """Bytes as pytest-benchmem shows them: three significant digits and a space, ``4.1 MiB``, ``932 B``.

    Args:
        n: Bytes; may be negative.

    Returns:
        The number divided by 1024 until it shows as less than 1024 (TiB at the most), without trailing zeros.
    """
    magnitude = float(n)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(magnitude) < 1023.5 or unit == "TiB":
            break
        magnitude /= 1024
    if unit == "B" or abs(magnitude) >= 999.5:  # three digits would turn these into 1e+03
        return f"{magnitude:.0f} {unit}"
    return f"{magnitude:.3g} {unit}"


def format_count(count: float) -> str:
    """A number of calls with thousands commas: ``33,929``."""
    return f"{count:,.0f}"


def format_counted(number: int, noun: str) -> str:
    """A number of things: ``1 sample``, ``2,000 samples``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_seconds(seconds: float) -> str:
    """A duration for people: ``0.21 s``, ``3.4 ms``, ``12 µs``."""
    if seconds >= 0.9995:  # from here on three digits of the smaller unit would read 1e+03
        return f"{seconds:.2f} s" if seconds < 99.995 else f"{seconds:.0f} s"
    if seconds >= 0.9995e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"
