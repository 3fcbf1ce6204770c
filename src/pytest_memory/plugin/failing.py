"""With what a phase fails for us: exceptions of ``pytest.fail``'s family, which pytest treats as it does its own."""

from __future__ import annotations

import pytest


class MemoryLimitExceeded(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest types it so
    """A test used more memory than a limit allows; shown without a traceback."""

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class UnusableMarker(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest types it so
    """A marker of ours that cannot be understood, found too late for a usage error; shown without a traceback."""

    __module__ = "builtins"

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)
