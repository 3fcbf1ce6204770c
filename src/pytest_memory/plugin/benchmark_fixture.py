"""pytest-benchmark's fixture with memory passes after its timings, and the ``benchmark_memory`` fixture over it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from pytest_benchmark.fixture import BenchmarkFixture

from pytest_memory.model import MemoryResult
from pytest_memory.passes import Action


class Measurer(Protocol):
    """Measures the memory of one benchmark."""

    result: MemoryResult | None
    wanted: bool

    def around_timing(self, benchmark: BenchmarkFixture, time: Callable[[], Any]) -> Any:
        """Let pytest-benchmark take its timings, undisturbed."""
        ...

    def after_timing(self, benchmark: BenchmarkFixture, action: Action, *, repeatable: bool) -> None:
        """Make the memory passes and judge them."""
        ...


class MeasuredBenchmark(BenchmarkFixture):
    """What pytest-benchmark's own fixture object becomes while we are loaded.

    It is the same object with this class: everything that it does by itself, and everything that others do to it,
    stays. Timings come first, with nothing of ours active; memory passes follow outside of pytest-benchmark's own
    error handling, so that a broken ceiling fails the test and leaves the timings in the saved run.
    """

    memory: Measurer

    @classmethod
    def adopt(cls, benchmark: BenchmarkFixture, measurer: Measurer) -> None:
        """Give a fixture of pytest-benchmark its memory passes."""
        benchmark.__class__ = cls
        vars(benchmark)["memory"] = measurer

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Time the function, then measure its memory."""
        __tracebackhide__ = True
        plain: Any = super().__call__
        result = self.memory.around_timing(self, lambda: plain(function_to_benchmark, *args, **kwargs))
        self.memory.after_timing(self, Action(function_to_benchmark, args, kwargs), repeatable=True)
        return result

    def pedantic(self, *args: Any, **kwargs: Any) -> Any:
        """Time the function under explicit control, then measure its memory: one call per pass.

        Takes what this version of pytest-benchmark takes; ``setup`` and ``teardown`` run around each memory pass
        too, unmeasured.
        """
        __tracebackhide__ = True
        bound = _PEDANTIC.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        plain: Any = super().pedantic
        result = self.memory.around_timing(self, lambda: plain(*args, **kwargs))
        action = Action(
            given["target"],
            given["args"],
            given["kwargs"] or {},
            setup=given["setup"],
            teardown=given.get("teardown"),  # since pytest-benchmark 5.1
        )
        again = any(given[name] > least for name, least in (("rounds", 1), ("iterations", 1), ("warmup_rounds", 0)))
        self.memory.after_timing(self, action, repeatable=again or action.setup is not None)
        return result


_PEDANTIC = inspect.signature(BenchmarkFixture.pedantic)


class BenchmarkMemory:
    """The ``benchmark_memory`` fixture: times like ``benchmark``, and always measures memory.

    Attributes that are not its own (``group``, ``name``, ``stats``, ``extra_info``, ``weave`` ...) are those of
    ``benchmark``, to read and to set.
    """

    __slots__ = ("_benchmark",)

    _benchmark: MeasuredBenchmark

    def __init__(self, benchmark: MeasuredBenchmark) -> None:
        object.__setattr__(self, "_benchmark", benchmark)
        benchmark.memory.wanted = True

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Time the function, then measure its memory; returns what it returned when it was timed."""
        __tracebackhide__ = True
        return self._benchmark(function_to_benchmark, *args, **kwargs)

    def pedantic(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As ``benchmark.pedantic``, with memory passes; ``setup`` runs before each of them, unmeasured."""
        __tracebackhide__ = True
        return self._benchmark.pedantic(target, *args, **kwargs)

    @property
    def result(self) -> MemoryResult | None:
        """Every pass of the last call, or ``None`` before it."""
        return self._benchmark.memory.result

    @property
    def peak_bytes(self) -> int | None:
        """Peak of the last call in bytes, or ``None`` before it."""
        result = self.result
        return None if result is None else result.peak_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._benchmark, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._benchmark, name, value)
