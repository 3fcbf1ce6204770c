"""What the terminal says of a session: totals over all attempts, and the few that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .record import TestRecord
    from .run import Environment

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Summary(NamedTuple):
    """A session in short.

    Attributes:
        environment: How it was measured.
        tests: How many tests were measured, reruns counted once and each worker's apart.
        attempts: How many attempts at them.
        seconds: Wall time of all their phases.
        heaviest: The attempts to be shown, those that took the most memory first.
        unmeasured: Why phases have no heap numbers, and how many have none for that reason.
        unjudged: The same of limits that were not judged.
        measuring_seconds: As in :class:`Run`.
        engine_bytes: As in :class:`Run`.
        notes: As in :class:`Run`.
    """

    environment: Environment
    tests: int = 0
    attempts: int = 0
    seconds: float = 0.0
    heaviest: Sequence[TestRecord] = ()
    unmeasured: Mapping[str, int] = _NOTHING
    unjudged: Mapping[str, int] = _NOTHING
    measuring_seconds: float = 0.0
    engine_bytes: int = 0
    notes: tuple[str, ...] = ()
