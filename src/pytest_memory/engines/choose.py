"""Pick the cheapest exact engine that works here, and keep the reasons why the others did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import EngineChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .base import HeapEngine

ENGINE_NAMES = ("auto", "native", "memray", "tracemalloc", "none")

_PREFERENCE = ("native", "memray", "tracemalloc")


def _native() -> HeapEngine:
    from .native import NativeEngine

    return NativeEngine()


def _memray() -> HeapEngine:
    from .memray import MemrayEngine

    return MemrayEngine()


def _tracemalloc() -> HeapEngine:
    from .tracemalloc import TracemallocEngine

    return TracemallocEngine()


def _none() -> HeapEngine:
    from .none import NoEngine

    return NoEngine()


FACTORIES: Mapping[str, Callable[[], HeapEngine]] = {
    "native": _native,
    "memray": _memray,
    "tracemalloc": _tracemalloc,
    "none": _none,
}


def choose_engine(
    name: str = "auto", factories: Mapping[str, Callable[[], HeapEngine]] = FACTORIES
) -> tuple[HeapEngine, EngineChoice]:
    """Make the engine asked for, or for ``auto`` the first that works.

    Args:
        name: One of :data:`ENGINE_NAMES`.
        factories: How to make each engine; a factory raises :class:`EngineUnavailable` where its engine cannot run.

    Returns:
        The engine, and its name with the reasons why those before it were refused.

    Raises:
        InvalidValue: There is no engine of that name.
        EngineUnavailable: An engine asked for by name cannot run here, or none at all can.
    """
    if name != "auto" and name not in factories:
        from ..errors import InvalidValue

        raise InvalidValue(f"unknown engine {name!r}", f"choose from {', '.join(ENGINE_NAMES)}")
    if name != "auto":
        return factories[name](), EngineChoice(name)
    refused: list[tuple[str, str]] = []
    for candidate in _PREFERENCE:
        try:
            engine = factories[candidate]()
        except RuntimeError as error:
            refused.append((candidate, _problem(error)))
        else:
            return engine, EngineChoice(candidate, tuple(refused))
    return factories["none"](), EngineChoice("none", tuple(refused))


def _problem(error: RuntimeError) -> str:
    """Why an engine cannot run here; an error that says something else is raised again."""
    from ..errors import EngineUnavailable

    if not isinstance(error, EngineUnavailable):
        raise error
    return error.problem
