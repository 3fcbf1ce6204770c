"""From ``benchmem`` markers to what one benchmark is measured and judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_memory.errors import InvalidLimit, PytestMemoryError
from pytest_memory.passes import PassPlan
from pytest_memory.plugin.limit_markers import describe
from pytest_memory.policy.ceilings import CEILINGS, Ceiling, parse_ceiling


@dataclass(frozen=True, slots=True)
class BenchmarkRules:
    """What holds for one benchmark.

    Attributes:
        plan: Its passes.
        ceilings: Bounds on its headline, in the order in which they are judged.
        profile_native: Native frames in its memray capture; ``None`` leaves it to the flag.
    """

    plan: PassPlan
    ceilings: tuple[Ceiling, ...] = ()
    profile_native: bool | None = None


def benchmark_rules(item: pytest.Item, plan: PassPlan) -> BenchmarkRules:
    """Merge the ``benchmem`` markers of a test, its class and its module; the closest wins argument by argument.

    Args:
        item: The test.
        plan: The passes where no marker says otherwise.

    Raises:
        InvalidLimit: An unknown or positional argument, or a value that cannot be used.
    """
    merged: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("benchmem"))):
        merged |= _read(mark)
    passes = {name: merged[name] for name in _PASSES if name in merged}
    if "repeats" in passes and passes["repeats"] is not None:
        passes["repeats"] = max(1, passes["repeats"])
    return BenchmarkRules(
        plan=replace(plan, **passes),
        ceilings=tuple(merged[name] for name in CEILINGS if merged.get(name) is not None),
        profile_native=merged.get("profile_native"),
    )


def _read(mark: pytest.Mark) -> dict[str, Any]:
    """The arguments of one marker, checked; ceilings as such."""
    written = describe(mark)
    known = (*_PASSES, "profile_native", *CEILINGS)
    if mark.args:
        raise InvalidLimit(f"{written}: a positional argument", f"name it: {', '.join(known)}")
    unknown = [name for name in mark.kwargs if name not in known]
    if unknown:
        raise InvalidLimit(
            f"{written}: unknown argument {', '.join(map(repr, unknown))}", f"the arguments are {', '.join(known)}"
        )
    read: dict[str, Any] = {}
    for name, value in mark.kwargs.items():
        if name in CEILINGS:
            read[name] = None if value is None else _ceiling(name, value, written)
        else:
            read[name] = _checked(name, value, written)
    return read


def _ceiling(name: str, value: object, written: str) -> Ceiling:
    try:
        return parse_ceiling(name, value)
    except PytestMemoryError as error:
        raise InvalidLimit(f"{written}: {error.problem}", error.advice) from None


def _checked(name: str, value: object, written: str) -> object:
    accepts, expected = _PASSES.get(name, (_is_flag, "True or False"))
    if not accepts(value):
        raise InvalidLimit(f"{written}: {name}={value!r}", f"write {expected}")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_PASSES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "repeats": (lambda value: value is None or _is_whole(value), "a whole number, or None to go on until it settles"),
    "warmup": (lambda value: _is_whole(value) and value >= 0, "a whole number of at least 0"),  # type: ignore[operator]
    "calls": (lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1"),  # type: ignore[operator]
    "isolate": (_is_flag, "True or False"),
}
