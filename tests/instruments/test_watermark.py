"""The quick mark: a spike between two readings is seen, and each span has its own."""

import mmap
import sys

import pytest

from pytest_memory.instruments.watermark import Watermark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's mark can be reset on Linux only")
MIB = 1024**2
BATCH = 2 * MIB


def spike(size):
    """Touch fresh memory and give it back."""
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


def test_each_span_has_its_own_peak():
    """A spike of 64 MiB belongs to the span in which it was, and to no other."""
    mark = Watermark()
    start, _ = mark.read()
    spike(64 * MIB)
    end, high = mark.read()
    after, low = mark.read()
    mark.close()
    if high is None:
        pytest.skip("the program that started this one was larger, and hides lower marks")
    assert abs(high - start - 64 * MIB) < BATCH
    assert abs(end - start) < BATCH
    assert low is None or low - after < BATCH


class Counters:
    """A kernel that says what the test wants: resident bytes and ``ru_maxrss``."""

    def __init__(self, *readings):
        self._readings = list(readings)

    def quick(self):
        return self._readings.pop(0)


def test_an_inherited_mark_hides_lower_ones():
    """Where ru_maxrss is that of a larger program before this one, there is no peak rather than a wrong one."""
    mark = Watermark(Counters((10 * MIB, 900 * MIB), (20 * MIB, 900 * MIB), (30 * MIB, 901 * MIB)))
    assert mark.read() == (20 * MIB, None)
    assert mark.read() == (30 * MIB, 901 * MIB)


def test_the_peak_is_never_below_what_is_resident():
    """The kernel counts the mark in batches, and may be late."""
    mark = Watermark(Counters((10 * MIB, 10 * MIB), (12 * MIB, 11 * MIB)))
    assert mark.read() == (12 * MIB, 12 * MIB)
