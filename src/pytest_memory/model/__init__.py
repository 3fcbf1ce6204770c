"""Frozen values and nothing else: the words in which the rest of the package speaks."""

from .benchmark import Measurement, MemoryResult
from .limit import LIMIT_METRICS, Limit, LimitMetric, Outcome, Verdict
from .record import TestRecord
from .run import EngineChoice, Environment, Run
from .site import AllocationSite, Stack, StackFrame
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
    "DETAILS",
    "GRANULARITIES",
    "LIMIT_METRICS",
    "PHASES",
    "AllocationSite",
    "Detail",
    "EngineChoice",
    "Environment",
    "Granularity",
    "HeapUsage",
    "Limit",
    "LimitMetric",
    "Measurement",
    "MemoryResult",
    "Outcome",
    "Phase",
    "PhaseUsage",
    "ResidentUsage",
    "Run",
    "Stack",
    "StackFrame",
    "TestRecord",
    "Verdict",
]
