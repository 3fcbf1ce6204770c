"""No file is read or explained differently where msgspec is installed."""

from __future__ import annotations

import json
import os
import sys
import threading

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_memory.cli.app import run
from pytest_memory.errors import PytestMemoryError, UnreadableFile
from pytest_memory.model import PhaseUsage, Run, TestRecord
from pytest_memory.store.benchmark_json import METRICS
from pytest_memory.store.lineup import LabelledRun, Selection, line_up, line_up_split
from pytest_memory.store.measured import EVERYTHING, Wanted
from pytest_memory.store.numerals import numeral_of, parse_lazily
from pytest_memory.store.parsers import Members, parser_name, read_fast
from pytest_memory.store.runs import dump_run

from .conftest import benchmark
from .parsers import without_msgspec
from .test_readers import ENVIRONMENT, RAGGED, WRONG_SHAPES

msgspec = pytest.importorskip("msgspec", reason="msgspec is not installed (pip install 'pytest-memory[fast]')")

ODD_NUMBERS = [
    *(
        "-0",
        "-0.0",
        "1e400",
        "-1e400",
        "1e308",
        "-1e308",
        "1e200",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e-400",
        "5e-324",
        "1E5",
        "-0e5",
        "0.1e1",
    ),
    *(str(sign * 2**power + more) for sign in (1, -1) for power in (53, 63, 64, 65) for more in (-1, 0, 1)),
    *("9007199254740993.0", "1e30", "-1e30", "18446744073709551616.0", "9" * 400, "01", "1.", "+1", ".5"),
]
ODD_TEXTS = ['"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\u0000"', '"\t"', '"\x7f"', '"é"', '"\\x"', "''"]
SCALARS = (
    st.sampled_from(["null", "true", "false", '"x"', *ODD_NUMBERS, *ODD_TEXTS])
    | st.integers().map(str)
    | st.floats(allow_nan=False).map(json.dumps)
    | st.text(max_size=6).map(json.dumps)
)
NAMES = st.sampled_from(['"n"', '"k"', '"min"', '"data"', '"peak_bytes"', '"\\u006e"', '""'])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]")
        | st.lists(st.tuples(NAMES, inner), max_size=3).map(
            lambda members: f"{{{','.join(f'{name}:{value}' for name, value in members)}}}"
        )
    ),
    max_leaves=5,
)
"""Text that is JSON or nearly so: members may repeat, and numbers be anything."""

GOOD = {
    "fullname": '"t.py::a"',
    "min": "0.5",
    "data": "[0.5, 1.5]",
    "n": "1",
    "size": "2.5",
    "peak": "[5, 6]",
    "x": "1",
}


SELECTIONS = (
    {},
    {"metrics": ("time",), "dims": True, "extras": ("n", "size")},
    {"where": (("n", "1e30"),)},
    {"metrics": ("time", "allocations"), "wanted": Wanted.of(("median", "mean"), evidence=False)},
    {"metrics": ("peak",), "wanted": Wanted.of((), evidence=False), "dims": True},
    {"metrics": ("time",), "wanted": Wanted.of((), evidence=True)},
)


@st.composite
def documents(draw):
    """Benchmarks of which some members are anything."""
    entries = []
    for _ in range(draw(st.integers(1, 2))):
        odd = draw(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON, max_size=2))
        entries.append(GOOD | odd)
    return document(*entries)


def document(*entries):
    """A file of benchmarks, of members that are written already."""
    texts = [
        '{{"fullname": {fullname}, "group": null, "stats": {{"min": {min}, "max": {min}, "mean": {min}, "rounds": 2, '
        '"median": {min}, "stddev": {min}, "iqr": {min}, "data": {data}}}, "params": {{"n": {n}}}, "extra_info": '
        '{{"size": {size}, "benchmem": {{"peak_bytes": {peak}, "allocations": {peak}}}}}, "unread": {x}}}'.format(
            **entry
        )
        for entry in entries
    ]
    return f'{{"benchmarks": [{", ".join(texts)}]}}'


def what_is_read(path, **selection):
    """All that a comparison takes from a file, or the error that it ends with."""
    try:
        lineup = line_up([LabelledRun("a", path)], Selection(**({"metrics": METRICS} | selection)))
    except PytestMemoryError as error:
        return type(error), str(error)
    series = {metric: [dict(one) for one in columns] for metric, columns in lineup.metrics.items()}
    extras = {name: [dict(one) for one in columns] for name, columns in lineup.extras.items()}
    return repr((lineup.labels, sorted(lineup.present[0]), series, dict(lineup.dims), extras))


def both_ways(path, **selection):
    found = what_is_read(path, **selection)
    with without_msgspec():
        expected = what_is_read(path, **selection)
    return found, expected


def assert_same(path, content):
    path.write_bytes(content)
    for selection in SELECTIONS:
        found, expected = both_ways(path, **selection)
        assert found == expected


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("parsers") / "file.json"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(text=documents() | JSON)
def test_the_same_is_read(text, path):
    """Values, their types and the errors are those of the standard library."""
    assert_same(path, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("member", GOOD)
@pytest.mark.parametrize("value", [*ODD_NUMBERS, *ODD_TEXTS])
def test_an_odd_value_anywhere(member, value, path):
    """Each by itself, and in a list, beside a benchmark that has nothing odd."""
    for text in (value, f"[{value}]", f"[0.5, {value}]"):
        assert_same(path, document(GOOD, GOOD | {"fullname": '"t.py::b"', member: text}).encode())


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="this Python reads any number of digits")
@pytest.mark.parametrize("member", GOOD)
def test_more_digits_than_python_reads(member, path):
    """The standard library refuses the file; where nobody looks at the number, the other parser passes over it."""
    path.write_text(document(GOOD | {member: "9" * 5000}))
    found, expected = both_ways(path, dims=True)
    assert expected[0] is UnreadableFile
    assert (found == expected) == (member != "x")


@pytest.mark.parametrize("member", GOOD)
@pytest.mark.parametrize("levels", [500, 900, 990, 1010, 1024, 1030, 1500, 3000, 100_000])
def test_nesting(levels, member, path):
    """As deep as one of them parses, both do; and no deeper."""
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = opening * levels + "1" + closing * levels
        assert_same(path, document(GOOD | {member: nested}).encode())
        assert_same(path, document(GOOD | {member: f"[{nested}, {nested}]"}).encode())
        assert_same(path, nested.encode())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_encodings(encoding, path):
    """A byte order mark, and what is no UTF-8."""
    assert_same(path, document(GOOD | {"fullname": '"é"'}).encode(encoding))


@pytest.mark.parametrize(
    "content", [b"", b" ", b"{", b"{} x", b"\xef\xbb\xbf", b'{"a": 1}\0', b'"\xed\xa0\x80"', b"\x0c{}"]
)
def test_no_json(content, path):
    """The message is the standard library's, down to the column."""
    assert_same(path, content)


@pytest.mark.parametrize(
    "text", [*WRONG_SHAPES, *(json.dumps({"benchmarks": [benchmark("a", **blob)]}) for blob in RAGGED.values())]
)
def test_a_wrong_shape(text, path):
    """What the readers refuse is refused in the same words."""
    assert_same(path, text.encode())


@pytest.mark.parametrize("seconds", ["0.25", "3", "1e30", "1" + "0" * 30, "NaN", "1e400", "-0.0", "true"])
def test_a_saved_run(seconds, path):
    """A run of ordinary tests may hold the same numbers."""
    run = Run(ENVIRONMENT, (TestRecord("t.py::a", "passed", phases={"call": PhaseUsage(0.125)}),))
    assert_same(path, dump_run(run).replace("0.125", seconds).encode())


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
@example(-0.0)
def test_a_numeral_is_what_is_parsed_of_a_number(number):
    """So that a saved run holds numerals where a file of benchmarks has them."""
    assert numeral_of(number) == parse_lazily(json.dumps(number).encode())


def parsers_used(path, *errors):
    """The parsers with which a file is read, if reading ends with these errors one after the other."""
    used, errors = [], [*errors]

    def read(parse):
        used.append(parse)
        if errors:
            raise errors.pop(0)

    read_fast([path], MEMBERS, read)
    return used


MEMBERS = Members(stats=("min",), rounds=False, series=("peak_bytes",), dims=False)


def test_a_good_file_is_parsed_once_and_only_what_is_needed_of_it(path):
    """The standard library has no part in it."""
    content = document(GOOD).encode()
    path.write_bytes(content)
    [parse] = parsers_used(path)
    [found] = parse(content)["benchmarks"]
    assert found == {
        "fullname": "t.py::a",
        "group": None,
        "stats": {"min": 0.5},
        "params": {},
        "extra_info": {"benchmem": {"peak_bytes": [5, 6]}},
    }
    assert parser_name() == f"msgspec {msgspec.__version__}"
    with without_msgspec():
        [parse] = parsers_used(path)
        assert parse(content) == parse_lazily(content)
        assert parser_name() == "the standard library's"


@pytest.mark.parametrize("entry", [{"min": "null"}, {"peak": "[1"}, {"fullname": '"\xe9"'}, {"x": '1, "stats": {}'}])
def test_what_is_odd_is_parsed_whole(entry, path):
    """A time may have to be computed from what was not asked for; what is no JSON is refused as ever."""
    content = document(GOOD | entry).encode("latin-1")
    path.write_bytes(content)
    [parse] = parsers_used(path)
    try:
        expected = json.loads(content)
    except ValueError as error:
        with pytest.raises(type(error)):
            parse(content)
    else:
        assert parse(content) == expected


def test_errors_are_found_by_the_standard_library(path):
    """Whatever is wrong, the last to read is the one that decides."""
    content = document(GOOD).encode()
    path.write_bytes(content)
    fast, standard = parsers_used(path, UnreadableFile("odd"))
    assert fast(content)["benchmarks"][0]["stats"] == {"min": 0.5}
    assert standard(content) == parse_lazily(content)
    assert standard.whole is standard
    with pytest.raises(UnreadableFile, match="worse"):
        parsers_used(path, UnreadableFile("odd"), UnreadableFile("worse"))


def test_all_can_be_had(path):
    """By who finds on the way that more is needed."""
    content = document(GOOD).encode()
    path.write_bytes(content)
    [parse] = parsers_used(path)
    assert parse.whole is not parse
    assert parse.whole(content) == json.loads(content)
    assert parse.whole.whole(content) == json.loads(content)


@pytest.mark.parametrize(
    ("selection", "members"),
    [
        (Selection(("allocated",)), Members((), False, ("peak_bytes", "total_bytes"), False)),
        (Selection(("peak",), dims=True), Members((), False, ("peak_bytes",), True)),
        (Selection(("time",), where=(("n", "1"),)), Members(EVERYTHING.times, True, (), True)),
        (
            Selection(("time", "rss"), extras=("n",), wanted=Wanted.of(("max",), evidence=False)),
            Members(("min", "max"), False, ("peak_bytes", "rss_bytes"), True),
        ),
    ],
)
def test_what_is_needed_of_a_file(selection, members):
    """Peaks for every memory metric, since they tell whose value is the headline; rounds for times alone."""
    assert selection.members(selection.wanted) == members


def test_pooled_and_split_runs(path, tmp_path):
    """They take more of each benchmark than one label of one run does."""
    other = tmp_path / "other.json"
    other.write_text(document(GOOD | {"min": "0.25", "peak": "[7, 8]"}, GOOD | {"fullname": '"t.py::b"'}))
    path.write_text(document(GOOD))

    def read():
        pooled = line_up(
            [LabelledRun("a", path), LabelledRun("a", other)],
            Selection(METRICS, wanted=Wanted.of((), evidence=False)),
        )
        split = line_up_split(other, Selection(METRICS), lambda one: (one.id, str(one.dims["n"])))
        return [dict(one) for lineup in (pooled, split) for columns in lineup.metrics.values() for one in columns]

    found = read()
    assert found[0]["t.py::a"].per_run == (0.5, 0.25)
    with without_msgspec():
        assert found == read()


def test_a_benchmark_twice_in_one_file(path):
    """Its measurements are pooled, for which more is needed than a statistic: the same with either parser."""
    assert_same(path, document(GOOD, GOOD | {"data": "[1.5, 2.5, 3.5]", "peak": "[4, 4]"}).encode())


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
@pytest.mark.parametrize("odd", ["1", "1e30", "1" + "0" * 30, "NaN"])
def test_a_pipe_is_read_once(odd, tmp_path, capsys):
    """``compare <(…) old.json`` answers as if the pipe were a file, whatever is in it."""
    text = document(GOOD | {"min": odd})
    file, pipe = tmp_path / "new.json", tmp_path / "pipe.json"
    file.write_text(text)
    os.mkfifo(pipe)
    old = tmp_path / "old.json"
    old.write_text(document(GOOD))
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    code = run(["compare", str(pipe), str(old), "--label", "new", "--label", "old"])
    writer.join()
    answer = capsys.readouterr()
    assert run(["compare", str(file), str(old), "--label", "new", "--label", "old"]) == code
    expected = capsys.readouterr()
    assert (answer.out, answer.err) == (expected.out, expected.err.replace(str(file), str(pipe)))
