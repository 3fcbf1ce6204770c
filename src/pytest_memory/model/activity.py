"""What a test process may be doing, by name and by number."""

from __future__ import annotations

from typing import Literal

Activity = Literal["", "setup", "call", "teardown", "collection"]
"""What a test process was doing: one of a test's phases, collecting, or nothing that has a name."""

ACTIVITIES: tuple[Activity, ...] = ("", "setup", "call", "teardown", "collection")
"""Index in this tuple = the number by which files know an activity. Append only."""

CONTROLLER = "controller"
"""The name under which pytest-xdist's controller, which runs no tests, appears among the workers."""
