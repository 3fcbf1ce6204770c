"""What every stored file needs: written whole or not at all, and read with errors that say where they are."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pytest_memory.errors import UnreadableFile, UnwritableFile

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""A value that JSON can hold."""

Word = TypeVar("Word", bound=str)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half of it, and a failure leaves the old one in place.

    Args:
        path: Where; parent folders are made. What is no ordinary file (a pipe, ``/dev/stdout``) is written to directly.
        text: Written as UTF-8, line ends as they are.

    Raises:
        UnwritableFile: The file cannot be written; nothing is left behind.
    """
    try:
        target = path.resolve()  # a link keeps pointing where it did
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_text(text, encoding="utf-8")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, text)
    except OSError as error:
        raise UnwritableFile(
            f"cannot write {str(path)!r}: {error.strerror or error}", "choose a path in a folder you may write to"
        ) from error


def _replace(target: Path, text: str) -> None:
    unfinished = target.with_name(f".{target.name[:200]}.{os.getpid()}.unfinished")  # a name has 255 bytes at the most
    try:
        with unfinished.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
        unfinished.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def read_json(path: Path) -> Fields:
    """Read a file that holds one JSON object.

    Raises:
        UnreadableFile: It cannot be read, is not JSON, or holds something other than an object.
    """
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError as well
        raise UnreadableFile(f"{str(path)!r} is not JSON: {error}", "was it written by another tool?") from error
    return Fields.of(parsed, str(path))


class Fields:
    """A JSON object read with the types its reader expects.

    Each method takes a key, and raises :class:`UnreadableFile` with the place of the value in the document if it is
    missing or of another type. Keys that nobody asks for are ignored, so that a newer writer may add some.
    """

    __slots__ = ("_members", "place")

    def __init__(self, members: Mapping[str, object], place: str) -> None:
        self._members = members
        self.place = place

    @classmethod
    def of(cls, value: object, place: str) -> Fields:
        """Take a parsed value that must be an object."""
        if not isinstance(value, dict):
            raise UnreadableFile(f"{place}: expected an object, found {_shown(value)}")
        return cls(value, place)

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def get(self, key: str) -> object:
        """The value as it was parsed, or ``None`` if it is missing."""
        return self._members.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Text; ``default`` if the key is missing."""
        value = self._members.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        return value

    def optional_text(self, key: str) -> str | None:
        """Text, or ``None`` if it is null or missing."""
        return None if self._members.get(key) is None else self.text(key)

    def word(self, key: str, allowed: tuple[Word, ...]) -> Word:
        """One of the words allowed."""
        value = self._members.get(key)
        for word in allowed:
            if value == word:
                return word
        raise self._wrong(key, f"one of {', '.join(allowed)}")

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false; ``default`` if the key is missing."""
        value = self._members.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self._members.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number")
        return value

    def optional_integer(self, key: str) -> int | None:
        """A whole number, or ``None`` if it is null or missing."""
        return None if self._members.get(key) is None else self.integer(key)

    def amount(self, key: str) -> int:
        """A whole number from 0 up, of bytes or calls."""
        value = self.integer(key)
        if value < 0:
            raise self._wrong(key, "a whole number from 0 up")
        return value

    def optional_amount(self, key: str) -> int | None:
        """The same, or ``None`` if it is null or missing."""
        return None if self._members.get(key) is None else self.amount(key)

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; ``default`` if the key is missing."""
        value = self._members.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -math.inf < value < math.inf:
            raise self._wrong(key, "a finite number")
        return value

    def fields(self, key: str) -> Fields:
        """An object."""
        value = self._members.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Fields(value, f"{self.place}: {key}")

    def optional_fields(self, key: str) -> Fields | None:
        """An object, or ``None`` if it is null or missing."""
        return None if self._members.get(key) is None else self.fields(key)

    def each(self, key: str, *, required: bool = False) -> list[Fields]:
        """A list of objects; empty if the key is missing and not required."""
        if required and key not in self._members:
            raise self._wrong(key, "a list")
        return [Fields.of(value, f"{self.place}: {key}[{index}]") for index, value in enumerate(self._list(key))]

    def texts(self, key: str) -> list[str]:
        """A list of text; empty if the key is missing."""
        values: list[str] = []
        for index, value in enumerate(self._list(key)):
            if not isinstance(value, str):
                raise UnreadableFile(f"{self.place}: {key}[{index}]: expected text, found {_shown(value)}")
            values.append(value)
        return values

    def _list(self, key: str) -> list[object]:
        value = self._members.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def _wrong(self, key: str, expected: str) -> UnreadableFile:
        if key not in self._members:
            return UnreadableFile(f"{self.place}: {key!r} is missing; expected {expected}")
        return UnreadableFile(f"{self.place}: {key}: expected {expected}, found {_shown(self._members[key])}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
