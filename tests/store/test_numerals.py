"""Numbers with a fraction stay as they are written until somebody asks for one."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.store.benchmarks import read_benchmarks
from pytest_memory.store.numerals import all_numbers_of, parse_lazily

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)


@given(DOCUMENTS)
def test_what_is_parsed_lazily_is_what_json_says(document):
    """Once every numeral is a number, nothing differs, not even the type."""
    text = json.dumps(document)
    assert repr(all_numbers_of(parse_lazily(text.encode()))) == repr(json.loads(text))


def test_dims_are_numbers(tmp_path):
    """A parameter with a fraction can be an axis."""
    entry = {"fullname": "t.py::x", "stats": {}, "params": {"size": 1.5}, "extra_info": {"rate": 2.5e3, "names": [1.5]}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"benchmarks": [entry]}))
    (benchmark,) = read_benchmarks(path).benchmarks
    assert {name: benchmark.dims[name] for name in ("size", "rate")} == {"size": 1.5, "rate": 2500.0}
    assert "names" not in benchmark.dims
