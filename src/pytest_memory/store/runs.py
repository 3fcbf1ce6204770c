"""The saved run: one session's records as a JSON file. The JSON report is this file.

The schema is published in ``docs/formats/run.schema.json``. A reader ignores keys it does not know, so a key may be
added without a new version; a version changes only when a key of an older one changes its meaning or goes.
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_memory.errors import UnreadableFile
from pytest_memory.model import (
    DETAILS,
    GRANULARITIES,
    LIMIT_METRICS,
    PHASES,
    AllocationSite,
    EngineChoice,
    Environment,
    HeapUsage,
    Limit,
    Outcome,
    Phase,
    PhaseUsage,
    ResidentUsage,
    Run,
    StackFrame,
    TestRecord,
    Verdict,
)
from pytest_memory.store.documents import Fields, Json, read_json, write_text

FORMAT = "pytest-memory-run"

VERSION = 1
# Version history
# 1  The first: environment, tests, their attempts with phases, sites and verdicts.

_OUTCOMES: tuple[Outcome, ...] = ("passed", "exceeded", "not judged")


def write_run(path: Path, run: Run) -> None:
    """Save a run, whole or not at all.

    Raises:
        UnwritableFile: The file cannot be written.
    """
    write_text(path, dump_run(run))


def read_run(path: Path) -> Run:
    """Read a saved run.

    Raises:
        UnreadableFile: The file cannot be read, is not a saved run, or is one of a newer version.
    """
    return _run(read_json(path))


def dump_run(run: Run) -> str:
    """A run as JSON text with one test a line, which ``grep`` and ``diff`` can work with."""
    document = run_to_json(run)
    tests = document.pop("tests")
    assert isinstance(tests, list)
    head = json.dumps(document, allow_nan=False)[:-1]
    lines = ",\n".join(json.dumps(test, allow_nan=False) for test in tests)
    return f'{head},\n"tests": [\n{lines}\n]}}\n' if lines else f'{head},\n"tests": []}}\n'


def load_run(parsed: object, place: str = "saved run") -> Run:
    """Make a run of parsed JSON.

    Args:
        parsed: What :func:`json.loads` gave.
        place: Where it came from, for messages.

    Raises:
        UnreadableFile: It is not a saved run, or one of a newer version.
    """
    return _run(Fields.of(parsed, place))


def run_to_json(run: Run) -> dict[str, Json]:
    """A run as plain JSON types, its records gathered by test."""
    tests: dict[tuple[str, str | None], list[Json]] = {}
    for order, record in enumerate(run.records):
        tests.setdefault((record.nodeid, record.worker), []).append({"order": order, **attempt_to_json(record)})
    return {
        "format": FORMAT,
        "version": VERSION,
        "environment": _environment_to_json(run.environment),
        "measuring_seconds": run.measuring_seconds,
        "engine_bytes": run.engine_bytes,
        "notes": list(run.notes),
        "tests": [
            {"nodeid": nodeid, "worker": worker, "attempts": attempts} for (nodeid, worker), attempts in tests.items()
        ],
    }


def attempt_to_json(record: TestRecord) -> dict[str, Json]:
    """One attempt at a test, without the test's name and worker."""
    return {
        "outcome": record.outcome,
        "growth": record.growth,
        "phases": {phase: phase_to_json(usage) for phase, usage in record.phases.items()},
        "sites": sites_to_json(record.sites),
        "verdicts": [verdict_to_json(verdict) for verdict in record.verdicts],
    }


def phase_to_json(usage: PhaseUsage) -> dict[str, Json]:
    """What one phase has used, sizes in bytes, ``None`` where nothing was measured."""
    heap, resident = usage.heap, usage.resident
    plain: dict[str, Json] = {
        "seconds": usage.seconds,
        "heap": None
        if heap is None
        else {
            "peak": heap.peak,
            "allocated": heap.allocated,
            "allocations": heap.allocations,
            "retained": heap.retained,
        },
        "resident": None if resident is None else {"start": resident.start, "end": resident.end, "peak": resident.peak},
    }
    if usage.unmeasured:
        plain["unmeasured"] = usage.unmeasured
    return plain


def phase_from_json(parsed: object, place: str = "phase") -> PhaseUsage:
    """Undo :func:`phase_to_json`.

    Raises:
        UnreadableFile: It is not what that function makes.
    """
    return _phase(Fields.of(parsed, place))


def sites_to_json(sites: tuple[AllocationSite, ...]) -> list[Json]:
    """Call stacks with their bytes and counts, most recent call first."""
    return [
        {
            "bytes": site.bytes,
            "count": site.count,
            "frames": [
                {"function": frame.function, "filename": frame.filename, "lineno": frame.lineno}
                for frame in site.frames
            ],
        }
        for site in sites
    ]


def sites_from_json(parsed: object, place: str = "sites") -> tuple[AllocationSite, ...]:
    """Undo :func:`sites_to_json`.

    Raises:
        UnreadableFile: It is not what that function makes.
    """
    return _sites(Fields({"sites": parsed}, place))


def verdict_to_json(verdict: Verdict) -> dict[str, Json]:
    """A limit and what became of it, in one flat object."""
    return {
        **verdict.limit._asdict(),
        "outcome": verdict.outcome,
        "measured": verdict.measured,
        "reason": verdict.reason,
        "sites": sites_to_json(verdict.sites),
    }


def verdict_from_json(parsed: object, place: str = "verdict") -> Verdict:
    """Undo :func:`verdict_to_json`.

    Raises:
        UnreadableFile: It is not what that function makes.
    """
    return _verdict(Fields.of(parsed, place))


def _environment_to_json(environment: Environment) -> dict[str, Json]:
    return {
        "engine": environment.engine.name,
        "refused": [{"engine": engine, "reason": reason} for engine, reason in environment.engine.refused],
        "granularity": environment.granularity,
        "detail": environment.detail,
        "resident": environment.resident,
        "python": environment.python,
        "implementation": environment.implementation,
        "platform": environment.platform,
        "commit": environment.commit,
        "pytest_memory": environment.version,
        "started": environment.started,
    }


def _run(fields: Fields) -> Run:
    if fields.get("format") != FORMAT:
        raise UnreadableFile(f"{fields.place} is not a saved run of pytest-memory", "make one with --memory-report")
    version = fields.integer("version")
    if not 1 <= version <= VERSION:
        raise UnreadableFile(
            f"{fields.place} has version {version} of the saved run, and this pytest-memory reads 1 to {VERSION}",
            "upgrade pytest-memory, or save the run again",
        )
    environment = _environment(fields.fields("environment"))
    attempts = [attempt for test in fields.each("tests", required=True) for attempt in _attempts(test)]
    attempts.sort(key=lambda attempt: attempt[0])
    return Run(
        environment=environment,
        records=tuple(record for _, record in attempts),
        measuring_seconds=fields.number("measuring_seconds", 0.0),
        engine_bytes=fields.optional_amount("engine_bytes") or 0,
        notes=tuple(fields.texts("notes")),
    )


def _environment(fields: Fields) -> Environment:
    return Environment(
        engine=EngineChoice(
            name=fields.text("engine"),
            refused=tuple((refusal.text("engine"), refusal.text("reason")) for refusal in fields.each("refused")),
        ),
        granularity=fields.word("granularity", GRANULARITIES),
        detail=fields.word("detail", DETAILS),
        resident=fields.text("resident", "off"),
        python=fields.text("python"),
        implementation=fields.text("implementation", ""),
        platform=fields.text("platform"),
        commit=fields.optional_text("commit"),
        version=fields.text("pytest_memory", ""),
        started=fields.text("started", ""),
    )


def _attempts(test: Fields) -> list[tuple[float, TestRecord]]:
    nodeid, worker = test.text("nodeid"), test.optional_text("worker")
    return [
        (
            attempt.number("order", 0),
            TestRecord(
                nodeid=nodeid,
                worker=worker,
                outcome=attempt.text("outcome"),
                phases=_phases(attempt.fields("phases")),
                sites=_sites(attempt),
                verdicts=tuple(_verdict(verdict) for verdict in attempt.each("verdicts")),
            ),
        )
        for attempt in test.each("attempts", required=True)
    ]


def _phases(fields: Fields) -> dict[Phase, PhaseUsage]:
    return {phase: _phase(fields.fields(phase)) for phase in PHASES if phase in fields}


def _phase(fields: Fields) -> PhaseUsage:
    heap, resident = fields.optional_fields("heap"), fields.optional_fields("resident")
    return PhaseUsage(
        seconds=fields.number("seconds"),
        heap=None if heap is None else _heap(heap),
        resident=None if resident is None else _resident(resident),
        unmeasured=fields.text("unmeasured", ""),
    )


def _heap(fields: Fields) -> HeapUsage:
    return HeapUsage(
        peak=fields.optional_amount("peak"),
        allocated=fields.optional_amount("allocated"),
        allocations=fields.optional_amount("allocations"),
        retained=fields.optional_amount("retained"),
    )


def _resident(fields: Fields) -> ResidentUsage:
    return ResidentUsage(start=fields.amount("start"), end=fields.amount("end"), peak=fields.optional_amount("peak"))


def _sites(fields: Fields) -> tuple[AllocationSite, ...]:
    return tuple(
        AllocationSite(
            bytes=site.integer("bytes"),
            count=site.integer("count"),
            frames=tuple(
                StackFrame(frame.text("function"), frame.text("filename"), frame.integer("lineno"))
                for frame in site.each("frames")
            ),
        )
        for site in fields.each("sites")
    )


def _verdict(fields: Fields) -> Verdict:
    return Verdict(
        limit=Limit(
            metric=fields.word("metric", LIMIT_METRICS),
            bound=fields.integer("bound"),
            phase=fields.word("phase", PHASES),
            origin=fields.text("origin", ""),
            current_thread_only=fields.flag("current_thread_only"),
            collect=fields.flag("collect"),
        ),
        outcome=fields.word("outcome", _OUTCOMES),
        measured=fields.optional_integer("measured"),
        reason=fields.text("reason", ""),
        sites=_sites(fields),
    )
