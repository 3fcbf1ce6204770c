"""Runs to draw."""

import pytest
from handmade import CURVES, SIZES, entry, write


@pytest.fixture
def scaling_run(tmp_path):
    """Four tests at four sizes, each with an order of its own."""
    return write(
        tmp_path / "sizes.json",
        (
            entry(f"bench/test_x.py::{name}[{n}]", curve(n), params={"n": n}, passes=2)
            for name, curve in CURVES.items()
            for n in SIZES
        ),
    )


@pytest.fixture
def two_runs(tmp_path):
    """A baseline and a later run: one grew, one shrank, one is the same, one is new and one is gone."""
    old = write(
        tmp_path / "old.json",
        [
            entry("t.py::test_grew", 1_000, params={"kind": "a"}, extra={"commit": "1"}),
            entry("t.py::test_shrank", 4_000, params={"kind": "b"}, extra={"commit": "1"}),
            entry("t.py::test_same", 2_000, params={"kind": "a"}, extra={"commit": "1"}),
            entry("t.py::test_zero", 0, params={"kind": "a"}, extra={"commit": "1"}),
            entry("t.py::test_gone", 5_000),
        ],
    )
    new = write(
        tmp_path / "new.json",
        [
            entry("t.py::test_same", 2_000, params={"kind": "a"}, extra={"commit": "2"}),
            entry("t.py::test_shrank", 1_000, params={"kind": "b"}, extra={"commit": "2"}),
            entry("t.py::test_grew", 3_000, params={"kind": "a"}, extra={"commit": "2"}),
            entry("t.py::test_zero", 512, params={"kind": "a"}, extra={"commit": "2"}),
            entry("t.py::test_new", 5_000),
        ],
    )
    return [old, new]
