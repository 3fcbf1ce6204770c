"""The fit of an order of growth."""

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_memory.complexity import ORDERS, fit_complexity, parse_order
from pytest_memory.errors import InvalidValue

SIZES = [100, 1_000, 10_000, 100_000]
CURVES = {
    "O(1)": lambda n: 5_000,
    "O(log n)": lambda n: 100 * math.log2(1 + n),
    "O(n)": lambda n: 56 + 8 * n,
    "O(n log n)": lambda n: 3 * n * math.log2(1 + n),
    "O(n²)": lambda n: 16 * n**2,
    "O(n³)": lambda n: n**3,
}


@pytest.mark.parametrize("order", ORDERS)
def test_exact_curves_are_named(order):
    """Points on a curve get that curve's order, and its coefficients predict them."""
    values = [CURVES[order](n) for n in SIZES]
    fit = fit_complexity(SIZES, values)
    assert fit.order == order
    assert [fit.best.predict(n) for n in SIZES] == pytest.approx(values)


@pytest.mark.parametrize("order", ["O(1)", "O(n)", "O(n²)"])
def test_noise_of_ten_percent_does_not_change_the_order(order):
    """Two hundred noisy series of one order: nearly all get its name, none is gated as growing faster."""
    dice = random.Random(7)
    named = 0
    for _ in range(200):
        values = [CURVES[order](n) * dice.uniform(0.9, 1.1) for n in SIZES]
        fit = fit_complexity(SIZES, values)
        named += fit.order == order
        assert fit.at_most(order)
    assert named >= 180


def test_a_fixed_overhead_is_not_mistaken_for_a_lower_order():
    """A megabyte of start-up cost in front of a linear cost leaves it linear."""
    fit = fit_complexity([1_000, 10_000, 100_000, 1_000_000], [1e6 + 8 * n for n in (1e3, 1e4, 1e5, 1e6)])
    assert fit.order == "O(n)"
    assert fit.best.constant == pytest.approx(1e6)
    assert fit.best.factor == pytest.approx(8)


def test_a_list_that_overallocates_is_linear():
    """CPython's lists grow in steps of an eighth: real memory, still linear."""
    import sys

    def appended(n):
        made = []
        for _ in range(n):
            made.append(None)
        return sys.getsizeof(made)

    sizes = [1_000, 3_000, 10_000, 30_000]
    assert fit_complexity(sizes, [appended(n) for n in sizes]).order == "O(n)"


def test_growth_of_a_percent_is_constant():
    """A tiny slope on a large constant does not count as growth."""
    assert fit_complexity([1, 10, 100], [1_000_000, 1_001_000, 1_010_000]).order == "O(1)"


def test_quadratic_growth_is_not_at_most_linear():
    """The gate rules out what the points contradict, and allows what they only make unlikely."""
    fit = fit_complexity(SIZES, [CURVES["O(n²)"](n) for n in SIZES])
    assert not fit.at_most("O(n)")
    assert not fit.at_most("O(n log n)")
    assert fit.at_most("O(n²)")
    assert fit.at_most("O(n³)")


def test_what_no_curve_explains_has_no_order():
    """A wildly jumping cost is not given a name."""
    assert fit_complexity([1, 2, 4, 8, 16], [1, 1_000, 1, 1_000, 1]).order is None


def test_all_zero_is_constant():
    """Nothing allocated at any size is O(1), without a division by zero."""
    fit = fit_complexity([1, 2, 4], [0, 0, 0])
    assert fit.order == "O(1)"
    assert fit.best.predict(8) == 0


@pytest.mark.parametrize(
    ("sizes", "values", "message"),
    [
        ([1, 2], [1, 2], "2 different sizes are too few"),
        ([1, 1, 2], [1, 1, 2], "2 different sizes are too few"),
        ([10, 11, 12], [1, 2, 3], "too close"),
        ([1, 2, 3], [1, 2], "3 sizes but 2 values"),
        ([0, 1, 2], [1, 2, 3], "size 0 is not a positive number"),
        ([1, 2, math.nan], [1, 2, 3], "size nan is not a positive number"),
        ([1, 2, 4], [1, 2, -1], "value -1 is not a number of at least 0"),
        ([1, 2, 4], [1, 2, math.inf], "value inf is not a number of at least 0"),
    ],
)
def test_points_that_cannot_tell_an_order_are_refused(sizes, values, message):
    """The message names what is wrong with the points."""
    with pytest.raises(InvalidValue, match=message):
        fit_complexity(sizes, values)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("O(1)", "O(1)"),
        ("constant", "O(1)"),
        ("o(log n)", "O(log n)"),
        ("n", "O(n)"),
        (" Linear ", "O(n)"),
        ("O(n log n)", "O(n log n)"),
        ("n*log n", "O(n log n)"),
        ("O(n^2)", "O(n²)"),
        ("n**2", "O(n²)"),
        ("O(n²)", "O(n²)"),
        ("O(n ^ 3)", "O(n³)"),
    ],
)
def test_orders_are_read_as_people_write_them(text, order):
    """Every usual spelling is accepted."""
    assert parse_order(text) == order


@pytest.mark.parametrize("text", ["", "O()", "O(n", "n^4", "O(2^n)", "fast"])
def test_unknown_orders_are_refused(text):
    """The message lists what may be written."""
    with pytest.raises(InvalidValue, match=r"unknown order .*write one of O\(1\)"):
        parse_order(text)


positive = st.floats(min_value=1e-3, max_value=1e12)


@example([(1.0, 4.6e-241), (0.5, 0.0), (0.25, 0.0)])
@example([(1.0, 4.6e241), (0.5, 0.0), (0.25, 1e300)])
@given(st.lists(st.tuples(positive, st.floats(min_value=0, max_value=1e15)), min_size=3, max_size=12))
def test_any_valid_points_give_a_fit(points):
    """No valid input breaks the fit: finite coefficients, best support 0, the fastest order never ruled out."""
    sizes, values = zip(*points, strict=True)
    try:
        fit = fit_complexity(sizes, values)
    except InvalidValue:
        assert len(set(sizes)) < 3 or max(sizes) < 2 * min(sizes)
        return
    assert all(math.isfinite(c.error) and c.constant >= 0 and c.factor >= 0 for c in fit.candidates)
    assert min(c.support for c in fit.candidates) == 0
    assert fit.at_most("O(n³)")
