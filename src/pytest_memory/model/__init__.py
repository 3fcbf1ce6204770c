"""Frozen values and nothing else: the words in which the rest of the package speaks."""

from .benchmark import Measurement, MemoryResult
from .limit import LIMIT_METRICS, Limit, LimitMetric, Outcome, Verdict
from .record import TestRecord
from .run import EngineChoice, Environment, Run
from .site import AllocationSite, Stack, StackFrame
from .timeline import ACTIVITIES, CONTROLLER, Activity, Death, MemoryBounds, Series, Span, Timeline
from .usage import (
    DETAILS,
    GRANULARITIES,
    PHASES,
    Detail,
    Granularity,
    HeapUsage,
    Phase,
    PhaseUsage,
    ResidentUsage,
)

__all__ = [
    "ACTIVITIES",
    "CONTROLLER",
    "DETAILS",
    "GRANULARITIES",
    "LIMIT_METRICS",
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
    "TestRecord",
    "Timeline",
    "Verdict",
]
