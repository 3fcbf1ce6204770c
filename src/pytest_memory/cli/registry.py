"""Which commands there are: one line per command, none of them imported here.

To add one, write ``cli/<name>.py`` with a function ``<name>`` whose parameters are annotated for Typer, and add a
line below. Its second word is shown by ``pytest-memory --help`` and is the first line of the function's docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command that can be invoked.

    Attributes:
        name: What people type; the module ``pytest_memory.cli.<name>`` has a function of that name.
        help: One line for the list of commands.
    """

    name: str
    help: str

    def load(self) -> Callable[..., Any]:
        """Import the command's module and give its function."""
        function: Callable[..., Any] = getattr(import_module(f"pytest_memory.cli.{self.name}"), self.name)
        return function


COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("autopsy", "Tell what the last run died in, and which tests had raised memory before it."),
    CommandEntry("compare", "Show runs side by side, say which differences are real, and fail CI on regressions."),
    CommandEntry("plot", "Render an interactive figure of one or more runs."),
    CommandEntry("sweep", "Run a benchmark suite across several installed versions of a package."),
    CommandEntry("timeline", "Draw the memory of a whole test session over time."),
    CommandEntry("flamegraph", "Turn kept captures and call stacks into flame graphs."),
)
