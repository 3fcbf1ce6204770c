"""The ``memory_scaling`` fixture: how memory grows with the size, measured and promised."""

from itertools import repeat

import pytest

from pytest_memory.complexity import fit_complexity
from pytest_memory.engines.choose import choose_engine
from pytest_memory.errors import InvalidValue
from pytest_memory.plugin.scaling import MemoryScalingExceeded
from pytest_memory.report.scaling import broken_bound, scaling_table

pytestmark = pytest.mark.skipif(choose_engine()[0].name == "tracemalloc", reason="tracemalloc counts no calls")

SIZES = [100, 1000, 10_000]


def constant(n):
    return sum(k for k in range(n))


def linear(n):
    return [0] * n


def linear_in_calls(n):
    return [object() for _ in repeat(None, n)]


def quadratic(n):
    return bytearray(n * n // 10)


@pytest.mark.parametrize(
    ("function", "promise"),
    [
        (constant, {"peak": "O(1)"}),
        (linear, {"peak": "O(n)", "allocations": "O(1)"}),
        (linear, {"peak": "O(n^2)"}),  # a promise is an upper bound
        (linear_in_calls, {"peak": "O(n)", "allocations": "linear", "allocated": "O(n log n)"}),
        (quadratic, {"peak": "n**2"}),
    ],
)
def test_promises_that_hold(memory_scaling, function, promise):
    """Bounds on the peak, the bytes allocated and the calls, each on its own; the result has what was measured."""
    result = memory_scaling(function, SIZES, **promise)
    assert result.sizes == tuple(SIZES)
    assert all(len(result.values(metric)) == 3 for metric in ("peak", "allocated", "allocations"))


@pytest.mark.parametrize(
    ("function", "promise", "message"),
    [
        (linear, {"peak": "O(1)"}, r"peak grows like O\(n\), not O\(1\) as promised"),
        (linear, {"peak": "O(log n)"}, r"peak grows like O\(n\), not O\(log n\) as promised"),
        (quadratic, {"peak": "O(n)"}, r"peak grows like O\(n²\), not O\(n\) as promised"),
        (linear_in_calls, {"allocations": "O(1)", "peak": "O(n)"}, r"allocations grows like O\(n\), not O\(1\)"),
    ],
)
def test_promises_that_do_not(memory_scaling, function, promise, message):
    """The failure names what grows how, and shows the measured table."""
    with pytest.raises(MemoryScalingExceeded, match=message) as caught:
        memory_scaling(function, SIZES, **promise)
    lines = str(caught.value).splitlines()
    assert lines[-4].split() == ["n", "peak", "growth", "allocated", "growth", "allocations", "growth"]
    assert [line.split()[0] for line in lines[-3:]] == ["100", "1,000", "10,000"]


def test_the_setup_is_not_measured(memory_scaling):
    """It makes the input of each size."""
    seen = []
    result = memory_scaling(seen.append, [1, 2, 4], setup=lambda n: "x" * n, warmup=0)
    assert seen == ["x", "xx", "xxxx"]
    assert max(result.values("peak")) < 200


def test_without_a_promise_it_only_measures(memory_scaling):
    """The order can be looked at."""
    result = memory_scaling(linear, SIZES)
    assert result.order() == "O(n)"
    assert result.order("allocations") == "O(1)"


@pytest.mark.parametrize(
    ("sizes", "promise", "message"),
    [
        ([1, 2], {}, "2 different sizes are too few"),
        ([100, 110, 120], {}, "too close"),
        ([0, 1, 2], {}, "size 0"),
        (SIZES, {"peak": "O(quick)"}, "unknown order 'O"),
    ],
)
def test_what_tells_nothing_is_an_error_before_anything_runs(memory_scaling, sizes, promise, message):
    """Too few sizes, sizes too close to each other, an order that is none."""
    with pytest.raises(InvalidValue, match=message):
        memory_scaling(lambda n: pytest.fail("it ran"), sizes, **promise)


def test_the_fixture_is_there_without_any_flag(pytester):
    """And a broken promise fails the test with the table and without frames of ours."""
    pytester.makepyfile(
        "def test_it(memory_scaling):\n    memory_scaling(lambda n: [0] * n, [1, 10, 100], peak='O(1)')\n"
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*peak grows like O(n), not O(1) as promised (best fit:*", "E*1 *B*"])
    result.stdout.no_fnmatch_line("*scaling.py:*")


def test_the_table_and_the_sentence():
    """Sizes, values and growth from line to line; the fitted curve with its unit and its error."""
    table = scaling_table([10, 20], {"peak": [1024, 2048], "allocations": [0, 5]})
    assert [line.split() for line in table.splitlines()] == [
        ["n", "peak", "growth", "allocations", "growth"],
        ["10", "1", "KiB", "0"],
        ["20", "2", "KiB", "×2.00", "5"],
    ]
    assert len({len(line) for line in table.splitlines()}) == 1
    fit = fit_complexity([10, 100, 1000], [180, 900, 8100])
    assert broken_bound("peak", "O(1)", fit) == (
        "peak grows like O(n), not O(1) as promised (best fit: 100 B + 8 B × n, off by 0.0%)"
    )
