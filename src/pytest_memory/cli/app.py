"""The Typer application: a group whose commands are imported when they are invoked, and not before."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pytest_memory import __version__
from pytest_memory.cli.coercion import coerce_plainly
from pytest_memory.cli.errors import exit_code_of
from pytest_memory.cli.registry import COMMANDS, CommandEntry

_HELP_OPTIONS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class _LazyCommands(Mapping[str, Any]):
    """Commands by name; looking one up imports its module."""

    def __init__(self, entries: Sequence[CommandEntry]) -> None:
        self.entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Any:
        entry = self.entries[name]
        single = _typer(add_completion=False, context_settings=_HELP_OPTIONS)
        single.command(name)(entry.load())
        return coerce_plainly(typer.main.get_command(single))

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _LazyCommands(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the registry."""
        if rows := [(entry.name, entry.help) for entry in self.commands.entries.values()]:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What was typed after the program's name.

    Returns:
        The exit code: 0 for success, 1 if a run could not be used or a gate tripped, 2 for wrong usage.
    """
    try:
        command = coerce_plainly(typer.main.get_command(_application()))
        result = command.main(args=list(arguments), prog_name=_program_name(), standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return exit_code_of(error)
    return result if isinstance(result, int) else 0


def _application() -> typer.Typer:
    app = _typer(
        cls=LazyGroup,
        context_settings=_HELP_OPTIONS,
        help="Compare, plot and explain the memory and time of test and benchmark runs.",
        invoke_without_command=True,
    )
    app.callback()(_root)
    return app


def _typer(**settings: Any) -> typer.Typer:
    # Rich help costs 150 ms of imports, twice what everything else here takes together.
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, **settings)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pytest-memory {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _program_name() -> str:
    name = Path(sys.argv[0]).stem
    return name if name in ("benchmem", "pytest-memory") else "pytest-memory"
