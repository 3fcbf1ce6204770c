"""Which heap engine measures, and why."""

from __future__ import annotations

from ..values import NamedTuple


class EngineChoice(NamedTuple):
    """Which heap engine measured, and why the ones before it in line did not.

    Attributes:
        name: ``native``, ``memray``, ``tracemalloc`` or ``none``.
        refused: Pairs of an engine's name and the reason it could not be used.
    """

    name: str
    refused: tuple[tuple[str, str], ...] = ()
