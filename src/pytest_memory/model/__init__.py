"""Frozen values and nothing else: the words in which the rest of the package speaks.

What is named here is loaded when it is first used: to make a frozen class takes an interpreter half a millisecond, and
a session that is only recorded needs none of them.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .activity import ACTIVITIES, CONTROLLER
    from .benchmark import Measurement, MemoryResult
    from .engine import EngineChoice
    from .limit import LIMIT_METRICS, Limit, LimitMetric, Outcome, Verdict
    from .literals import Detail, Granularity, Phase
    from .record import TestRecord
    from .run import Environment, Run
    from .site import AllocationSite, StackFrame
    from .stack import Stack
    from .summary import Summary
    from .timeline import Activity, Death, MemoryBounds, Series, Span, Timeline
    from .usage import (
        DETAILS,
        GRANULARITIES,
        LARGE_PHASE,
        NOTABLE_GROWTH,
        NOTABLE_PHASE,
        PHASES,
        HeapUsage,
        PhaseUsage,
        ResidentUsage,
    )

__all__ = [
    "ACTIVITIES",
    "CONTROLLER",
    "DETAILS",
    "GRANULARITIES",
    "LARGE_PHASE",
    "LIMIT_METRICS",
    "NOTABLE_GROWTH",
    "NOTABLE_PHASE",
    "PHASES",
    "Activity",
    "AllocationSite",
    "Death",
    "Detail",
    "EngineChoice",
    "Environment",
    "Granularity",
    "HeapUsage",
    "Limit",
    "LimitMetric",
    "Measurement",
    "MemoryBounds",
    "MemoryResult",
    "Outcome",
    "Phase",
    "PhaseUsage",
    "ResidentUsage",
    "Run",
    "Series",
    "Span",
    "Stack",
    "StackFrame",
    "Summary",
    "TestRecord",
    "Timeline",
    "Verdict",
]

_HOMES = {
    "activity": ("ACTIVITIES", "CONTROLLER"),
    "benchmark": ("Measurement", "MemoryResult"),
    "engine": ("EngineChoice",),
    "limit": ("LIMIT_METRICS", "Limit", "LimitMetric", "Outcome", "Verdict"),
    "literals": ("Detail", "Granularity", "Phase"),
    "record": ("TestRecord",),
    "run": ("Environment", "Run"),
    "site": ("AllocationSite", "StackFrame"),
    "stack": ("Stack",),
    "summary": ("Summary",),
    "timeline": ("Activity", "Death", "MemoryBounds", "Series", "Span", "Timeline"),
    "usage": (
        "DETAILS",
        "GRANULARITIES",
        "LARGE_PHASE",
        "NOTABLE_GROWTH",
        "NOTABLE_PHASE",
        "PHASES",
        "HeapUsage",
        "PhaseUsage",
        "ResidentUsage",
    ),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
