"""The breadcrumb: what was written last is found whole, whatever became of the writer."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.cli.app import run
from pytest_memory.errors import UnreadableFile
from pytest_memory.model import ACTIVITIES
from pytest_memory.recorder.cells import NAME_ROOM
from pytest_memory.recorder.channel import Breadcrumb, CrumbHeader, glance
from pytest_memory.recorder.crumbs import CrumbReader
from pytest_memory.recorder.folders import new_session, process_lives, project_folders, sessions, user_cache

STATES = (192, 256)


class Clock:
    """Time as told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["compiled", "python"])
def crumb(request, tmp_path, monkeypatch):
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "pytest_memory.recorder._cells", None)
    else:
        pytest.importorskip("pytest_memory.recorder._cells")
    clock = Clock()
    crumb = Breadcrumb(tmp_path / "main.crumb", "gw3", 7.0, clock)
    crumb.clock = clock
    yield crumb
    crumb.close()


def test_the_newest_state_is_read(crumb):
    """A reader sees the running test, its phase, and when both began."""
    crumb.begin("test_a.py::test_one")
    crumb.clock.now = 101.5
    crumb.enter(ACTIVITIES.index("call"))
    reader = CrumbReader(crumb.path)
    state = reader.read()
    assert (state.nodeid, state.activity, state.since, state.test_since) == (
        "test_a.py::test_one",
        "call",
        101.5,
        100.0,
    )
    assert (reader.header.worker, reader.header.pid, reader.header.process_started) == ("gw3", os.getpid(), 7.0)
    crumb.idle()
    assert (reader.read().nodeid, reader.read().activity) == ("", "")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks for the descriptors in /proc")
@pytest.mark.parametrize("kept", [[], [0], [1]])
@pytest.mark.parametrize("reused", [True, False])
def test_a_number_that_is_somebody_elses_by_now(crumb, tmp_path, kept, reused):
    """A test may close the breadcrumb's descriptors, the map's own among them, and get their numbers for its files:
    those are still open when the breadcrumb has been closed, and what is left of it is whole."""
    crumb.begin("test_a.py::test_one")
    links = [link for link in Path("/proc/self/fd").iterdir() if link.resolve() == crumb.path]
    numbers = sorted(int(link.name) for link in links)
    assert len(numbers) == 2
    lost = [number for place, number in enumerate(numbers) if place not in kept]
    somebodys = os.open(tmp_path / "somebodys", os.O_RDWR | os.O_CREAT)
    for number in lost:
        os.dup2(somebodys, number) if reused else os.close(number)
    crumb.enter(ACTIVITIES.index("call"))
    assert CrumbReader(crumb.path).read().activity == "call"
    crumb.close()
    for number in lost if reused else []:
        assert os.path.sameopenfile(number, somebodys)
        os.close(number)
    os.close(somebodys)


def test_a_torn_state_costs_one_write(crumb):
    """A state whose bytes do not match their CRC is passed over for the one before it."""
    crumb.begin("test_a.py::test_one")
    crumb.enter(ACTIVITIES.index("call"))
    reader = CrumbReader(crumb.path)
    newest = STATES[reader.read().generation & 1]
    with crumb.path.open("r+b") as file:
        file.seek(newest + 3)
        file.write(b"\xff\xff")
    assert reader.read().activity == "setup"


def test_a_torn_name_leaves_the_test_before_it(crumb):
    """A name half written by a killed process is not believed: the last whole state is that of the test before."""
    crumb.begin("test_a.py::test_one")
    crumb.idle()
    crumb.begin("test_a.py::test_two")
    reader = CrumbReader(crumb.path)
    content = crumb.path.read_bytes()
    with crumb.path.open("r+b") as file:
        file.seek(content.index(b"test_two"))
        file.write(b"\0")
    assert reader.read().nodeid != "test_a.py::test_two"


@given(st.text(max_size=200) | st.sampled_from(["é" * 10_000, "x" * 10_000, "\udc80caf\udce9", "💥" * 10_000]))
def test_any_name_survives(tmp_path_factory, name):
    """Node ids of ten thousand characters, of any script, and of undecodable file names are kept as they are."""
    crumb = Breadcrumb(tmp_path_factory.mktemp("crumb") / "c")
    crumb.begin(name)
    assert CrumbReader(crumb.path).read().nodeid == name
    crumb.close()


def test_a_name_beyond_the_room_is_cut(crumb):
    """A node id that does not fit is cut between two characters."""
    crumb.begin("é" * NAME_ROOM)
    name = CrumbReader(crumb.path).read().nodeid
    assert set(name) == {"é"}
    assert len(name.encode()) <= NAME_ROOM


def test_a_fork_does_not_write(crumb):
    """A child forked inside a test goes on in memory of its own, and the parent's breadcrumb stays as it was."""
    crumb.begin("test_a.py::test_parent")
    pid = os.fork()
    if pid == 0:
        crumb.begin("test_a.py::test_child")
        crumb.end(5)
        os._exit(0)
    os.waitpid(pid, 0)
    reader = CrumbReader(crumb.path)
    assert reader.read().nodeid == "test_a.py::test_parent"
    assert not reader.ended


def test_a_glance_sees_what_a_reader_sees(crumb):
    """Whose breadcrumb it is and whether it has ended can be told without mapping the file."""
    for ended in (False, True):
        header, said = glance(crumb.path)
        seen = CrumbReader(crumb.path).header
        assert said is ended
        assert all(getattr(header, name) == getattr(seen, name) for name in CrumbHeader.__slots__)
        crumb.end(0)


@pytest.mark.parametrize("look", [glance, CrumbReader])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:100], "not a breadcrumb of pytest-memory: 100 bytes"),
        (lambda content: b"x" + content[1:], "not a breadcrumb of pytest-memory: it begins with"),
        (lambda content: content[:8] + b"\x09" + content[9:], "a breadcrumb of version 9"),
    ],
)
def test_what_is_no_breadcrumb_is_refused(crumb, tmp_path, look, damage, message):
    """A reader and a glance refuse the same files, and say why."""
    (tmp_path / "other.crumb").write_bytes(damage(crumb.path.read_bytes()))
    with pytest.raises(UnreadableFile, match=message):
        look(tmp_path / "other.crumb")


def test_the_end_and_what_was_told_are_kept(crumb):
    """How a session ended, and that its death was told, are remembered."""
    reader = CrumbReader(crumb.path)
    assert (reader.ended, reader.status, reader.told) == (False, None, False)
    reader.mark_told()
    crumb.end(2)
    assert (reader.ended, reader.status, reader.told) == (True, 2, True)


def test_requests_of_the_guard_go_one_way_and_answers_the_other(crumb):
    """The recorder leaves a request in the file, and the test process says that it followed."""
    reader = CrumbReader(crumb.path)
    assert crumb.guard_request() is None
    reader.request(1, 700, 500)
    request = crumb.guard_request()
    assert (request.generation, request.resident, request.threshold) == (1, 700, 500)
    assert reader.answered == 0
    crumb.answer(request)
    assert reader.answered == 1


def test_what_was_written_survives_sigkill(tmp_path):
    """A killed process leaves its last word, and everybody can see that it is gone."""
    script = """
        import os, sys
        from pathlib import Path
        from pytest_memory.recorder.channel import Breadcrumb
        crumb = Breadcrumb(Path(sys.argv[1]))
        crumb.begin("test_a.py::test_killed")
        crumb.enter(2)
        print("ready", flush=True)
        sys.stdin.read()
    """
    path = tmp_path / "main.crumb"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        reader = CrumbReader(path)
        assert process_lives(reader.path, reader.header)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not process_lives(reader.path, reader.header)
        assert (reader.read().nodeid, reader.read().activity) == ("test_a.py::test_killed", "call")
        assert not reader.ended


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_no_room_is_an_error_and_no_later_crash(tmp_path):
    """The file is allocated when it is made: a disk without room is an OSError then, not a SIGBUS in a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            Breadcrumb(tmp_path / "main.crumb")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "main.crumb").exists()


@pytest.mark.parametrize("content", [b"", b"PTMCRUMB", b"x" * 200_000, b"PTMCRUMB\x09\0\0\0" + bytes(200_000)])
def test_a_foreign_or_newer_file_is_refused(tmp_path, content):
    """What is no breadcrumb of this version is refused with its path."""
    (tmp_path / "main.crumb").write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"main\.crumb' is"):
        CrumbReader(tmp_path / "main.crumb")


def test_sessions_of_one_process_in_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    """A pytest inside a test of a pytest does not meet the breadcrumb of the one before it."""
    monkeypatch.setattr("time.strftime", lambda *_: "20261120T120304")
    made = [new_session(tmp_path / "memory") for _ in range(3)]
    pid = os.getpid()
    assert [path.name for path in made] == [f"20261120T120304-{pid}{end}" for end in ("", "-2", "-3")]
    assert sessions(tmp_path / "memory") == made[::-1]


def test_sessions_of_one_second_are_ordered_by_their_process(tmp_path):
    """The newest comes first, also where the process ids have different lengths."""
    for name in ("20261120T120304-9998", "20261120T120304-10001", "20261120T120303-20000"):
        (tmp_path / name).mkdir()
    assert [path.name.partition("-")[2] for path in sessions(tmp_path)] == ["10001", "9998", "20000"]


@pytest.mark.parametrize(
    ("platform", "cache"),
    [
        ("linux", ".cache/pytest-memory"),
        ("darwin", "Library/Caches/pytest-memory"),
        ("win32", "AppData/Local/pytest-memory/Cache"),
    ],
)
def test_the_users_cache_is_where_the_platform_has_it(monkeypatch, tmp_path, platform, cache):
    """Below the home, unless the user has named another place; as platformdirs has it."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, "relative/does/not/count")
    assert user_cache() == tmp_path / cache
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "mine"))
    assert user_cache() == tmp_path / "mine/pytest-memory" / ("Cache" if platform == "win32" else "")


def test_without_a_home_there_is_no_cache(monkeypatch):
    """A container's user often has none: that is an OSError, as is a cache that cannot be written."""

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", nowhere)
    with pytest.raises(OSError, match="home"):
        user_cache()


def test_sessions_of_a_project_are_found_without_a_cache_of_the_user(tmp_path):
    """Who has no home may still have a project that keeps its own."""
    folder = tmp_path / ".pytest_cache/d/memory"
    new_session(folder)
    assert project_folders(tmp_path / "below", None) == [folder]


def test_an_autopsy_needs_no_home(monkeypatch, tmp_path, capsys):
    """It looks into the project first, and says so where nothing was recorded there."""

    def nowhere():
        raise FileNotFoundError("no home")

    monkeypatch.setattr("pytest_memory.cli.autopsy.user_cache", nowhere)
    monkeypatch.chdir(tmp_path)
    assert run(["autopsy"]) == 1
    assert "no run has been recorded" in capsys.readouterr().err
    session = new_session(tmp_path / ".pytest_cache/d/memory")
    run(["autopsy"])
    assert session.name in "".join(capsys.readouterr())
