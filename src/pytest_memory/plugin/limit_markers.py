"""From ``limit_memory`` and ``limit_leaks`` markers to limits; loaded where a test has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest

from pytest_memory.errors import InvalidLimit, InvalidSize
from pytest_memory.model import PHASES, Limit, LimitMetric, Phase
from pytest_memory.policy.leaks import LeakLimit
from pytest_memory.units import parse_limit_size


def _parse_size(value: object, subject: str) -> int:
    return parse_limit_size(value, subject=subject)


def _parse_count(value: object, subject: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidSize(f"invalid {subject}: {value!r}", "write a whole number of allocations")
    return value


_POSITIONAL_NAMES = ("limit", "memory_limit", "memory")
_BOUNDS: dict[str, Callable[[object, str], int]] = {
    "rss": _parse_size,
    "allocated": _parse_size,
    "allocations": _parse_count,
    "retained": _parse_size,
}
_SWITCHES = ("current_thread_only", "collect")


def limit_memory_limits(marks: Iterable[pytest.Mark], positional: str) -> Iterator[Limit]:
    """The limits of every ``limit_memory`` marker, in their order.

    Args:
        marks: What :class:`.markers.TestMarks` found.
        positional: The metric that a positional limit binds.

    Raises:
        InvalidLimit: A marker that cannot be understood.
        InvalidSize: A size in one that cannot be parsed.
    """
    for mark in marks:
        if mark.name == "limit_memory":
            yield from parse_limit_memory(mark, positional)


def parse_limit_memory(mark: pytest.Mark, positional: str) -> tuple[Limit, ...]:
    """Read one marker ``limit_memory(limit, *, rss=, allocated=, allocations=, retained=, phase=, …)``.

    Raises:
        InvalidLimit: An unknown argument, no bound at all, two positional limits, an unknown phase.
        InvalidSize: A size that cannot be parsed.
    """
    written = describe(mark)
    arguments: dict[str, Any] = dict(mark.kwargs)
    phase = arguments.pop("phase", "call")
    if phase not in PHASES:
        raise InvalidLimit(f"{written}: unknown phase {phase!r}", f"choose from {', '.join(PHASES)}")
    switches = {name: _switch(arguments.pop(name, False), name, written) for name in _SWITCHES}
    try:
        bounds = dict(_bounds(mark, arguments, positional, written))
    except InvalidSize as error:
        raise InvalidSize(f"{written}: {error.problem}", error.advice) from error
    if arguments:
        names = ", ".join(repr(name) for name in arguments)
        known = ", ".join(("limit", *_BOUNDS, "phase", *_SWITCHES))
        raise InvalidLimit(f"{written}: unknown argument {names}", f"the arguments are {known}")
    if not bounds:
        raise InvalidLimit(f"{written} sets no limit", "write for example limit_memory('24 MB')")
    return tuple(
        Limit(metric, bound, phase=cast("Phase", phase), origin=written, **switches) for metric, bound in bounds.items()
    )


def leak_limit(marks: Iterable[pytest.Mark]) -> LeakLimit | None:
    """What the first ``limit_leaks`` marker says, or None without one.

    Args:
        marks: What :class:`.markers.TestMarks` found.

    Raises:
        InvalidLimit: It cannot be understood.
        InvalidSize: Its size cannot be parsed.
    """
    return next((parse_limit_leaks(mark) for mark in marks if mark.name == "limit_leaks"), None)


def parse_limit_leaks(mark: pytest.Mark) -> LeakLimit:
    """Read one marker ``limit_leaks(location_limit, *, filter_fn=None, current_thread_only=False)``.

    Raises:
        InvalidLimit: An unknown argument, no limit or more than one, a filter that cannot be called.
        InvalidSize: A size that cannot be parsed.
    """
    written = describe(mark)
    arguments: dict[str, Any] = dict(mark.kwargs)
    filter_fn = arguments.pop("filter_fn", None)
    this_thread = _switch(arguments.pop("current_thread_only", False), "current_thread_only", written)
    limits = [*mark.args, *([arguments.pop("location_limit")] if "location_limit" in arguments else [])]
    if arguments:
        names = ", ".join(repr(name) for name in arguments)
        raise InvalidLimit(
            f"{written}: unknown argument {names}", "the arguments are location_limit, filter_fn, current_thread_only"
        )
    if len(limits) != 1:
        raise InvalidLimit(f"{written}: {len(limits)} limits", "write one, for example limit_leaks('1 MB')")
    if filter_fn is not None and not callable(filter_fn):
        raise InvalidLimit(
            f"{written}: filter_fn={filter_fn!r} cannot be called", "write a function of one argument, the stack"
        )
    try:
        bound = _parse_size(limits[0], "location_limit")
    except InvalidSize as error:
        raise InvalidSize(f"{written}: {error.problem}", error.advice) from error
    return LeakLimit(Limit("leak", bound, origin=written, current_thread_only=this_thread), filter_fn)


def describe(mark: pytest.Mark) -> str:
    """The marker as somebody wrote it."""
    arguments = [_repr(value) for value in mark.args] + [
        f"{name}={_repr(value)}" for name, value in mark.kwargs.items()
    ]
    return f"{mark.name}({', '.join(arguments)})"


def _bounds(
    mark: pytest.Mark, arguments: dict[str, Any], positional: str, written: str
) -> Iterator[tuple[LimitMetric, int]]:
    limits = list(mark.args) + [arguments.pop(name) for name in _POSITIONAL_NAMES if name in arguments]
    if len(limits) > 1:
        raise InvalidLimit(f"{written}: more than one positional limit", "write one, and name the others")
    if limits:
        yield cast("LimitMetric", positional), _parse_size(limits[0], "limit")
    for name, parse in _BOUNDS.items():
        value = arguments.pop(name, None)
        if value is not None:
            if name == positional and limits:
                raise InvalidLimit(f"{written}: two limits on {name}", "the positional one binds it already")
            yield cast("LimitMetric", name), parse(value, name)


def _switch(value: object, name: str, written: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidLimit(f"{written}: {name}={value!r}", f"write {name}=True or leave it out")
    return value


def _repr(value: object) -> str:
    """A function by its name: its address would make each run's messages differ."""
    name = getattr(value, "__qualname__", None)
    return name if callable(value) and isinstance(name, str) else repr(value)
