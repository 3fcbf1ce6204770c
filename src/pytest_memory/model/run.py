"""All records of one session, with the environment they were made in."""

from __future__ import annotations

from ..values import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .engine import EngineChoice
    from .literals import Detail, Granularity
    from .record import TestRecord


class Environment(NamedTuple):
    """Where and how a run was measured.

    Attributes:
        engine: The heap engine and the reasons behind the choice.
        granularity: What counted as an allocation.
        detail: How much attribution was made.
        resident: ``exact``, ``sampled`` or ``off``.
        python: Version of the interpreter.
        implementation: Its name.
        platform: Operating system and machine.
        commit: Revision of the project under test, or ``None`` outside a repository.
        version: Version of pytest-memory.
        started: When the session began, as ISO 8601 in UTC.
    """

    engine: EngineChoice
    granularity: Granularity
    detail: Detail
    resident: str
    python: str
    implementation: str
    platform: str
    commit: str | None
    version: str
    started: str


class Run(NamedTuple):
    """A whole session.

    Attributes:
        environment: How it was measured.
        records: One per attempt, in the order in which the attempts ended.
        measuring_seconds: Time spent opening, closing and reading windows, over all processes.
        engine_bytes: Resident memory of the engine's own tables, over all processes; rss figures contain it.
        notes: Sentences for the reader on what was not measured, and why.
    """

    environment: Environment
    records: tuple[TestRecord, ...]
    measuring_seconds: float = 0.0
    engine_bytes: int = 0
    notes: tuple[str, ...] = ()
