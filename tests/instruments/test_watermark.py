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


def test_an_inherited_mark_hides_lower_ones(monkeypatch):
    """Where ru_maxrss is that of a larger program before this one, there is no peak rather than a wrong one."""
    monkeypatch.setattr(Watermark, "_mark", staticmethod(lambda: 2**40))
    mark = Watermark()
    assert mark.read()[1] is None
    mark.close()
