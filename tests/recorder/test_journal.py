"""The journal's format: what is written is read back, and damage costs no more than what it hit."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_memory.errors import UnreadableFile
from pytest_memory.model import ACTIVITIES, ResidentUsage, Span
from pytest_memory.recorder.cells import ABSENT
from pytest_memory.recorder.frames import (
    Entry,
    frames,
    pack_name,
    pack_test,
    pack_tick,
    unpack_name,
    unpack_tick,
)
from pytest_memory.recorder.journal import FIRST_LINE, JournalWriter, Kind, create_journal
from pytest_memory.recorder.memlog import write_memlog
from pytest_memory.recorder.reader import read_journal, unpack_test
from pytest_memory.store.timeline import read_timeline

MIB = 1024**2
SIZES = st.integers(0, 2**62)
TIMES = st.floats(0, 1e9)
RESIDENT = st.builds(ResidentUsage, start=SIZES, end=SIZES, peak=st.none() | SIZES)


def number_of(path):
    """The descriptor by which this process has a file open."""
    (number,) = [int(link.name) for link in Path("/proc/self/fd").iterdir() if link.resolve() == path]
    return number


def filled_journal(path, ticks=5):
    writer = create_journal(path, {"origin": 10.0, "started": 1e9, "rootdir": "/project"})
    writer.append_json(Kind.JOIN, {"index": 0, "pid": 42, "worker": None})
    writer.append(Kind.NAME, pack_name(1, "test_a.py::test_ünï"))
    for place in range(ticks):
        writer.append(Kind.TICK, pack_tick(10.0 + place, [Entry(0, 1, 2, (place + 1) * MIB, 0)]))
    writer.append(Kind.TEST, pack_test("test_a.py::test_ünï", None, (2, 10.0, 12.0, 1, 3, 7, 99)))
    writer.append_json(Kind.END, {"status": 1})
    writer.close()
    return path.read_bytes()


def test_everything_written_is_read_back(tmp_path):
    """A whole journal gives samples, spans with exact peaks, and how the session ended."""
    filled_journal(tmp_path / "journal")
    timeline = read_journal(tmp_path / "journal")
    (series,) = timeline.series
    assert list(series.times) == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert list(series.resident) == [place * MIB for place in range(1, 6)]
    assert set(series.tests) == {"test_a.py::test_ünï"}
    assert set(series.activities) == {"call"}
    assert timeline.spans[0].resident == ResidentUsage(1, 3, 7)
    assert timeline.spans[0].heap_peak == 99
    assert (timeline.ended, timeline.status, timeline.started, timeline.notes) == (True, 1, 1e9, ())
    assert timeline.metadata == {"rootdir": "/project"}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks for the descriptor in /proc")
def test_a_number_that_is_somebody_elses_by_now(tmp_path):
    """A test may close every descriptor and open files of its own: frames go on into the journal, not into those."""
    writer = create_journal(tmp_path / "journal", {"origin": 10.0, "started": 1e9})
    number = number_of(tmp_path / "journal")
    somebodys = os.open(tmp_path / "somebodys", os.O_RDWR | os.O_CREAT)
    os.dup2(somebodys, number)
    assert writer.append_json(Kind.END, {"status": 3})
    os.dup2(somebodys, again := number_of(tmp_path / "journal"))
    writer.close()
    assert not writer.append_json(Kind.END, {"status": 4})
    assert os.path.sameopenfile(somebodys, again)
    assert os.path.sameopenfile(somebodys, number)
    assert (tmp_path / "somebodys").read_bytes() == b""
    assert read_journal(tmp_path / "journal").status == 3
    for descriptor in (somebodys, number, again):
        os.close(descriptor)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_journal_cut_off_anywhere_is_read_up_to_there(tmp_path_factory, data):
    """Truncation never raises, and every sample before the cut survives."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    whole = filled_journal(path)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    timeline = read_journal(path)
    times = [time for series in timeline.series for time in series.times]
    assert times == [10.0, 11.0, 12.0, 13.0, 14.0][: len(times)]
    assert timeline.ended == (cut == len(whole))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_in_the_middle_costs_only_what_it_hit(tmp_path_factory, data):
    """A byte overwritten after the first line loses at most the frame it lies in, and the reader says so."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    whole = filled_journal(path, ticks=20)
    place = data.draw(st.integers(len(FIRST_LINE), len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
    timeline = read_journal(path)
    assert sum(len(series.times) for series in timeline.series) >= 19
    assert any("damaged" in note for note in timeline.notes)


@given(content=st.binary(max_size=200))
def test_foreign_bytes_are_refused_or_empty_but_never_crash(tmp_path_factory, content):
    """Any file is either refused with a message or read as a journal without samples."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    path.write_bytes(content)
    try:
        timeline = read_journal(path)
    except UnreadableFile as error:
        assert "not a journal" in str(error) or "version" in str(error)
    else:
        assert timeline.series == ()


def test_a_newer_version_is_named(tmp_path):
    """A journal of a later version is refused by number, with what to do."""
    (tmp_path / "journal").write_bytes(b"pytest-memory-journal 9\n...")
    with pytest.raises(UnreadableFile, match=r"version 9.*read it with the pytest-memory that wrote it"):
        read_journal(tmp_path / "journal")


@given(
    st.lists(
        st.builds(
            Span,
            st.just("t"),
            st.sampled_from(["setup", "call", "teardown"]),
            st.just("gw1"),
            TIMES,
            TIMES,
            st.none() | RESIDENT,
            st.none() | SIZES,
        ),
        max_size=4,
    ),
    st.text(max_size=50),
)
def test_tests_survive_packing(spans, nodeid):
    """A TEST holds every phase with its exact numbers, and a node id of any characters."""
    spans = [Span(nodeid, s.activity, s.worker, s.start, s.end, s.resident, s.heap_peak) for s in spans]
    phases = []
    for s in spans:
        numbers = (*(s.resident or (None,) * 3), s.heap_peak)
        known = (ABSENT if number is None else number for number in numbers)
        phases += (ACTIVITIES.index(s.activity), s.start, s.end, *known)
    assert unpack_test(pack_test(nodeid, "gw1", phases)) == spans


def test_a_test_of_very_many_phases_keeps_the_first():
    """Whatever a plugin's protocol does with a test, it can be packed."""
    phases = (2, 10.0, 12.0, 1, 3, 7, 99) * 300
    assert len(unpack_test(pack_test("t", None, phases))) == 255


@given(st.integers(0, 2**32 - 1), st.text(max_size=60) | st.just("\udc80" * 10_000))
def test_names_survive_packing(number, name):
    """A name may hold ten thousand characters, and lone surrogates of undecodable file names."""
    assert unpack_name(pack_name(number, name)) == (number, name)


@given(
    TIMES,
    st.lists(
        st.builds(
            Entry,
            st.integers(0, 65535),
            st.integers(0, 2**32 - 1),
            st.integers(0, 4),
            st.integers(0, 2**32 - 1).map(lambda kib: kib * 1024),
            st.integers(0, 2**32 - 1).map(lambda kib: kib * 1024),
        ),
        max_size=4,
    ),
)
def test_ticks_survive_packing(time, entries):
    """A TICK holds what each process used, in whole KiB."""
    read_time, read_entries = unpack_tick(pack_tick(time, entries))
    assert (read_time, list(map(columns, read_entries))) == (time, list(map(columns, entries)))


def columns(entry):
    return entry.process, entry.name, entry.activity, entry.resident, entry.children


def test_two_writers_share_one_file(tmp_path):
    """Processes append whole frames without knowing of each other."""
    (tmp_path / "journal").write_bytes(FIRST_LINE)
    one, other = JournalWriter(tmp_path / "journal"), JournalWriter(tmp_path / "journal")
    for writer, text in [(one, b"a"), (other, b"b"), (one, b"c")]:
        assert writer.append(Kind.NOTE, text)
    body = (tmp_path / "journal").read_bytes()[len(FIRST_LINE) :]
    assert [frame.payload for frame in frames(body)] == [b"a", b"b", b"c"]


def test_a_disk_that_takes_nothing_is_counted_not_raised():
    """A full disk costs the frames it did not take; the writer goes on and knows why."""
    writer = JournalWriter(Path("/dev/full"))
    assert not writer.append(Kind.NOTE, b"lost")
    assert (writer.lost, writer.failure) == (1, "No space left on device")


def test_the_log_has_the_seeds_keys_and_names_only_tests(tmp_path):
    """memlog.json holds rss, time and name per tick, with "" between tests and while collecting."""
    writer = create_journal(tmp_path / "journal", {"origin": 0.0})
    writer.append_json(Kind.JOIN, {"index": 0, "pid": 1, "worker": None})
    writer.append(Kind.NAME, pack_name(1, "t.py"))
    writer.append(Kind.TICK, pack_tick(0.5, [Entry(0, 1, 4, 5 * MIB, MIB)]))
    writer.append(Kind.NAME, pack_name(2, "t.py::test"))
    writer.append(Kind.TICK, pack_tick(1.5, [Entry(0, 2, 2, 6 * MIB, MIB)]))
    assert write_memlog(tmp_path / "journal", tmp_path / "memlog.json") == 2
    assert json.loads((tmp_path / "memlog.json").read_text()) == [
        {"rss": 5 * MIB, "time": 0.5, "name": ""},
        {"rss": 6 * MIB, "time": 1.5, "name": "t.py::test"},
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "memlog.json"]


def test_under_xdist_each_entry_names_its_worker(tmp_path):
    """The log of several workers has one entry per worker per tick, and none for the controller."""
    writer = create_journal(tmp_path / "journal", {"origin": 0.0})
    for index, worker in enumerate(["controller", "gw0", "gw1"]):
        writer.append_json(Kind.JOIN, {"index": index, "pid": index + 1, "worker": worker})
    writer.append(Kind.TICK, pack_tick(1.0, [Entry(index, 0, 0, MIB, 0) for index in range(3)]))
    write_memlog(tmp_path / "journal", tmp_path / "memlog.json")
    assert [entry["worker"] for entry in json.loads((tmp_path / "memlog.json").read_text())] == ["gw0", "gw1"]


def test_a_log_is_read_as_a_timeline(tmp_path):
    """A memlog.json gives one series, and a span for each run of samples with one name."""
    entries = [{"rss": MIB, "time": float(t), "name": name} for t, name in enumerate(["", "a", "a", "b", ""])]
    (tmp_path / "memlog.json").write_text(json.dumps(entries))
    timeline = read_timeline(tmp_path / "memlog.json")
    assert [(span.nodeid, span.start, span.end) for span in timeline.spans] == [("a", 1.0, 3.0), ("b", 3.0, 4.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list"),
        ('[{"rss": 1}]', "entry 0 is {'rss': 1}"),
        ('[{"rss": true, "time": 0, "name": ""}]', "entry 0"),
        ("\x00", "neither a journal nor JSON"),
    ],
)
def test_a_foreign_log_is_refused_with_the_place(tmp_path, text, message):
    """What is no log is refused, and the message names the first wrong entry."""
    (tmp_path / "memlog.json").write_text(text)
    with pytest.raises(UnreadableFile, match=message):
        read_timeline(tmp_path / "memlog.json")
