"""Reads what flags and ini keys say, in their order of precedence; a mistake names the flag or key it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from pytest_memory.declaration import OPTIONS, Option, written

if TYPE_CHECKING:
    from pytest_memory.errors import InvalidValue

_BY_FLAG = {option.flag: option for option in OPTIONS}

T = TypeVar("T", bound=str)


class Given:
    """A value somebody wrote, and where. No named tuple, which takes ten times as long to make a class of.

    Attributes:
        value: Text, a bool, or a list of texts.
        origin: The flag or ini key, for messages.
        from_ini: It stands in the ini file.
    """

    __slots__ = ("from_ini", "origin", "value")

    def __init__(self, value: object, origin: str, *, from_ini: bool) -> None:
        self.value = value
        self.origin = origin
        self.from_ini = from_ini


def invalid_value(problem: str, advice: str) -> InvalidValue:
    """The error for a value that cannot be used; its class is loaded when there is one."""
    from pytest_memory.errors import InvalidValue

    return InvalidValue(problem, advice)


def told_to_user(error: Exception) -> pytest.UsageError:
    """An error of ours as pytest tells it to the user; any other is raised again."""
    from pytest_memory.errors import PytestMemoryError

    if not isinstance(error, PytestMemoryError):
        raise error
    return pytest.UsageError(str(error))


class OptionReader:
    """Reads options in their order of precedence: flag, ini, nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def given(self, flag: str) -> Given | None:
        """What was written for an option, or None; an ini key without a value is as if it were not there.

        Raises:
            InvalidValue: A flag without a value, as ``--memory-limit=$LIMIT`` is where there is no ``LIMIT``.
        """
        option: Option = _BY_FLAG[flag]
        value, name = written(self._config, option)
        if name and option.kind == "optional" and isinstance(value, bool):  # in a TOML file
            value = option.const if value else None
        if value is None:
            return None
        if name:
            return Given(value, f"ini key {name}", from_ini=True)
        if not option.blank:
            _refuse_blank(option, value)
        return Given(value, flag, from_ini=False)

    def flag(self, flag: str) -> bool | None:
        """A switch: True, False, or None if nobody said."""
        given = self.given(flag)
        return None if given is None else bool(given.value)

    def text(self, flag: str) -> str | None:
        """A text, or None."""
        given = self.given(flag)
        return None if given is None else str(given.value).strip()

    def choice(self, flag: str, choices: Sequence[T], default: T) -> T:
        """One of several words.

        Raises:
            InvalidValue: Another word.
        """
        given = self.given(flag)
        if given is None:
            return default
        if given.value not in choices:
            raise invalid_value(f"{given.origin}: unknown value {given.value!r}", f"choose from {', '.join(choices)}")
        return cast("T", given.value)

    def count(self, flag: str, default: int) -> int:
        """A whole number, zero or more.

        Raises:
            InvalidValue: Something else.
        """
        given = self.given(flag)
        if given is None:
            return default
        text = str(given.value).strip()
        if not (text.isascii() and text.isdigit()):
            raise invalid_value(f"{given.origin}: {given.value!r} is not a whole number", "write 0 or more")
        return int(text)

    def paths(self, flag: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
        """Files to be written, relative to where pytest was started.

        Raises:
            InvalidValue: A suffix nobody can write, a directory, or a folder that does not exist.
        """
        given = self.given(flag)
        if given is None:
            return ()
        written = cast("list[str]", given.value)
        return tuple(self._writable(path, given, suffixes) for path in written)

    def optional_size(self, flag: str) -> int | None:
        """The size behind a flag whose value may be left out.

        Raises:
            InvalidValue: The flag swallowed a path, or the size cannot be parsed.
        """
        given = self.given(flag)
        if given is None:
            return None
        from pytest_memory.units import parse_limit_size

        refuse_swallowed_path(given, _BY_FLAG[flag].const or "")
        return parse_limit_size(given.value, subject=given.origin)

    def _writable(self, written: str, given: Given, suffixes: Sequence[str]) -> Path:
        path = Path(self._config.invocation_params.dir, written)
        if path.is_dir():
            raise invalid_value(f"{given.origin}: {written!r} is a directory", "name a file in it")
        if path.suffix not in suffixes:
            raise invalid_value(f"{given.origin}: cannot write {written!r}", f"end it in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise invalid_value(f"{given.origin}: there is no directory {str(path.parent)!r}", "create it first")
        return path


def _refuse_blank(option: Option, value: object) -> None:
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and not text.strip():
            raise invalid_value(
                f"{option.flag}: the value {text!r} is empty",
                f"write {option.flag}={option.metavar} or leave the flag out (is a variable unset?)",
            )


def refuse_swallowed_path(given: Given, example: str) -> None:
    """Stop where ``--flag tests/`` was meant as a flag without value and a path.

    Raises:
        InvalidValue: The value of an optional-value flag is an existing path.
    """
    if isinstance(given.value, str) and not given.from_ini and Path(given.value).exists():
        raise invalid_value(
            f"{given.origin} took the path {given.value!r} for its value",
            f"write {given.origin}={example} {given.value}",
        )
