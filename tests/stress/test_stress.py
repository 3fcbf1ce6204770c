"""Each stress program, for a moment; ``tests/stress/run.py`` runs them for minutes, in every environment."""

from __future__ import annotations

import pytest

from .run import NAMES, build, run

pytest.importorskip("pytest_memory.engines.native._native")


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_stands_it(name, tmp_path):
    """No crash, no hang, and no reading that cannot be."""
    library = build(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler")
    assert not run(name, 0.2, library, {})
