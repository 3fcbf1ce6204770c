"""A small session for the timeline in the gallery: steps of 20, 100, 200 and 500 MB, a fixture, a spike."""

import time

import pytest

MB = 1024 * 1024


def hold(size, seconds=0.4):
    block = bytearray(size)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(seconds)
    return block


@pytest.mark.parametrize("size", [20, 100, 200, 500])
def test_hold(size):
    hold(size * MB)
    time.sleep(0.2)


@pytest.fixture
def cache():
    return hold(150 * MB)


def test_with_fixture(cache):
    time.sleep(0.3)


def test_spike_too_short_for_the_samples():
    hold(300 * MB, seconds=0)
    time.sleep(0.2)


def test_small():
    time.sleep(0.3)
