"""The curve of a session whose length nobody knows: short, true to its peaks, in time."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.recorder.curve import Curve, curve_from_json

SPAN = 0.5
STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(0, 2**40)), min_size=1, max_size=300)


def curve(samples):
    drawn = Curve("gw0", SPAN)
    for time, size in samples:
        drawn.add(time, size, f"t.py::test_{size}", "call")
    return drawn


@given(STEPS)
def test_a_curve_stays_short_and_keeps_the_highest(steps):
    """However long the session and uneven its samples: at most 128 numbers, the highest sample among them, named."""
    now, samples = 7.0, []
    for pause, size in steps:
        now += pause
        samples.append((now, size))
    drawn = curve(samples)
    highest = max(size for _, size in samples)
    assert 1 <= len(drawn.heights) <= 128
    assert max(drawn.heights) == drawn.highest == highest
    assert drawn.first == samples[0][1]
    assert drawn.during == (f"in t.py::test_{highest}" if highest else "")


def test_a_height_stands_where_its_sample_was():
    """Each number is the highest of its span of time, also after spans were merged."""
    drawn = curve([(100.0 + place, place) for place in range(300)])  # 600 spans of half a second
    ends = [299 * (place + 1) // len(drawn.heights) for place in range(len(drawn.heights))]
    assert all(abs(height - end) <= 5 for height, end in zip(drawn.heights, ends, strict=True))


def test_a_pause_stays_at_the_level_before_it():
    """Where nobody sampled, memory is drawn as it was."""
    assert curve([(0.0, 5), (2.1, 9)]).heights == [5, 5, 5, 5, 9]


def test_an_import_is_named_as_such():
    """The highest sample may lie in the collection of a module, or where nothing has a name."""
    drawn = Curve(None, SPAN)
    drawn.add(0.0, 5, "t.py", "collection")
    assert drawn.during == "while collecting t.py"
    drawn.add(0.1, 6, "", "")
    assert drawn.during == ""


@given(STEPS)
def test_a_curve_survives_the_pipe(steps):
    """What the recorder tells of it is all that is drawn."""
    told = curve((float(place), size) for place, (_, size) in enumerate(steps)).to_json()
    assert curve_from_json(json.loads(json.dumps(told))).to_json() == told
