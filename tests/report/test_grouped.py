"""The wide table written by the column says of each number what is said of it alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.report.grouped import grouped_sheet
from pytest_memory.report.scales import MISSING, scale_for
from pytest_memory.report.values import Field, GroupedView, groups_of
from pytest_memory.report.values import Values as Shown
from pytest_memory.store.aligned import Ids
from pytest_memory.store.lineup import Lineup
from pytest_memory.store.series import PassSeries, TimeSeries

KEYS = ["a.py::x[1]", "a.py::x[2]", "a.py::T::y[1]", "b/a.py::x[1]", "odd"]
sizes = st.sampled_from([0, 1, 1023, 1024, 5000, 10**7]) | st.integers(0, 10**12)
seconds = st.sampled_from([1e-6, 1.5e-6, 0.5]) | st.floats(1e-12, 1e6)


def lineup_of(metric, labels, series):
    lineup_keys = [frozenset(one) for one in series]
    return Lineup(labels=labels, present=tuple(lineup_keys), metrics={metric: tuple(series)})


@st.composite
def lineups(draw):
    """Two or three labels, each with some of the benchmarks."""
    metric = draw(st.sampled_from(["peak", "allocations", "time"]))
    series = []
    for _ in range(draw(st.integers(2, 3))):
        keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
        if metric == "time":
            columns = {"min": [draw(seconds) for _ in keys]}
            series.append(TimeSeries(Ids(keys), columns))
        else:
            series.append(PassSeries(Ids(keys), [[draw(sizes)] for _ in keys]))
    return metric, lineup_of(metric, tuple("abc"[: len(series)]), series)


def text_alone(metric, number, table):
    """One number of a table, in the unit of its smallest that is positive, and how often it is the smallest."""
    present = [one for one in table if one is not None]
    if number is None:
        return MISSING
    text = scale_for(metric, min((one for one in present if one > 0), default=0)).text(number)
    least = min(present)
    if least <= 0 or len(table) == 1:
        return text
    factor = number / least
    return text + (" (1.0)" if number == least else " (>1000.0)" if factor > 1000 else f" ({factor:.2f})")


@given(lineups(), st.sampled_from([("fullname",), ("func",), ()]))
def test_each_number_is_written_as_if_it_were_alone(drawn, group_by):
    """In its table's unit, with its factor, whether all of a table are equal or none."""
    metric, lineup = drawn
    sheet = grouped_sheet(lineup, GroupedView((Field(metric, "min"),), group_by))
    numbers, texts = sheet.columns[2].raws(), sheet.columns[2].texts()
    assert len(texts) == len(numbers)
    for table in sheet.tables:
        own = list(numbers[table.rows])
        assert list(texts[table.rows]) == [text_alone(metric, number, own) for number in own]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("module", {"": ["odd"], "a.py": KEYS[2:3] + KEYS[:2], "b/a.py": KEYS[3:4]}),
        ("func", {"": ["odd"], "x": [*KEYS[:2], KEYS[3]], "y": KEYS[2:3]}),
        ("class", {"": [*KEYS[:2], *KEYS[3:]], "T": KEYS[2:3]}),
    ],
)
def test_what_stands_in_an_id_needs_no_dims(key, expected):
    """They are not read for it, and what is in no id is in no group of its own."""
    view = GroupedView((Field("peak"),), (key,))
    assert not view.needs_dims
    values = Shown(lineup_of("peak", ("a",), [PassSeries(Ids(KEYS), [[1]] * len(KEYS))]), view.fields, 0.05)
    groups = groups_of(values, view)
    assert groups == {title or "comparison": keys for title, keys in expected.items()}


@pytest.mark.parametrize("key", ["group", "param:n"])
def test_what_stands_in_no_id_needs_dims(key):
    assert GroupedView((Field("peak"),), (key,)).needs_dims
