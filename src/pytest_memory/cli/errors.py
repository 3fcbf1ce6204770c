"""What can go wrong in a command, and the only place where it becomes an exit code.

0: the command did what it was asked. 1: a run could not be used, or a gate tripped. 2: wrong usage, which includes
a file that does not exist, an output that cannot be written and an extra that is not installed. 130: interrupted.
"""

from __future__ import annotations

import errno

import typer

from pytest_memory.cli.streams import complain, silence_stdout
from pytest_memory.errors import InvalidValue, PytestMemoryError, StoreError, ToolUnavailable, UnwritableFile

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

# Typer re-exports BadParameter alone; the base of all that its parser raises is above it, in click or in Typer.
_ParserError: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class CommandFailed(PytestMemoryError):
    """A run could not be used for what was asked, or a step of the command failed; exit code 1."""


class GateTripped(CommandFailed):
    """A threshold was broken; exit code 1."""


class WrongUsage(PytestMemoryError):
    """An option, an argument or a combination of them that cannot work; exit code 2."""


class MissingExtra(WrongUsage):
    """A command needs libraries that the base install leaves out; exit code 2.

    Args:
        purpose: What needs them.
        extra: Name of the extra of pytest-memory that brings them.
        missing: The module that could not be imported.
    """

    def __init__(self, purpose: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{purpose} needs {missing}, which is not installed",
            f"install it with: pip install 'pytest-memory[{extra}]' (pytest-benchmem[{extra}] before)",
        )


def exit_code_of(error: BaseException) -> int:
    """Tell the user on stderr what went wrong, in one line where it is their mistake.

    Raises:
        BaseException: The error itself if it is a mistake of ours: its traceback is what a bug report needs.
    """
    if isinstance(error, BrokenPipeError):
        silence_stdout()
        return EXIT_FAILED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        complain("interrupted")
        return EXIT_INTERRUPTED
    if isinstance(error, _ParserError):
        complain(_parser_message(error))
        return EXIT_USAGE
    if isinstance(error, (WrongUsage, InvalidValue, ToolUnavailable, UnwritableFile)):
        complain(str(error))
        return EXIT_USAGE
    if isinstance(error, (CommandFailed, StoreError, PytestMemoryError)):
        complain(str(error))
        return EXIT_FAILED
    if isinstance(error, OSError) and error.filename is not None:
        complain(f"{error.filename}: {error.strerror}")
        return EXIT_FAILED
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # from what Typer prints itself, such as --help
        silence_stdout()
        complain(f"cannot write to standard output: {error.strerror}")
        return EXIT_USAGE
    raise error


def _parser_message(error: Exception) -> str:
    message = " ".join(str(error.format_message()).split())  # type: ignore[attr-defined]
    message = message.replace(": Value error, ", ": ")  # pydantic's word for an error that Typer's parser raised
    context = getattr(error, "ctx", None)
    return f"{message} (try '{context.command_path} --help')" if context is not None else message
