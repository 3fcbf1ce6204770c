"""No file makes the command line print a traceback, hang or answer with an unknown exit code.

A few dozen files in every test run, always the same ones, so that a run tells of the change it tests. ``make fuzz``
takes some thousand; ``PYTEST_MEMORY_FUZZ_RANDOM=1`` lets every run take others. ``tests/fuzz/readers.py`` has libFuzzer
choose them.
"""

from __future__ import annotations

import copy
import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_memory.cli.app import run
from pytest_memory.errors import PytestMemoryError
from pytest_memory.model import AllocationSite, HeapUsage, PhaseUsage, ResidentUsage, Run, StackFrame, TestRecord
from pytest_memory.store.benchmark_json import load_long_df, load_samples
from pytest_memory.store.runs import run_to_json

from .conftest import benchmark
from .parsers import without_msgspec
from .test_readers import ENVIRONMENT

INSTALLED = find_spec("msgspec") is not None
EXAMPLES = int(os.environ.get("PYTEST_MEMORY_FUZZ_EXAMPLES", "60"))
FUZZ = settings(
    max_examples=EXAMPLES,
    derandomize="PYTEST_MEMORY_FUZZ_RANDOM" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([10**400, -(10**30), 1e308, 5e-324, "UNSERIALIZABLE[x]", "a::b[c-d]", "\x1b[2J", "\ud800", "id"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)

BENCHMARKS = {
    "benchmarks": [
        benchmark("t.py::C::a[1-x]", rounds=[0.1, 0.2, 0.3], peak=[5, 6], params={"n": 1, "k": "x"}, group="g"),
        benchmark("t.py::C::a[2-x]", rounds=[0.2] * 6, peak=[5, 6], params={"n": 2, "k": "x"}, extra={"size": 3}),
        benchmark("t.py::timed"),
    ]
}
SAVED = run_to_json(
    Run(
        ENVIRONMENT,
        (
            TestRecord(
                "t.py::a",
                "passed",
                phases={"call": PhaseUsage(0.1, HeapUsage(1, 2, 3, 4), ResidentUsage(5, 6, 7))},
                sites=(AllocationSite(10, 1, (StackFrame("f", "a.py", 3),)),),
            ),
        ),
    )
)


@st.composite
def damaged(draw, document):
    """A good document in which up to three members were replaced, removed or copied elsewhere."""
    root = {"root": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 3))):
        holder, key = root, "root"
        while draw(st.integers(0, 5)) and isinstance(holder[key], (dict, list)) and holder[key]:
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = draw(st.sampled_from(list(keys)))
        action = draw(st.sampled_from(["replace", "replace", "remove", "wrap"]))
        if action == "remove" and holder is not root:
            del holder[key]
        else:
            holder[key] = draw(VALUES) if action == "replace" else [holder[key]]
    return root["root"]


DOCUMENTS = damaged(BENCHMARKS) | damaged(SAVED) | VALUES
COMMANDS = st.sampled_from(
    [
        ["compare", "FILE", "GOOD"],
        ["compare", "GOOD", "FILE", "--metric", "peak", "--statistics", "--sort", "change"],
        ["compare", "FILE", "GOOD", "--metric", "allocations", "--stat", "stddev", "--format", "json"],
        [
            "compare",
            "FILE",
            "GOOD",
            "--metric",
            "rss",
            "--fail-on",
            "peak:1%",
            "--fail-on",
            "time:1ms",
            "--significant",
        ],
        [
            "compare",
            "FILE",
            "GOOD",
            "--columns",
            "time,peak,extra:size",
            "--group-by",
            "func,param:n",
            "--format",
            "md",
        ],
        ["compare", "FILE", "GOOD", "--columns", "allocated,time", "--diff", "--sort", "value"],
        ["compare", "FILE", "--pivot", "n", "--columns", "peak", "--where", "k=x"],
        ["compare", "x=FILE", "x=GOOD", "y=GOOD2"],
        ["flamegraph", "FILE", "--report", "collapsed", "-f"],
        ["flamegraph", "FILE", "--worst", "peak", "-f"],
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good files beside which the damaged one is laid."""
    path = tmp_path_factory.mktemp("fuzz")
    for name in ("good.json", "good2.json"):
        (path / name).write_text(json.dumps(BENCHMARKS))
    return path


def answer(arguments, folder):
    places = {"FILE": "file.json", "GOOD": "good.json", "GOOD2": "good2.json"}
    for name in sorted(places, key=len, reverse=True):
        arguments = [
            argument.replace(name, str(folder / places[name])) if argument.endswith(name) else argument
            for argument in arguments
        ]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


def answer_of_both(arguments, folder):
    """The answer, which is the same whether msgspec is installed or not."""
    found = answer(arguments, folder)
    if INSTALLED:
        with without_msgspec():
            assert answer(arguments, folder) == found
    return found


@FUZZ
@given(document=DOCUMENTS, command=COMMANDS)
def test_a_damaged_file(document, command, folder):
    """Every answer is a table, or an error that is said; nothing but JSON in JSON."""
    (folder / "file.json").write_text(json.dumps(document))
    code, out, err = answer_of_both(command, folder)
    assert code in (0, 1, 2)
    assert out if not code else err
    if out and "json" in command:
        json.loads(out, parse_constant=pytest.fail)


@FUZZ
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_file_that_is_no_json(content, folder):
    """Not readable, or not a run: exit code 1 and one line."""
    (folder / "file.json").write_bytes(content)
    code, out, err = answer_of_both(["compare", "FILE", "GOOD"], folder)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "file.json" in err


@FUZZ
@given(document=DOCUMENTS, metric=st.sampled_from(["time", "peak", "allocated", "allocations", "rss"]))
def test_readers_raise_value_errors_alone(document, metric, folder):
    """Whoever calls the readers needs to catch one kind of error."""
    path = folder / "file.json"
    path.write_text(json.dumps(document))
    try:
        _, samples, _ = load_samples(path, metric=metric)
        frame, _ = load_long_df(path, metric=metric)
    except ValueError as error:
        assert isinstance(error, PytestMemoryError)
    else:
        assert len(frame) == len(samples)
        assert {"snapshot", "id", "value"} <= set(frame.columns)
