"""How a cost grows with its input size: which of ``O(1)`` … ``O(n³)`` explains the measured points, pure.

Each order ``f`` is fitted as ``value = constant + factor * f(size)`` with both coefficients at least 0, by least
squares on *relative* residuals: costs span magnitudes, and the small sizes must count as much as the large ones.
The menu of curves is the usual one (Google Benchmark's "asymptotic complexity", ``big_O``); they fit without a
constant, which mistakes a fixed overhead for a lower order.

Orders are compared by Akaike's criterion for least squares, ``m * ln(mean squared residual) + 2 * parameters``
(Burnham and Anderson, *Model Selection and Multimodel Inference*, 2nd ed., 2002, §2.4). Their rule of thumb (§2.6)
is used twice: the order named is the lowest within 2 of the best ("substantial support"); an order is ruled out
only if it is more than 10 above ("essentially no support") and the points lie more than 10 % off its curve, so that
a gate on it does not flake. Containers grow in steps and clocks are noisy, and a handful of points meets some curve
by chance; therefore residuals under 5 % do not count as evidence for a curve.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_memory.errors import InvalidValue

Order = Literal["O(1)", "O(log n)", "O(n)", "O(n log n)", "O(n²)", "O(n³)"]
"""The orders told apart, from the slowest growth to the fastest."""

ORDERS: tuple[Order, ...] = get_args(Order)

FEWEST_SIZES = 3
SMALLEST_SPAN = 2.0
_LEAST_EVIDENCE = 0.05
_TOLERATED = 0.1
_NO_CLEAR_ORDER = 0.5
_SUBSTANTIAL_SUPPORT = 2.0
_NO_SUPPORT = 10.0

_CURVES: Mapping[Order, Callable[[float], float]] = {
    "O(1)": lambda n: 0.0,
    "O(log n)": lambda n: math.log2(1 + n),
    "O(n)": lambda n: n,
    "O(n log n)": lambda n: n * math.log2(1 + n),
    "O(n²)": lambda n: n**2,
    "O(n³)": lambda n: n**3,
}
_SPELLINGS: Mapping[str, Order] = {
    "1": "O(1)",
    "constant": "O(1)",
    "logn": "O(log n)",
    "logarithmic": "O(log n)",
    "n": "O(n)",
    "linear": "O(n)",
    "nlogn": "O(n log n)",
    "linearithmic": "O(n log n)",
    "n²": "O(n²)",
    "n^2": "O(n²)",
    "n**2": "O(n²)",
    "quadratic": "O(n²)",
    "n³": "O(n³)",
    "n^3": "O(n³)",
    "n**3": "O(n³)",
    "cubic": "O(n³)",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One order, fitted to the points.

    Attributes:
        order: The order.
        constant: Cost that does not depend on the size, in the unit of the values.
        factor: What the order's curve is multiplied by.
        error: Root mean square of the relative residuals: 0.05 means that points lie about 5 % off the curve.
        support: Akaike's criterion above that of the best order, 0 for the best one.
    """

    order: Order
    constant: float
    factor: float
    error: float
    support: float = 0.0

    def predict(self, size: float) -> float:
        """The fitted cost at ``size``, in the unit of the values."""
        return self.constant + self.factor * _CURVES[self.order](size)


@dataclass(frozen=True, slots=True)
class Fit:
    """Which order explains a series of costs.

    Attributes:
        best: The lowest order with substantial support.
        candidates: Every order, in the sequence of ``ORDERS``.
    """

    best: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def order(self) -> Order | None:
        """The order, or ``None`` if even the best one lies more than 50 % off the points."""
        return self.best.order if self.best.error <= _NO_CLEAR_ORDER else None

    def at_most(self, order: Order) -> bool:
        """Whether growth of ``order`` or slower cannot be ruled out by these points."""
        allowed = self.candidates[: ORDERS.index(order) + 1]
        return any(each.support <= _NO_SUPPORT or each.error <= _TOLERATED for each in allowed)


def parse_order(text: str) -> Order:
    """Read an order as people write it: ``O(n)``, ``n log n``, ``O(n^2)``, ``n**2``, ``linear``.

    Raises:
        InvalidValue: Anything else.
    """
    bare = re.sub(r"[\s*]*(?=log)|\s+", "", text.strip().lower())
    enclosed = re.fullmatch(r"o\((.*)\)", bare)
    key = enclosed[1] if enclosed else bare
    if key not in _SPELLINGS:
        raise InvalidValue(f"unknown order {text!r}", f"write one of {', '.join(ORDERS)}")
    return _SPELLINGS[key]


def fit_complexity(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Find the order of growth of ``values`` over ``sizes``.

    Args:
        sizes: Input sizes, positive; a size may occur several times.
        values: The cost at each size (bytes, calls, seconds), not negative.

    Returns:
        The order with its coefficients, and all others beside it.

    Raises:
        InvalidValue: Unequal lengths, fewer than 3 different sizes, sizes that do not span a factor of 2,
            or numbers that are negative or not finite.
    """
    _check(sizes, values)
    largest = max(values)
    if largest == 0:
        flat = tuple(Candidate(order, 0.0, 0.0, 0.0) for order in ORDERS)
        return Fit(flat[0], flat)
    shares = [value / largest for value in values]  # the square of a cost may be too large or too small for a float
    weights = [1 / max(share, 1e-6) for share in shares]
    fitted = [_fit(order, sizes, shares, weights) for order in ORDERS]
    criteria = [_akaike(candidate, len(values)) for candidate in fitted]
    least = min(criteria)
    candidates = tuple(
        Candidate(each.order, each.constant * largest, each.factor * largest, each.error, criterion - least)
        for each, criterion in zip(fitted, criteria, strict=True)
    )
    return Fit(next(each for each in candidates if each.support <= _SUBSTANTIAL_SUPPORT), candidates)


def _check(sizes: Sequence[float], values: Sequence[float]) -> None:
    if len(sizes) != len(values):
        raise InvalidValue(f"{len(sizes)} sizes but {len(values)} values", "give one value per size")
    for size in sizes:
        if not math.isfinite(size) or size <= 0:
            raise InvalidValue(f"size {size!r} is not a positive number")
    for value in values:
        if not math.isfinite(value) or value < 0:
            raise InvalidValue(f"value {value!r} is not a number of at least 0")
    different = sorted(set(sizes))
    if len(different) < FEWEST_SIZES:
        raise InvalidValue(f"{len(different)} different sizes are too few to tell an order", "measure at least 3")
    if different[-1] < SMALLEST_SPAN * different[0]:
        raise InvalidValue(
            f"sizes from {different[0]:g} to {different[-1]:g} are too close to tell an order",
            "let the largest be at least twice the smallest, better ten times",
        )


def _fit(order: Order, sizes: Sequence[float], values: Sequence[float], weights: Sequence[float]) -> Candidate:
    curve = [_CURVES[order](size) for size in sizes]
    scale = max(curve) or 1.0  # keeps n³ of large sizes within the precision of the normal equations
    constant, slope = _least_squares([each / scale for each in curve], values, weights)
    factor = slope / scale
    residuals = [
        (constant + factor * each - value) * weight for each, value, weight in zip(curve, values, weights, strict=True)
    ]
    error = math.sqrt(sum(residual**2 for residual in residuals) / len(residuals))
    return Candidate(order, constant, factor, error)


def _least_squares(curve: Sequence[float], values: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Weighted ``constant + slope * curve`` with neither coefficient below 0."""
    squares = [weight**2 for weight in weights]
    total = sum(squares)
    mean_curve = sum(w * c for w, c in zip(squares, curve, strict=True)) / total
    mean_value = sum(w * v for w, v in zip(squares, values, strict=True)) / total
    spread = sum(w * (c - mean_curve) ** 2 for w, c in zip(squares, curve, strict=True))
    if spread == 0:
        return mean_value, 0.0
    shared = sum(w * (c - mean_curve) * (v - mean_value) for w, c, v in zip(squares, curve, values, strict=True))
    slope = shared / spread
    if slope <= 0:
        return mean_value, 0.0
    constant = mean_value - slope * mean_curve
    if constant >= 0:
        return constant, slope
    through_origin = sum(w * c * v for w, c, v in zip(squares, curve, values, strict=True))
    return 0.0, through_origin / sum(w * c**2 for w, c in zip(squares, curve, strict=True))


def _akaike(candidate: Candidate, points: int) -> float:
    parameters = 1 if candidate.order == "O(1)" else 2
    return points * math.log(max(candidate.error, _LEAST_EVIDENCE) ** 2) + 2 * parameters
