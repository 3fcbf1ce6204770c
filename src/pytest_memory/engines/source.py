"""Names the function around a line of source, for engines whose frames do not know it.

tracemalloc's frames have no function name at all, and a frame inside a comprehension or lambda is called
``<listcomp>`` or ``<lambda>`` by the interpreter: a reader wants the name of the function that it stands in.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

MODULE = "<module>"

_INNER = frozenset(("<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))


def readable_function(function: str, filename: str, lineno: int) -> str:
    """The name to show for a frame: that of the enclosing function, where the frame's own says nothing.

    Args:
        function: The name of the frame's code object.
        filename: Its source file.
        lineno: Its line, from 1.

    Returns:
        ``function`` itself, unless it is a lambda's or a comprehension's and the source can be read.
    """
    if function not in _INNER:
        return function
    return enclosing_function(filename, lineno) or function


def enclosing_function(filename: str, lineno: int) -> str | None:
    """The innermost ``def`` around a line, ``<module>`` outside all, or ``None`` if the source cannot be read."""
    functions = _functions(filename)
    if functions is None:
        return None
    around = [(first, name) for first, last, name in functions if first <= lineno <= last]
    return max(around)[1] if around else MODULE


@lru_cache(maxsize=256)
def _functions(filename: str) -> tuple[tuple[int, int, str], ...] | None:
    try:
        with tokenize.open(Path(filename)) as source:  # honours the file's declared encoding
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    return tuple(_definitions(tree))


def _definitions(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno or node.lineno, node.name
