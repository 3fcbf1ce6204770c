"""Every error this package raises on purpose, under one base.

::

    PytestMemoryError
    ├── InvalidValue (ValueError)      somebody wrote a value that cannot be used
    │   ├── InvalidSize                a size or a count
    │   ├── InvalidThreshold           FIELD:THRESHOLD of a comparison
    │   ├── InvalidLimit               an argument of a marker, or a line of a limit
    │   └── UnknownName                a dim or a statistic that no benchmark has
    ├── EngineUnavailable (RuntimeError)   this heap engine cannot run here
    ├── WindowRefused (RuntimeError)       the engine runs here, but cannot measure now
    ├── ToolUnavailable (RuntimeError)     a library or a program that an extra brings is not here
    ├── RecorderUnavailable (RuntimeError) the flight recorder cannot run here
    ├── IsolationError (RuntimeError)      a measurement in a process of its own went wrong
    └── StoreError
        ├── UnreadableFile (ValueError)    a stored file that cannot be read, or is not what it should be
        └── UnwritableFile (OSError)       a file that was asked for and cannot be written

A message says what happened with the offending value, then what to do. A mistake of the user reaches pytest as
a usage error and the command line as exit code 2; the mapping is made once, in ``plugin/`` and in ``cli/``.
"""

from __future__ import annotations


class PytestMemoryError(Exception):
    """Base of all errors raised on purpose.

    Args:
        problem: What happened, with the offending value in ``repr``.
        advice: What to do about it; appended to the message after a semicolon.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(f"{problem}; {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice


class InvalidValue(PytestMemoryError, ValueError):
    """Somebody wrote a value that cannot be used."""


class InvalidSize(InvalidValue):
    """A size, a percentage or a count that cannot be parsed."""


class InvalidThreshold(InvalidValue):
    """A ``FIELD:THRESHOLD`` that cannot be parsed."""


class InvalidLimit(InvalidValue):
    """A limit that names an unknown bound, no bound at all, or an impossible phase."""


class UnknownName(InvalidValue):
    """The name of a dim or a statistic that no benchmark of the runs has."""


class EngineUnavailable(PytestMemoryError, RuntimeError):
    """A heap engine that cannot run in this process."""


class WindowRefused(PytestMemoryError, RuntimeError):
    """A heap engine that works here, but cannot open a window at this moment."""


class ToolUnavailable(PytestMemoryError, RuntimeError):
    """A library or a program that one of our extras brings, and that is not here."""


class RecorderUnavailable(PytestMemoryError, RuntimeError):
    """The flight recorder cannot run here; the message is a clause that says why."""


class IsolationError(PytestMemoryError, RuntimeError):
    """A process of its own that could not be given its action, or that died."""


class StoreError(PytestMemoryError):
    """A file of ours could not be read or written."""


class UnreadableFile(StoreError, ValueError):
    """A stored file that cannot be read, or that is not what its reader expects."""


class UnwritableFile(StoreError, OSError):
    """A file that was asked for and cannot be written."""
