"""The memory section, rendered from hand-built summaries."""

import pytest

from pytest_memory.model import (
    AllocationSite,
    EngineChoice,
    Environment,
    HeapUsage,
    PhaseUsage,
    ResidentUsage,
    StackFrame,
    Summary,
    TestRecord,
)
from pytest_memory.report.lines import plain, shorten_left
from pytest_memory.report.terminal import Layout, summary_lines

MIB = 1024**2
ENVIRONMENT = Environment(
    engine=EngineChoice("native"),
    granularity="python",
    detail="stacks",
    resident="exact",
    python="3.12.1",
    implementation="CPython",
    platform="linux-x86_64",
    commit=None,
    version="0.1.0",
    started="2026-01-01T00:00:00+00:00",
)


def phase(peak, *, start=100 * MIB, end=100 * MIB, seconds=0.5):
    return PhaseUsage(
        seconds, heap=HeapUsage(peak, peak * 3, 33929, 0), resident=ResidentUsage(start, end, start + peak)
    )


def record(name, peak, *, setup=100, worker=None, sites=(), **more):
    return TestRecord(
        f"tests/unit/test_parsing.py::TestParser::{name}",
        "passed",
        worker=worker,
        phases={"setup": phase(setup), "call": phase(peak, **more), "teardown": phase(50)},
        sites=sites,
    )


def site(size, *frames):
    return AllocationSite(size, 1, tuple(StackFrame(*frame) for frame in frames))


SITES = (
    site(
        8 * MIB, ("loads", "/usr/lib/python3.12/json/__init__.py", 346), ("parse", "/home/me/project/src/parse.py", 47)
    ),
    site(3 * MIB, ("parse", "/home/me/project/src/parse.py", 47)),
    site(1 * MIB, ("build", "/home/me/project/.venv/lib/python3.12/site-packages/numpy/core.py", 1)),
)
RECORDS = (
    record("test_fixture", 2 * MIB, setup=50 * MIB),
    record("test_big", 12 * MIB, sites=SITES, end=103 * MIB),
    record("test_small", 4000),
)


def summary(*records, **members):
    members = {"tests": len(records), "attempts": len(records), "measuring_seconds": 0.0123, **members}
    return Summary(ENVIRONMENT, seconds=sum(record.seconds for record in records), heaviest=records)._replace(**members)


def render(shown=None, width=80, **layout):
    lines = summary_lines(shown or summary(*RECORDS), Layout(width, top=10, roots=("/home/me/project",), **layout))
    return "\n".join(plain(line).rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_looks(width, snapshot):
    """The section at the widths of a small and of a large terminal."""
    assert render(width=width) == snapshot


@pytest.mark.parametrize("verbosity", [-1, 1, 2])
def test_verbosity(verbosity, snapshot):
    """-q shortens, -v shows whole names and all sites, -vv shows everything."""
    assert render(verbosity=verbosity) == snapshot


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    """Node ids and paths are cut at their beginning, sentences are wrapped."""
    shown = summary(record("test_" + "x" * 300, 5 * MIB, sites=SITES), notes=("a sentence " * 40,))
    assert max(len(line) for line in render(shown, width).splitlines()) <= max(width, 66)


def test_a_worker_is_named_where_it_says_something():
    """Not beside every test: only with -v, or to tell the same test in two workers apart; its name is never cut."""
    one = summary(record("test_a", 4000, worker="gw0"), record("test_b", 4000, worker="gw1"))
    assert "gw0" not in render(one)
    assert "[gw0] tests/unit/test_parsing.py::TestParser::test_a" in render(one, verbosity=1)
    both = render(summary(record("test_a", 4000, worker="gw0"), record("test_a", 4000, worker="gw1")))
    assert "[gw0] …" in both
    assert "[gw1] …" in both


def test_unmeasured_is_a_dash_and_an_empty_column_goes():
    """What was not measured is never a zero; a column with nothing in it is left out."""
    half = TestRecord("a.py::test", "passed", phases={"call": PhaseUsage(1.0, heap=HeapUsage(peak=5 * MIB))})
    none = TestRecord("b.py::test", "passed", phases={"call": PhaseUsage(1.0)})
    text = render(summary(half, none))
    assert "rss peak" not in text
    assert "5 MiB  a.py::test" in text
    assert "—  b.py::test" in text


def test_who_did_not_get_as_far_as_the_call_has_no_number_of_the_call():
    """Setup's numbers are not the test's, its resident memory as little as its heap; that it was cut short is said."""
    setup = {"setup": phase(20 * MIB)}
    text = render(
        summary(
            TestRecord("a.py::test_crash", "crashed", phases=setup),
            TestRecord("b.py::test_endless", "unfinished", phases=setup),
            TestRecord("c.py::test_skipped", "skipped", phases={"setup": phase(100)}),
        ),
        width=120,
    )
    lines = text.splitlines()
    table = lines[lines.index(next(each for each in lines if each.endswith("test"))) + 1 :]
    assert [each.split()[0] for each in table] == ["—", "its", "setup", "—", "it", "setup", "100"]
    assert [each.split()[1] for each in table if each.endswith(("_crash", "_endless"))] == ["—", "—"]
    assert "its worker crashed" in text
    assert "it did not end" in text
    assert text.count("setup peaked at 20 MiB") == 2


def test_the_call_stacks_of_the_phase_that_peaked_highest():
    """A setup that needed more than the call shows where, as an estimate; the call's own are shown with -vv."""
    own = (site(30 * MIB, ("own", "/home/me/project/tests/conftest.py", 7)),)
    shown = record("test_it", 3 * MIB, setup=31 * MIB, sites=SITES)._replace(around={"setup": own})
    lines = [each.strip() for each in render(summary(shown)).splitlines()]
    told = lines.index("setup peaked at 31 MiB")
    assert lines[told + 1 :] == ["~30 MiB  own  tests/conftest.py:7"]
    everything = [each.strip() for each in render(summary(shown), verbosity=2).splitlines()]
    told = everything.index("setup peaked at 31 MiB")
    assert everything[told + 1 : told + 3] == ["~30 MiB  own  tests/conftest.py:7", "call peaked at 3 MiB"]
    assert "parse" in everything[told + 3]
    assert "own" not in render(summary(shown), verbosity=-1)
    assert "own" not in render(summary(shown._replace(phases=RECORDS[1].phases)))


def test_own_frame_first_and_merged():
    """Sites are shown at the reader's own frame, and those that differ only further in are one line."""
    text = render()
    assert "11 MiB  parse  src/parse.py:47" in text
    assert "json" not in text


def test_samples_are_marked_and_not_shown_of_small_peaks():
    """A sampled size carries ~; a sample of a small peak says nothing and is left out."""
    small = record("test_small", 100_000, sites=(site(70_000, ("f", "/home/me/project/a.py", 1)),))
    text = render(summary(*RECORDS, small), sampled=True)
    assert "~11 MiB  parse" in text
    assert "a.py:1" not in text


def test_what_a_reader_must_know():
    """Refused engines, limits not judged and phases without numbers are told, each once with a count."""
    shown = summary(
        *RECORDS,
        environment=ENVIRONMENT._replace(engine=EngineChoice("memray", (("native", "it was not built"),))),
        unjudged={"resident memory was not read": 2},
        unmeasured={"hooks were replaced": 1},
        notes=("seen by nobody: polars",),
    )
    text = render(shown, width=200)
    assert "the native engine was not used: it was not built" in text
    assert "2 limits not judged: resident memory was not read" in text
    assert "1 phase without heap numbers: hooks were replaced" in text
    assert "seen by nobody: polars" in text


def test_the_rest_is_counted():
    """Of the attempts that are not shown a reader hears how many there are, and how to see them."""
    assert "… and 1,234 more; --memory-top=0 shows all" in render(summary(*RECORDS, attempts=1_237, tests=1_237))
    assert "… and 1,234 more attempts; --memory-top=0 shows all" in render(summary(*RECORDS, attempts=1_237, tests=9))


def test_the_engines_own_memory_is_told():
    """rss figures contain the engine's tables, so their size stands beside them."""
    assert "rss exact (the engine's tables: 15.0 MiB)" in render(summary(*RECORDS, engine_bytes=15 * MIB), width=200)


def test_what_measuring_took_is_not_zero():
    """Workers that crashed and children that were forked told nothing of it."""
    assert "measuring took 12.3 ms of 4.50 s" in render(width=200)
    assert "measuring" not in render(summary(*RECORDS, measuring_seconds=0.0), width=200)


def test_nothing_measured():
    """A run without a measurement has a headline and no table."""
    assert "test" not in render(summary(), width=200).partition("0 tests")[2]


@pytest.mark.parametrize(
    ("text", "width", "short"), [("abcdef", 6, "abcdef"), ("abcdef", 4, "…def"), ("abcdef", 1, "f")]
)
def test_shorten_left(text, width, short):
    """The end of a node id or of a path says most."""
    assert shorten_left(text, width) == short
