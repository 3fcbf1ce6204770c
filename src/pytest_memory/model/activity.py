"""What a test process may be doing, by name and by number."""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .timeline import Activity

ACTIVITIES: tuple[Activity, ...] = ("", "setup", "call", "teardown", "collection")
"""Index in this tuple = the number by which files know an activity. Append only."""

CONTROLLER = "controller"
"""The name under which pytest-xdist's controller, which runs no tests, appears among the workers."""
