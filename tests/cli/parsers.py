"""Lets a test parse with the standard library where msgspec is installed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from unittest import mock


@contextmanager
def without_msgspec():
    """As if it were not installed."""
    with mock.patch.dict(sys.modules, {"msgspec": None}):
        yield
