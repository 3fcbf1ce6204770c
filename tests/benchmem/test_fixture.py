"""The ``benchmark_memory`` fixture: what it returns, stores and shows, and what runs when."""

import pytest

from pytest_memory.engines.choose import choose_engine

EXACT = pytest.mark.skipif(choose_engine()[0].name != "native", reason="exact to the byte with the native engine")

# What each action sees of the engine; the passes begin with an empty window, for the meter's own first-time work.
DIARY = """
import pytest
from pytest_memory.meter import HeapWindow, active_meter

@pytest.fixture
def diary(monkeypatch):
    engine, lines = active_meter().engine, []
    for owner, name in ((engine, "stand_aside"), (engine, "stand_by"), (HeapWindow, "begin")):
        def noted(*args, name=name, original=getattr(owner, name), **options):
            lines.append(name)
            return original(*args, **options)
        monkeypatch.setattr(owner, name, noted)
    return lines
"""


def test_it_times_and_measures_without_any_flag(suite):
    """The result of the call, its timings, and a blob of exactly three equally long lists of integers."""
    suite.write(
        """
        def test_it(benchmark_memory):
            assert benchmark_memory.peak_bytes is None
            assert benchmark_memory.result is None
            assert benchmark_memory(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]
            assert benchmark_memory.peak_bytes == benchmark_memory.result.peak_bytes > 0
        """
    )
    [entry] = suite.saved(outcomes={"passed": 1}).values()
    assert entry["stats"]["rounds"] >= 1
    blob = entry["extra_info"]["benchmem"]
    assert list(blob) == ["peak_bytes", "allocations", "total_bytes"]
    assert [len(series) for series in blob.values()] == [1, 1, 1]
    assert all(type(value) is int for series in blob.values() for value in series)


@EXACT
def test_the_numbers_are_the_actions_alone(suite):
    """A list of a thousand pointers is 56 + 8000 bytes, whatever pytest and pytest-benchmark hold besides."""
    suite.write("def test_it(benchmark_memory):\n    benchmark_memory(lambda source: source * 1000, [0])\n")
    assert suite.blob() == {"peak_bytes": [8056], "allocations": [2], "total_bytes": [8056]}


@EXACT
def test_the_same_suite_gives_the_same_numbers(suite):
    """Run after run, to the byte: a gate can be tight without flaking."""
    suite.write(
        """
        import json
        def test_it(benchmark_memory):
            benchmark_memory(lambda: json.loads(json.dumps([{"n": n, "s": str(n)} for n in range(500)])))
        """
    )
    first = suite.blob("--benchmark-memory-repeats=3")
    assert suite.blob("--benchmark-memory-repeats=3") == first
    assert len(set(first["peak_bytes"])) == 1


def test_timing_first_then_memory_with_nothing_of_ours_active(suite):
    """pytest-benchmark's whole timing runs with the engine aside and no window open; the passes follow."""
    suite.write(
        DIARY
        + """
def test_it(benchmark_memory, diary):
    benchmark_memory.pedantic(lambda: diary.append("call"), rounds=3, warmup_rounds=1)
    assert diary == ["stand_aside"] + ["call"] * 4 + ["stand_by", "begin", "begin", "call"]
"""
    )
    suite.run(outcomes={"passed": 1})


def test_timing_stays_untouched_while_every_test_is_measured(suite):
    """Under --memory the test's own window ends before the timing begins, and the pass stands for it afterwards."""
    suite.write(
        DIARY
        + """
def test_it(benchmark, diary):
    benchmark.pedantic(lambda: diary.append("call") or bytearray(3_000_000), rounds=2)
    assert diary == ["begin", "stand_aside", "call", "call", "stand_by", "begin", "begin", "call"]

@pytest.mark.limit_memory("2 MB")
def test_limit(benchmark):
    benchmark(bytearray, 3_000_000)
"""
    )
    result = suite.run("--memory", outcomes={"passed": 1, "failed": 1})
    result.stdout.fnmatch_lines(["Test was limited to 2.0MiB but allocated 2.9MiB*"])
    result.stdout.no_fnmatch_line("*not judged*")


def test_a_target_that_may_not_be_called_again_is_not(suite):
    """One pedantic round without setup, and nobody asked for memory: no further call, and the reason is told."""
    suite.write(
        """
        import pytest
        calls = []

        @pytest.mark.limit_memory("1 MB")
        def test_it(benchmark):
            benchmark.pedantic(lambda: calls.append(1) or bytearray(3_000_000), rounds=1)
            assert len(calls) == 1
        """
    )
    result = suite.run(outcomes={"passed": 1})
    result.stdout.fnmatch_lines(["*pytest-benchmark took timings*"])


def test_a_pass_calls_a_pedantic_target_once(suite):
    """Whatever ``iterations`` is."""
    suite.write(
        """
        def test_it(benchmark_memory):
            calls = []
            assert benchmark_memory.pedantic(lambda: calls.append(1) or "result", rounds=2, iterations=5) == "result"
            assert len(calls) == 2 * 5 + 1 + 1  # pytest-benchmark calls once more for the result
        """
    )
    suite.run(outcomes={"passed": 1})


def test_pedantic_setup_runs_before_every_pass_outside_the_window(suite):
    """Trap: it ran inside the tracker. What it returns are the arguments of that call; 50 MB of it are not counted."""
    suite.write(
        """
        import pytest
        made = []

        def setup():
            made.append(bytearray(50_000_000)[:1])
            return (len(made),), {"extra": 1}

        @pytest.mark.benchmem(repeats=2)
        def test_it(benchmark_memory):
            seen = []
            benchmark_memory.pedantic(lambda n, extra: seen.append((n, extra)), setup=setup, rounds=3)
            assert seen == [(n, 1) for n in (1, 2, 3, 4, 5)]
            assert benchmark_memory.peak_bytes < 10_000
        """
    )
    suite.run(outcomes={"passed": 1})


def test_pedantic_teardown_runs_after_every_pass(suite):
    """Trap: upstream breaks on pytest-benchmark's ``teardown`` with a TypeError."""
    suite.write(
        """
        import inspect
        import pytest
        from pytest_benchmark.fixture import BenchmarkFixture

        @pytest.mark.skipif("teardown" not in inspect.signature(BenchmarkFixture.pedantic).parameters, reason="too old")
        def test_it(benchmark_memory):
            closed = []
            benchmark_memory.pedantic(list, args=("ab",), teardown=lambda text: closed.append(text), rounds=2)
            assert closed == ["ab"] * 3
        """
    )
    suite.run()


def test_pedantic_takes_its_arguments_by_position_too(suite):
    """pedantic(target, args, kwargs, setup ...) as in pytest-benchmark."""
    suite.write(
        """
        def test_it(benchmark_memory):
            assert benchmark_memory.pedantic(dict, ([("a", 1)],), {"b": 2}) == {"a": 1, "b": 2}
            assert benchmark_memory.result.repeats == 1
        """
    )
    suite.run(outcomes={"passed": 1})


def test_unknown_attributes_are_those_of_benchmark(suite):
    """Trap: upstream mirrors none of group, name, stats, disabled ...; here all can be read and set."""
    suite.write(
        """
        def test_it(benchmark_memory, benchmark):
            benchmark_memory.group = "mine"
            benchmark_memory.extra_info["size"] = 7
            benchmark_memory(len, "abc")
            assert benchmark.group == "mine"
            assert benchmark_memory.extra_info is benchmark.extra_info
            assert benchmark_memory.name == "test_it"
            assert benchmark_memory.enabled
            assert benchmark_memory.stats.stats.rounds >= 1
        """
    )
    [entry] = suite.saved(outcomes={"passed": 1}).values()
    assert entry["group"] == "mine"
    assert entry["extra_info"]["size"] == 7


def test_with_the_flag_too_it_is_measured_once(suite):
    """Flag and fixture together make one set of passes."""
    suite.write(
        """
        def test_it(benchmark_memory):
            calls = []
            benchmark_memory.pedantic(lambda: calls.append(1))
            assert len(calls) == 2
        """
    )
    assert len(suite.blob("--benchmark-memory", outcomes={"passed": 1})["peak_bytes"]) == 1


def test_using_it_twice_is_pytest_benchmarks_own_error(suite):
    """It rides on ``benchmark``, which can be used once."""
    suite.write("def test_it(benchmark_memory):\n    benchmark_memory(len, '')\n    benchmark_memory(len, '')\n")
    suite.run(outcomes={"failed": 1}).stdout.fnmatch_lines(["*FixtureAlreadyUsed*"])


def test_exceptions_of_the_target_fail_the_test(suite):
    """Before any pass, and with nothing left open."""
    suite.write(
        """
        def test_it(benchmark_memory):
            benchmark_memory(lambda: 1 / 0)

        def test_next(benchmark_memory):
            benchmark_memory(len, "")
        """
    )
    suite.run(outcomes={"failed": 1, "passed": 1}).stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_a_fixture_of_that_name_that_is_not_pytest_benchmarks(suite):
    """A message that says who has to be looked for."""
    suite.write(
        """
        import pytest
        @pytest.fixture
        def benchmark():
            return "mine"
        def test_it(benchmark_memory):
            pass
        """
    )
    result = suite.run()
    result.stdout.fnmatch_lines(["*benchmark_memory needs pytest-benchmark's own fixture*'mine'*"])


def test_weaving_is_measured_as_well(suite):
    """``benchmark.weave`` calls the fixture itself."""
    pytest.importorskip("aspectlib")
    suite.write(
        """
        class Target:
            def work(self):
                return bytearray(1000)
        def test_it(benchmark_memory):
            benchmark_memory.weave(Target.work)
            Target().work()
            assert benchmark_memory.peak_bytes > 1000
        """
    )
    suite.run(outcomes={"passed": 1})
