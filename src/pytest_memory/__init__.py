"""Measure, limit, explain and compare the memory of every test.

What is named here is loaded when it is first used: importing the package imports nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers read it: the recorder's process starts faster without typing

if TYPE_CHECKING:
    from pytest_memory.api import (
        Measurement,
        MemoryResult,
        Sample,
        Stack,
        StackFrame,
        discover_runs,
        from_pytest_benchmark,
        human_bytes,
        load_long_df,
        load_samples,
        measure_memory,
        measure_peak,
        memory_from_pytest_benchmark,
        track,
    )

__version__ = "0.1.0"

__all__ = [
    "Measurement",
    "MemoryResult",
    "Sample",
    "Stack",
    "StackFrame",
    "__version__",
    "discover_runs",
    "from_pytest_benchmark",
    "human_bytes",
    "load_long_df",
    "load_samples",
    "measure_memory",
    "measure_peak",
    "memory_from_pytest_benchmark",
    "track",
]


def __getattr__(name: str) -> object:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_memory import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
