"""Turning what was typed into values, without the library that newer releases of Typer load for it.

Typer 0.29 validates with pydantic, whose import takes more time than everything else before the first run is read. Our
options are text, paths, numbers and words of a list, which need none of it. What is not understood here, and every
wrong value, goes Typer's own way, so that messages are Typer's as well; older releases are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

_SPECIAL = ("min", "max", "parser", "formats", "exists", "resolve_path")


def coerce_plainly(command: Any) -> Any:
    """Let the parameters of a command read their values without pydantic; gives the command back."""
    for parameter in command.params:
        _read_plainly(parameter)
    make_help = command.get_help_option  # the option --help is none of the parameters, and made when it is asked for
    command.get_help_option = lambda context: _read_plainly(make_help(context))
    return command


def _read_plainly(parameter: Any) -> Any:
    descriptor, load = getattr(parameter, "type_descriptor", None), getattr(parameter, "get_runtime_param", None)
    if descriptor is not None and load is not None and not isinstance(load, _Coercion):
        parameter.get_runtime_param = _Coercion(descriptor, load)
    return parameter


class _Coercion:
    """Stands where Typer keeps what reads a parameter's value."""

    def __init__(self, descriptor: Any, load: Callable[[], Any]) -> None:
        self._annotation = descriptor.annotation
        self._special = any(getattr(descriptor.parameter_info, name, None) for name in _SPECIAL)
        self._load = load

    def __call__(self) -> _Coercion:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        try:
            if not self._special:
                return plain_value(value, self._annotation)
        except (TypeError, ValueError):
            pass  # Typer says what is wrong
        return self._load().coerce(value, param=param, ctx=ctx)


def plain_value(value: Any, annotation: Any) -> Any:
    """A value as its annotation wants it.

    Args:
        value: Text, a list of texts, or what is already of the right type.
        annotation: Text, a path, a number, an enumeration, or a list of one of these.

    Raises:
        TypeError: The annotation is something else, or there is no value.
        ValueError: The text is no such value.
    """
    if get_origin(annotation) is list:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(value)
        (member,) = get_args(annotation)
        return [plain_value(one, member) for one in value]
    if not isinstance(annotation, type) or value is None:
        raise TypeError(value)
    if isinstance(value, annotation):
        return value
    if isinstance(value, str) and (annotation in (Path, int, float) or issubclass(annotation, Enum)):
        return annotation(value)
    raise TypeError(value)
