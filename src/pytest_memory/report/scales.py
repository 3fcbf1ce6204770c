"""How the numbers of one metric are written in a column: one unit, named in the header, bare numbers below."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_memory.store.benchmark_json import Metric, unit_of

MISSING = "—"

_BYTE_UNITS = (("B", 1), ("KiB", 1024), ("MiB", 1024**2), ("GiB", 1024**3), ("TiB", 1024**4))


@dataclass(frozen=True, slots=True)
class Scale:
    """The unit of a column.

    Attributes:
        unit: ``s``, ``count``, or one of ``B`` to ``TiB``.
        divisor: What values are divided by.
    """

    unit: str
    divisor: int = 1

    def text(self, value: float | None) -> str:
        """A value without its unit: bytes with commas and two decimals, counts with commas, seconds with 4 digits."""
        if value is None:
            return MISSING
        if self.unit == "s":
            return f"{value:.4g}"
        decimals = 0 if self.divisor == 1 else 2
        if self.unit == "count" and value != int(value):
            decimals = 2
        return f"{value / self.divisor:,.{decimals}f}"


def scale_for(metric: Metric, reference: float) -> Scale:
    """The scale of a metric whose unit suits one value of it."""
    unit = unit_of(metric)
    if unit != "B":
        return Scale(unit or "count")
    name, divisor = _BYTE_UNITS[0]
    for name, divisor in _BYTE_UNITS:  # noqa: B007 (the last one tried is used)
        if reference < divisor * 1024:
            break
    return Scale(name, divisor)


def change_percent(base: float | None, head: float | None) -> float | None:
    """Growth in percent of the base; ``None`` where a value is missing or zero, or the base not positive."""
    if base is None or not head or base <= 0:
        return None
    return (head - base) / base * 100


def change_text(percent: float | None, *, plain_zero: bool = False) -> str:
    """A signed percentage with one decimal, ``+20.0%``; a dash for ``None``.

    Args:
        percent: The growth.
        plain_zero: Write what rounds to zero as ``0.0%`` and not as ``+0.0%``.
    """
    if percent is None:
        return MISSING
    text = f"{percent:+.1f}%"
    return ("0.0%" if plain_zero else "+0.0%") if text in ("+0.0%", "-0.0%") else text
