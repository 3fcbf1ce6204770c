"""Descriptors that are held while tests run: what became somebody else's is left alone."""

import os

import pytest

from pytest_memory.instruments.descriptors import HeldDescriptor


@pytest.fixture()
def held(tmp_path):
    (tmp_path / "ours").write_text("ours")
    (tmp_path / "theirs").write_text("theirs")
    held = HeldDescriptor(os.open(tmp_path / "ours", os.O_RDWR))
    yield held
    held.close()


def give_away(held, path):
    """A test closes the descriptor, and gets its number for a file of its own."""
    theirs = os.open(path, os.O_RDWR)
    os.dup2(theirs, held.number)
    os.close(theirs)
    return held.number


def test_it_is_ours_until_it_is_closed(held):
    """By us or by anybody."""
    assert held.is_ours()
    number = held.number
    held.close()
    assert not held.is_ours()
    with pytest.raises(OSError):
        os.fstat(number)
    held.close()


def test_a_number_that_is_somebody_elses_is_not_closed(held, tmp_path):
    """It is forgotten."""
    number = give_away(held, tmp_path / "theirs")
    assert not held.is_ours()
    held.close()
    assert os.read(number, 10) == b"theirs"
    os.close(number)


def test_the_same_file_is_opened_anew(held, tmp_path):
    """The number held until then is left to whom it belongs."""
    number = give_away(held, tmp_path / "theirs")
    held.reopen(tmp_path / "ours", os.O_RDWR)
    assert held.is_ours()
    assert os.read(held.number, 10) == b"ours"
    assert os.read(number, 10) == b"theirs"
    os.close(number)


def test_another_file_in_its_place_is_not_taken_for_it(held, tmp_path):
    """Who moved a file there did not ask for us to write to it."""
    number = give_away(held, tmp_path / "theirs")
    (tmp_path / "theirs").replace(tmp_path / "ours")
    with pytest.raises(FileNotFoundError) as caught:
        held.reopen(tmp_path / "ours", os.O_RDWR)
    assert caught.value.filename == str(tmp_path / "ours")
    assert not held.is_ours()
    os.close(number)
