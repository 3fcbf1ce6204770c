"""Where the command line writes: closed pipes, streams that know only ASCII, and colour on terminals alone."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterable
from typing import Protocol, TextIO

import typer

from pytest_memory.errors import UnwritableFile

_PLAIN = {
    "—": "-",
    "–": "-",
    "→": "->",
    "│": "|",
    "•": "*",
    "×": "x",
    "±": "+/-",
    "≤": "<=",
    "≥": ">=",
    "µ": "u",
    "Δ": "d",
    "…": "...",
    "┄": "-",
    "─": "-",
}
_HANDLER = "pytest_memory.plain"
_LIKE_ASCII = ("utf-8", "ascii", "iso8859-1")


def prepare_streams() -> None:
    """Let stdout and stderr replace what their encoding lacks: ``->`` for an arrow, ``?`` at the worst."""
    codecs.register_error(_HANDLER, _plain_text)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


class Encodable(Protocol):
    """A text that knows how to encode itself."""

    def __str__(self) -> str: ...

    def encode(self, encoding: str, errors: str) -> bytes:
        """The same as bytes, for an encoding in which ASCII stays what it is."""
        ...


def emit(text: str) -> None:
    """Write a result to stdout, and a line end; see :func:`emit_pieces`."""
    emit_pieces((text,))


def emit_pieces(pieces: Iterable[Encodable]) -> None:
    """Write a result to stdout, one piece behind the other, and a line end: what has megabytes is never encoded whole.

    A reader that has gone (``| head``) silences stdout and nothing else: the exit code still tells of the gate.

    Raises:
        UnwritableFile: Nothing can be written to it, as on a full disk.
    """
    try:
        _write(pieces)
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        silence_stdout()
        raise UnwritableFile(f"cannot write to standard output: {error.strerror or error}") from error


def complain(message: str) -> None:
    """Write an error to stderr, in red if that is a terminal."""
    _tell(message, typer.colors.RED)


def remark(message: str) -> None:
    """Write a note that is no error to stderr, in yellow if that is a terminal."""
    _tell(message, typer.colors.YELLOW)


def announce(message: str) -> None:
    """Write good news that is no result to stderr, so that stdout stays what it is."""
    _tell(message, "")


def wants_colour(stream: TextIO | None = None) -> bool:
    """Whether a stream (stdout by default) gets colours: a terminal, or ``FORCE_COLOR``; never with ``NO_COLOR``."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def silence_stdout() -> None:
    """Send the rest of stdout nowhere, so that the flush at exit finds no closed pipe."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (lives as long as the process)


def _write(pieces: Iterable[Encodable]) -> None:
    stream = sys.stdout
    buffer = getattr(stream, "buffer", None)
    if buffer is None or os.linesep != "\n" or codecs.lookup(stream.encoding).name not in _LIKE_ASCII:
        for piece in pieces:
            stream.write(str(piece))
        return
    stream.flush()
    for piece in pieces:
        buffer.write(piece.encode(stream.encoding, stream.errors or "strict"))


def _tell(message: str, colour: str) -> None:
    try:
        text = typer.style(message, fg=colour) if colour and wants_colour(sys.stderr) else message
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (lives as long as the process)


def _plain_text(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in characters), error.end
