"""The saved run: what is written is what is read, and what the published schema says."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    PhaseUsage,
    ResidentUsage,
    Run,
    StackFrame,
    TestRecord,
    Verdict,
)
from pytest_memory.store import runs

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "formats" / "run.schema.json").read_text(encoding="utf-8"))

sizes = st.integers(0, 2**63 - 1)
maybe_sizes = st.none() | sizes
seconds = st.floats(0, 1e6)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
frames = st.builds(StackFrame, texts, texts, st.integers(0, 10**6))
sites = st.lists(st.builds(AllocationSite, sizes, sizes, st.lists(frames, max_size=3).map(tuple)), max_size=2).map(
    tuple
)
phases = st.builds(
    PhaseUsage,
    seconds,
    st.none() | st.builds(HeapUsage, maybe_sizes, maybe_sizes, maybe_sizes, maybe_sizes),
    st.none() | st.builds(ResidentUsage, sizes, sizes, maybe_sizes),
    texts,
)
limits = st.builds(
    Limit, st.sampled_from(LIMIT_METRICS), sizes, st.sampled_from(PHASES), texts, st.booleans(), st.booleans()
)
verdicts = st.builds(Verdict, limits, st.sampled_from(["passed", "exceeded", "not judged"]), maybe_sizes, texts, sites)
records = st.builds(
    TestRecord,
    nodeid=st.sampled_from(["a.py::test_1", "a.py::test_2[ü]"]) | texts,
    outcome=st.sampled_from(
        ["passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun", "unfinished", "crashed"]
    ),
    worker=st.sampled_from([None, "gw0", "gw1"]),
    phases=st.dictionaries(st.sampled_from(PHASES), phases),
    sites=sites,
    verdicts=st.lists(verdicts, max_size=2).map(tuple),
)
environments = st.builds(
    Environment,
    engine=st.builds(
        EngineChoice,
        st.sampled_from(["native", "memray", "tracemalloc", "none"]),
        st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    ),
    granularity=st.sampled_from(GRANULARITIES),
    detail=st.sampled_from(DETAILS),
    resident=st.sampled_from(["exact", "sampled", "off"]),
    python=texts,
    implementation=texts,
    platform=texts,
    commit=st.none() | texts,
    version=texts,
    started=texts,
)
whole_runs = st.builds(
    Run,
    environments,
    st.lists(records, max_size=5).map(tuple),
    measuring_seconds=seconds,
    engine_bytes=st.integers(0, 2**50),
    notes=st.lists(texts, max_size=2).map(tuple),
)

ENVIRONMENT = Environment(
    engine=EngineChoice("memray", (("native", "no C engine in this installation"),)),
    granularity="malloc",
    detail="stacks",
    resident="exact",
    python="3.12.1",
    implementation="CPython",
    platform="Linux x86_64",
    commit="abc123",
    version="0.1.0",
    started="2026-01-02T03:04:05+00:00",
)
CALL = PhaseUsage(0.5, HeapUsage(10, 20, 2, 5), ResidentUsage(100, 110, 140))
RUN = Run(
    ENVIRONMENT,
    (
        TestRecord("a.py::test_flaky", "rerun", "gw0", {"call": CALL}),
        TestRecord("a.py::test_other", "passed", "gw1", {"setup": PhaseUsage(0.1, unmeasured="busy"), "call": CALL}),
        TestRecord(
            "a.py::test_flaky",
            "failed",
            "gw0",
            {"call": CALL},
            (AllocationSite(10, 1, (StackFrame("inner", "a.py", 3),)),),
            (Verdict(Limit("peak", 9, origin="limit_memory('9 B')"), "exceeded", 10),),
        ),
    ),
    0.25,
    notes=("one test was not measured: busy",),
)


@given(whole_runs)
def test_round_trip(run):
    """A run that was written is read back equal, whatever it holds."""
    assert runs.load_run(json.loads(runs.dump_run(run))) == run


@given(whole_runs)
def test_the_published_schema_holds(run):
    """Every run we can write is valid by the schema in the documentation."""
    jsonschema.validate(json.loads(runs.dump_run(run)), SCHEMA)


@given(phases)
def test_a_phase_travels(phase):
    """What rides on a test report is plain JSON, and comes back equal."""
    assert runs.phase_from_json(json.loads(json.dumps(runs.phase_to_json(phase)))) == phase


@given(sites)
def test_sites_travel(some_sites):
    """Call stacks come back equal."""
    assert runs.sites_from_json(json.loads(json.dumps(runs.sites_to_json(some_sites)))) == some_sites


@given(verdicts)
def test_a_verdict_travels(verdict):
    """Verdicts come back equal."""
    assert runs.verdict_from_json(json.loads(json.dumps(runs.verdict_to_json(verdict)))) == verdict


def test_through_a_file(tmp_path):
    """The file is what the reader reads."""
    path = tmp_path / "run.json"
    runs.write_run(path, RUN)
    assert runs.read_run(path) == RUN


def test_the_promised_keys():
    """Version 1 promises these keys, in these places."""
    document = runs.run_to_json(RUN)
    assert (document["format"], document["version"]) == ("pytest-memory-run", 1)
    flaky, other = document["tests"]
    assert (flaky["nodeid"], flaky["worker"]) == ("a.py::test_flaky", "gw0")
    assert [attempt["outcome"] for attempt in flaky["attempts"]] == ["rerun", "failed"]
    assert flaky["attempts"][1]["phases"] == {
        "call": {
            "seconds": 0.5,
            "heap": {"peak": 10, "allocated": 20, "allocations": 2, "retained": 5},
            "resident": {"start": 100, "end": 110, "peak": 140},
        }
    }
    assert flaky["attempts"][1]["sites"] == [
        {"bytes": 10, "count": 1, "frames": [{"function": "inner", "filename": "a.py", "lineno": 3}]}
    ]
    assert other["attempts"][0]["phases"]["setup"] == {
        "seconds": 0.1,
        "heap": None,
        "resident": None,
        "unmeasured": "busy",
    }
    assert document["environment"]["engine"] == "memray"
    assert document["environment"]["refused"] == [{"engine": "native", "reason": "no C engine in this installation"}]


def test_one_test_a_line():
    """grep finds a test with all that was measured of it, and diff shows which tests changed."""
    lines = runs.dump_run(RUN).splitlines()
    assert [line.count('"nodeid"') for line in lines] == [0, 0, 1, 1, 0]


def test_a_newer_writer_may_add_keys():
    """Keys that this reader does not know are ignored."""
    document = runs.run_to_json(RUN)
    document["new"] = document["tests"][0]["new"] = document["tests"][0]["attempts"][0]["phases"]["new"] = {"a": 1}
    assert runs.load_run(document) == RUN


def test_only_what_was_promised_is_needed():
    """A run with the promised keys alone can be read: other tools may write it."""
    document = {
        "format": "pytest-memory-run",
        "version": 1,
        "environment": {
            "engine": "none",
            "granularity": "python",
            "detail": "counters",
            "python": "3",
            "platform": "p",
            "commit": None,
        },
        "tests": [
            {
                "nodeid": "t",
                "worker": None,
                "attempts": [
                    {
                        "outcome": "passed",
                        "phases": {"call": {"seconds": 1, "heap": None, "resident": None}},
                        "sites": [],
                        "verdicts": [],
                    }
                ],
            }
        ],
    }
    jsonschema.validate(document, SCHEMA)
    assert runs.load_run(document).records == (TestRecord("t", "passed", phases={"call": PhaseUsage(1)}),)


CALL_PLACE = "old.json: tests[0]: attempts[0]: phases: call"


def call(**phase):
    """A document's tests: one whose call is said to have used this."""
    phases = {"call": {"seconds": 1, "heap": None, "resident": None} | phase}
    return {"tests": [{"nodeid": "t", "attempts": [{"outcome": "passed", "phases": phases}]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "old.json is not a saved run of pytest-memory; make one with --memory-report"),
        (
            {"version": 2},
            "old.json has version 2 of the saved run, and this pytest-memory reads 1 to 1; "
            "upgrade pytest-memory, or save the run again",
        ),
        ({"version": "1"}, "old.json: version: expected a whole number, found '1'"),
        ({"tests": 5}, "old.json: tests: expected a list, found 5"),
        (
            {"tests": [{"nodeid": "t", "attempts": [{"outcome": "passed", "phases": {"call": {"seconds": None}}}]}]},
            "old.json: tests[0]: attempts[0]: phases: call: seconds: expected a finite number, found None",
        ),
        ({"tests": [{"nodeid": "t"}]}, "old.json: tests[0]: 'attempts' is missing; expected a list"),
        (call(heap={"peak": -5}), f"{CALL_PLACE}: heap: peak: expected a whole number from 0 up, found -5"),
        (call(heap={"allocated": -5}), f"{CALL_PLACE}: heap: allocated: expected a whole number from 0 up, found -5"),
        (
            call(resident={"start": 1, "end": -5}),
            f"{CALL_PLACE}: resident: end: expected a whole number from 0 up, found -5",
        ),
        ({"environment": None}, "old.json: environment: expected an object, found None"),
    ],
)
def test_what_cannot_be_read(change, message):
    """The message names the file and the place in it, and says what to do where there is something to do."""
    with pytest.raises(UnreadableFile) as caught:
        runs.load_run({**runs.run_to_json(RUN), **change}, "old.json")
    assert str(caught.value) == message


def test_a_run_without_its_tests_cannot_be_read():
    """It is no run in which nothing was tested."""
    document = runs.run_to_json(RUN)
    del document["tests"]
    with pytest.raises(UnreadableFile, match=r"^old\.json: 'tests' is missing; expected a list$"):
        runs.load_run(document, "old.json")


def test_the_schema_knows_every_word():
    """Where the code has a list of words, the schema has the same."""
    definitions = SCHEMA["$defs"]
    assert definitions["phase_name"]["enum"] == list(PHASES)
    assert definitions["verdict"]["properties"]["metric"]["enum"] == list(LIMIT_METRICS)
    assert definitions["environment"]["properties"]["granularity"]["enum"] == list(GRANULARITIES)
    assert definitions["environment"]["properties"]["detail"]["enum"] == list(DETAILS)
