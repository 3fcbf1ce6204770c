"""How the numbers of one metric are written in a column: one unit, named in the header, bare numbers below."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_memory.store.benchmark_json import Metric, unit_of

MISSING = "—"


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
        return self.texts((value,))[0]

    def texts(self, values: Sequence[float | None]) -> list[str]:
        """Several values, each as :meth:`text` writes it."""
        if None in values:
            return [MISSING if value is None else self.texts((value,))[0] for value in values]
        present: Sequence[float] = values  # type: ignore[assignment]
        if self.unit == "s":
            return [f"{value:.4g}" for value in present]
        if self.unit == "count":
            return [f"{value:,}" if type(value) is int else _count_text(value) for value in present]
        if self.divisor == 1:
            return [f"{value:,.0f}" for value in present]
        return [f"{value / self.divisor:,.2f}" for value in present]

    def row(self, values: Sequence[float | None]) -> list[str]:
        """Values to be read beside each other: bytes have more decimals where two hide a difference, or look like 0."""
        texts = self.texts(values)
        if self.unit in ("s", "count"):
            return texts
        lost = any(value and text in _LIKE_ZERO for value, text in zip(values, texts, strict=True))
        if not lost and len({*texts}) == len({*values}):
            return texts
        present = [value for value in values if value is not None]
        decimals = 0 if self.divisor == 1 else 2
        while decimals < _MOST_DECIMALS:
            decimals += 1
            if _tell_apart(present, [f"{value / self.divisor:.{decimals}f}" for value in present]):
                break
        return [MISSING if value is None else f"{value / self.divisor:,.{decimals}f}" for value in values]


_LEAST_VISIBLE = 0.05  # percent
_TWO_DIGITS = 10
_LIKE_ZERO = frozenset(("0", "0.00"))
_MOST_DECIMALS = 15  # a byte of a TiB has 13
_LEAST_BASE = 1e-280  # of which a measurement of any size is a finite percentage

_SECONDS, _COUNT = Scale("s"), Scale("count")
_BYTES = (Scale("B"), *(Scale(f"{prefix}iB", 1024**power) for power, prefix in enumerate("KMGT", start=1)))
_LIMITS = [scale.divisor * 1024 for scale in _BYTES[:-1]]  # from which on the next larger unit suits


def scale_for(metric: Metric, reference: float) -> Scale:
    """The scale of a metric whose unit suits one value of it."""
    return scales_for(metric, (reference,))[0]


def scales_for(metric: Metric, references: Sequence[float]) -> list[Scale]:
    """For each of several values the scale whose unit suits it."""
    if metric == "time":
        return [_SECONDS] * len(references)
    if unit_of(metric) != "B":
        return [_COUNT] * len(references)
    return [_BYTES[bisect_right(_LIMITS, reference)] for reference in references]


def _tell_apart(values: Sequence[float], texts: Sequence[str]) -> bool:
    """Whether different values have different texts, and all but 0 two digits."""
    figures = [int(text.replace(".", "").lstrip("-")) for text in texts]
    seen = all(shown >= _TWO_DIGITS for value, shown in zip(values, figures, strict=True) if value)
    return seen and len(set(texts)) == len(set(values))


def _count_text(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def change_percent(base: float | None, head: float | None) -> float | None:
    """Growth in percent of the base; ``None`` where a value is missing or zero, or the base is not positive or tiny."""
    return change_percents((base,), (head,))[0]


def change_percents(bases: Iterable[float | None], heads: Iterable[float | None]) -> list[float | None]:
    """The growth of several values, each as :func:`change_percent` has it."""
    return [
        (head - base) / base * 100 if base is not None and head and base > _LEAST_BASE else None
        for base, head in zip(bases, heads, strict=True)
    ]


def is_visible(percent: float | None) -> bool:
    """Whether a change is more than what is written as 0.0 %."""
    return percent is not None and abs(percent) >= _LEAST_VISIBLE


def change_text(percent: float | None, *, plain_zero: bool = False) -> str:
    """A signed percentage with one decimal, ``+20.0%``; a dash for ``None``.

    Args:
        percent: The growth.
        plain_zero: Write what rounds to zero as ``0.0%`` and not as ``+0.0%``.
    """
    return change_texts((percent,), plain_zero=plain_zero)[0]


def change_texts(percents: Iterable[float | None], *, plain_zero: bool = False) -> list[str]:
    """Several percentages, each as :func:`change_text` writes it."""
    zero = "0.0%" if plain_zero else "+0.0%"
    # Bytes repeat exactly: many have not changed at all.
    texts = [MISSING if percent is None else f"{percent:+.1f}%" if percent else zero for percent in percents]
    return list(map({"+0.0%": zero, "-0.0%": zero}.get, texts, texts))
