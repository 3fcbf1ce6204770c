"""Measures the memory of benchmarks, in the process that runs them."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pytest_memory.declaration import BENCHMARK_KEY, Hooks
from pytest_memory.engines.base import HeapReading
from pytest_memory.errors import WindowRefused
from pytest_memory.meter import Meter
from pytest_memory.model import HeapUsage, MemoryResult
from pytest_memory.model.benchmark import BLOB
from pytest_memory.passes import Action, PassPlan, keep_capture, measure_passes
from pytest_memory.plugin.benchmark_compare import Baseline, headlines, load_baseline
from pytest_memory.plugin.benchmark_entries import encode_entry, encode_unjudged
from pytest_memory.plugin.benchmark_fixture import BenchmarkMemory, MeasuredBenchmark
from pytest_memory.plugin.benchmark_markers import BenchmarkRules, benchmark_rules
from pytest_memory.plugin.benchmark_settings import BenchmarkSettings
from pytest_memory.plugin.benchmark_switch import FLAG
from pytest_memory.plugin.phases import PhaseHooks
from pytest_memory.plugin.session import MemorySession
from pytest_memory.policy.ceilings import first_breach, unjudged
from pytest_memory.policy.regressions import judge_regressions

_INTERRUPTED = "pytest-benchmark took timings, and no memory pass was made"


class MemoryCeilingExceeded(AssertionError):
    """A benchmark used more memory than its ``benchmem`` marker allows."""

    __module__ = "builtins"  # pytest prints this name in front of the message, as it does for its own exceptions


class BenchmarkMeasuring(Hooks):
    """Turns pytest-benchmark's fixture into one that measures memory, and lets what it measured travel."""

    def __init__(self, config: pytest.Config, session: MemorySession, settings: BenchmarkSettings) -> None:
        assert session.phases is not None
        assert session.meter is not None
        self.session = session
        self.settings = settings
        self.phases: PhaseHooks = session.phases
        self.meter: Meter = session.meter
        self._config = config
        self._baseline: Baseline | None = None
        self._captures: dict[str, str] = {}

    def rules(self, item: pytest.Item) -> BenchmarkRules:
        """What holds for a test.

        Raises:
            InvalidLimit: A ``benchmem`` marker that cannot be understood.
        """
        return benchmark_rules(item, self.settings.plan)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Give each test the name of its capture; names that would be the same get a checksum."""
        if self.settings.profile is not None:
            names = {item.nodeid: re.sub(r"[^A-Za-z0-9._-]", "_", item.nodeid) for item in items}
            count = Counter(names.values())
            self._captures = {
                nodeid: f"{name}.bin" if count[name] == 1 else f"{name}-{zlib.crc32(nodeid.encode()):08x}.bin"
                for nodeid, name in names.items()
            }

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Adopt each ``benchmark`` that pytest-benchmark makes."""
        value = yield
        if fixturedef.argname == "benchmark" and type(value) is BenchmarkFixture:
            MeasuredBenchmark.adopt(value, BenchmarkMeasurer(self, request.node))
        return value

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the benchmark's memory travel on the report of the call."""
        report = yield
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if call.when == "call" and isinstance(benchmark, MeasuredBenchmark) and not hasattr(report, "context"):
            measurer = benchmark.memory
            if isinstance(measurer, BenchmarkMeasurer) and measurer.finished:
                setattr(report, BENCHMARK_KEY, encode_entry(benchmark, profile=measurer.profile))
            elif isinstance(measurer, BenchmarkMeasurer) and measurer.unjudged:
                setattr(report, BENCHMARK_KEY, encode_unjudged(benchmark, measurer.unjudged))
        return report

    def breaks_gate(self, fullname: str, result: MemoryResult) -> bool:
        """Whether this benchmark is over a threshold against the stored run."""
        if self._baseline is None:
            self._baseline = load_baseline(self._config, self.settings.compare or "")
        head = {fullname: headlines(result)}
        return bool(judge_regressions(self._baseline.values, head, self.settings.thresholds).regressions)

    def capture_path(self, nodeid: str) -> Path | None:
        """Where the capture of a test goes, or ``None`` if none is kept."""
        folder = self.settings.profile
        return None if folder is None or nodeid not in self._captures else folder / self._captures[nodeid]


class BenchmarkMeasurer:
    """Measures one benchmark.

    Attributes:
        result: The passes, once they have been made.
        wanted: The test asked for memory by using ``benchmark_memory``.
        finished: Memory passes were wanted, and made or refused.
        unjudged: How many ceilings were not judged, because nobody wanted memory passes.
        profile: The capture kept, or ``None``.
    """

    def __init__(self, measuring: BenchmarkMeasuring, item: pytest.Item) -> None:
        self._measuring = measuring
        self._item = item
        self.result: MemoryResult | None = None
        self.wanted = measuring.settings.measure
        self.finished = False
        self.unjudged = 0
        self.profile: str | None = None

    def around_timing(self, benchmark: BenchmarkFixture, time: Callable[[], Any]) -> Any:
        """Let pytest-benchmark take its timings with no window open and nothing hooked."""
        __tracebackhide__ = True
        meter = self._measuring.meter
        if benchmark.disabled:
            if self.wanted:
                meter.end_windows(_INTERRUPTED)
            return time()
        with meter.interrupted(_INTERRUPTED):
            return time()

    def after_timing(self, benchmark: BenchmarkFixture, action: Action, *, repeatable: bool) -> None:
        """Make the memory passes, store them, and judge them.

        A benchmark nobody wanted memory of, in a session that measures every test, gets one pass for the test's own
        record, if its target may be called again.

        Raises:
            MemoryCeilingExceeded: The headline is over a bound of the marker, or could not be judged and has to be.
        """
        __tracebackhide__ = True
        if self.wanted:
            self._measure(benchmark, action)
            return
        self._count_unjudged(benchmark)
        if repeatable and not benchmark.disabled and self._measuring.phases.call_window() is not None:
            try:
                self._passes(action, replace(self._measuring.settings.plan, repeats=1, warmup=0))
            except Exception as error:  # nobody asked for this call: it must not cost the test
                self._substitute(HeapReading(None, unmeasured=f"the benchmark's memory pass failed: {error!r}"))

    def _count_unjudged(self, benchmark: BenchmarkFixture) -> None:
        __tracebackhide__ = True
        ceilings = self._measuring.rules(self._item).ceilings
        self.unjudged = len(ceilings)
        if ceilings and self._measuring.session.settings.unmeasured_fails:
            names = ", ".join(ceiling.name for ceiling in ceilings)
            raise MemoryCeilingExceeded(f"{benchmark.fullname}: {names} could not be judged without {FLAG}")

    def _measure(self, benchmark: BenchmarkFixture, action: Action) -> None:
        __tracebackhide__ = True
        rules = self._measuring.rules(self._item)
        self.finished = True
        if BLOB in benchmark.extra_info:
            self.result = MemoryResult.from_blob(benchmark.extra_info[BLOB])
        else:
            try:
                self.result = self._passes(action, rules.plan)
            except WindowRefused as refusal:
                self._measuring.session.note(f"Benchmarks: {refusal.problem}.")
            else:
                benchmark.extra_info[BLOB] = self.result.as_dict()
                self._keep_profile(benchmark, action, rules)
        self._judge(benchmark, rules)

    def _passes(self, action: Action, plan: PassPlan) -> MemoryResult:
        """Make the passes; the best of them stands for the test's own window."""
        __tracebackhide__ = True
        window = self._measuring.phases.call_window()
        readings: list[HeapReading] = []
        if window is not None:
            plan = replace(plan, detail=window.request.detail)
        result = measure_passes(self._measuring.meter, action, plan, observe=readings.append)
        if not readings:
            best = result.headline
            readings = [HeapReading(HeapUsage(best.peak_bytes, best.total_bytes, best.allocations))]
        self._substitute(min(readings, key=_peak))
        return result

    def _substitute(self, reading: HeapReading) -> None:
        window = self._measuring.phases.call_window()
        if window is not None:
            window.substitute(reading)

    def _keep_profile(self, benchmark: BenchmarkFixture, action: Action, rules: BenchmarkRules) -> None:
        __tracebackhide__ = True
        settings = self._measuring.settings
        path = self._measuring.capture_path(self._item.nodeid)
        if path is None or rules.plan.isolate or self.result is None:
            return
        if settings.thresholds and not self._measuring.breaks_gate(benchmark.fullname, self.result):
            return
        native = settings.profile_native if rules.profile_native is None else rules.profile_native
        try:
            keep_capture(self._measuring.meter, action, path, native_frames=native, granularity=rules.plan.granularity)
        except WindowRefused as refusal:
            self._measuring.session.note(f"Profiles: {refusal.problem}.")
        else:
            self.profile = str(path)

    def _judge(self, benchmark: BenchmarkFixture, rules: BenchmarkRules) -> None:
        __tracebackhide__ = True
        open_questions = unjudged(self.result, rules.ceilings)
        if open_questions and self._measuring.session.settings.unmeasured_fails:
            raise MemoryCeilingExceeded(f"{benchmark.fullname}: {', '.join(open_questions)} could not be judged")
        if open_questions:
            self._measuring.session.note(f"{benchmark.fullname}: {', '.join(open_questions)} could not be judged.")
        breach = first_breach(self.result, rules.ceilings) if self.result is not None else None
        if breach is not None:
            raise MemoryCeilingExceeded(f"{benchmark.fullname}: {breach}")


def benchmark_memory(request: pytest.FixtureRequest, benchmark: object) -> BenchmarkMemory:
    """Make the ``benchmark_memory`` fixture over ``benchmark``."""
    if not isinstance(benchmark, MeasuredBenchmark):
        pytest.fail(
            f"benchmark_memory needs pytest-benchmark's own fixture, but 'benchmark' is {benchmark!r} in "
            f"{request.node.nodeid}: another plugin or a conftest.py replaces it",
            pytrace=False,
        )
    return BenchmarkMemory(benchmark)


def _peak(reading: HeapReading) -> int:
    assert reading.usage is not None  # a pass without a peak would have been refused
    assert reading.usage.peak is not None
    return reading.usage.peak
