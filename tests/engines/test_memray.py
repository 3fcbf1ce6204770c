"""The deep engine."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.memray import MemrayEngine
from pytest_memory.errors import EngineUnavailable, WindowRefused

memray = pytest.importorskip("memray")

KEPT = []
CHEAP = WindowRequest(totals=False)


@pytest.fixture
def engine():
    yield MemrayEngine()
    KEPT.clear()


def has_symbols():
    from memray._memray import SymbolicSupport, get_symbolic_support

    return get_symbolic_support() == SymbolicSupport.TOTAL


needs_symbols = pytest.mark.skipif(not has_symbols(), reason="this Python is stripped: no native frames")


def keep(size):
    KEPT.append(bytearray(size))


def measure(engine, request, work):
    window = engine.open(request)
    try:
        work()
    finally:
        reading = window.close()
    return reading


def busy():
    """A peak of 3 MB, 5 MB allocated, 0.5 MB kept."""
    first = bytearray(1_000_000)
    second = bytearray(2_000_000)
    del first, second
    third = bytearray(1_500_000)
    del third
    keep(500_000)


def test_all_metrics_where_totals_are_asked(engine):
    """The full format knows what was allocated in all and in how many calls."""
    usage = measure(engine, WindowRequest(), busy).usage
    assert 3_000_000 <= usage.peak < 3_010_000
    assert 5_000_000 <= usage.allocated < 5_020_000
    assert 8 <= usage.allocations < 100
    assert 500_000 <= usage.retained < 510_000


def test_the_aggregated_format_leaves_totals_unknown(engine):
    """What a capture does not hold is None; peak and retained are the same in both formats."""
    usage = measure(engine, CHEAP, busy).usage
    assert (usage.allocated, usage.allocations) == (None, None)
    assert 3_000_000 <= usage.peak < 3_010_000
    assert 500_000 <= usage.retained < 510_000


def test_python_granularity_counts_small_objects_and_malloc_does_not(engine):
    """A thousand small objects reach pymalloc, and malloc not at all."""

    def small():
        KEPT.extend(object() for _ in range(1000))

    fine = measure(engine, WindowRequest(granularity="python"), small).usage
    coarse = measure(engine, WindowRequest(granularity="malloc"), small).usage
    assert fine.allocations >= 1000
    assert coarse.allocations < 100


def test_sites_at_the_peak_add_up_and_name_the_code_under_test(engine):
    """The sum over the sites is the peak but for our own bookkeeping; no frame of ours or of pytest's is shown."""
    reading = measure(engine, CHEAP, busy)
    assert 0 <= reading.usage.peak - sum(site.bytes for site in reading.sites) < 1024
    assert [site.bytes for site in reading.sites] == sorted((s.bytes for s in reading.sites), reverse=True)
    top = reading.sites[0]
    assert top.bytes >= 2_000_000
    assert [frame.function for frame in top.frames] == ["busy"]
    assert top.frames[0].filename == __file__


def test_counters_detail_makes_no_sites(engine):
    """Resolving stacks costs time that nobody asked for."""
    assert measure(engine, CHEAP._replace(detail="counters"), busy).sites == ()


def test_a_comprehension_is_shown_as_its_function(engine):
    """``<listcomp>`` tells a reader nothing."""

    def fill():
        KEPT.append([bytes(10_000) for _ in range(100)])

    site = measure(engine, CHEAP, fill).sites[0]
    assert site.frames[0].function == "fill"


def test_leaks_are_the_stacks_live_at_the_end(engine):
    """Freed memory is no leak, however high its peak."""
    reading = measure(engine, WindowRequest(leaks=True, totals=False), busy)
    functions = {frame.function for site in reading.leaked for frame in site.frames}
    assert reading.leaked[0].bytes >= 500_000
    assert {"keep", "busy"} <= functions
    assert 0 <= reading.usage.retained - sum(site.bytes for site in reading.leaked) < 4096


@needs_symbols
def test_native_frames_tell_leaks_in_c_apart(engine):
    """As pytest-memray does: what leaks in C often leaks below one and the same Python line."""
    site = measure(engine, WindowRequest(leaks=True, totals=False), busy).leaked[0]
    assert not site.frames[0].filename.endswith(".py")


@needs_symbols
def test_native_frames_only_where_asked(engine):
    """Python frames alone by default; with ``native_frames`` the C functions beneath them."""
    plain = measure(engine, CHEAP, busy).sites[0].frames
    native = measure(engine, CHEAP._replace(native_frames=True), busy).sites[0].frames
    assert all(frame.filename.endswith(".py") for frame in plain)
    assert len(native) > len(plain)
    assert not native[0].filename.endswith(".py")


class TestOneThread:
    """``current_thread_only``: the thread's own figures, not its share of the process's peak."""

    @staticmethod
    def work():
        block = bytearray(2_000_000)
        del block
        elsewhere = threading.Thread(target=lambda: keep(9_000_000))
        elsewhere.start()
        elsewhere.join()
        keep(300_000)

    def test_other_threads_do_not_count(self, engine):
        """The thread's peak is exact even where the process peaked at another moment."""
        usage = measure(engine, WindowRequest(current_thread_only=True), self.work).usage
        assert 2_000_000 <= usage.peak < 2_050_000
        assert 2_300_000 <= usage.allocated < 2_350_000
        assert 300_000 <= usage.retained < 350_000

    def test_sites_and_leaks_are_the_threads(self, engine):
        """They add up to the thread's peak and to what it retained."""
        reading = measure(engine, WindowRequest(current_thread_only=True, leaks=True, native_frames=True), self.work)
        assert 0 <= reading.usage.peak - sum(site.bytes for site in reading.sites) < 1024
        assert 0 <= reading.usage.retained - sum(site.bytes for site in reading.leaked) < 4096
        assert reading.leaked[0].bytes < 400_000

    def test_all_threads_replayed_equal_memrays_own_peak(self, engine, tmp_path):
        """The replay and memray agree where both can be had: on a test with one thread."""
        whole = measure(engine, WindowRequest(), busy).usage
        alone = measure(engine, WindowRequest(current_thread_only=True), busy).usage
        assert abs(whole.peak - alone.peak) < 4096
        assert abs(whole.allocated - alone.allocated) < 8192


def test_a_kept_capture_is_a_file_that_memray_reads(engine, tmp_path):
    """The capture stays where it was asked for, an older file of that name is replaced."""
    path = tmp_path / "dump.bin"
    path.write_bytes(b"an older dump")
    reading = measure(engine, CHEAP._replace(capture=path), busy)
    with memray.FileReader(path) as reader:
        assert reader.metadata.peak_memory == reading.usage.peak


def test_without_a_name_nothing_is_left_behind(engine, tmp_path, monkeypatch):
    """Temporary captures are gone once they are read."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    descriptors = Path("/proc/self/fd")
    gc.collect()  # what tests before this one have left open is not its own
    before = len(list(descriptors.iterdir())) if descriptors.is_dir() else None
    measure(engine, CHEAP, busy)
    assert list(tmp_path.iterdir()) == []
    if before is not None:
        gc.collect()
        assert len(list(descriptors.iterdir())) == before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="captures are found by descriptor here alone")
def test_descriptors_closed_by_the_test_are_not_taken_for_ours(engine, tmp_path):
    """A file of the test's that got our descriptor's number is neither read, nor cut, nor closed."""
    window = engine.open(CHEAP)
    ours = int(window._path.rpartition("/")[2])
    os.close(ours)
    theirs = os.open(tmp_path / "theirs", os.O_CREAT | os.O_RDWR)
    assert theirs == ours
    os.write(theirs, b"text\0\0\0")
    reading = window.close()
    assert reading.usage is None
    assert "closed the file" in reading.unmeasured
    assert os.pread(theirs, 10, 0) == b"text\0\0\0"
    os.close(theirs)


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs files without a name")
def test_a_process_that_dies_inside_a_window_leaves_nothing(tmp_path):
    """Not even SIGKILL leaves a capture on the disk."""
    done = run(
        """
        import os, signal
        from pytest_memory.engines.base import WindowRequest
        from pytest_memory.engines.memray import MemrayEngine
        window = MemrayEngine().open(WindowRequest())
        block = bytearray(10_000_000)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == -9, done.stderr
    assert list(tmp_path.iterdir()) == []


class TestForeignTracker:
    """One Tracker per process: a window is refused while somebody else's runs."""

    def test_the_refusal_names_where_it_was_opened(self, engine, tmp_path):
        """memray does not say whose Tracker it is, but a frame that holds it does."""
        with memray.Tracker(tmp_path / "theirs.bin") as tracker, pytest.raises(WindowRefused) as refusal:
            engine.open(CHEAP)
        assert tracker is not None
        assert f"{__file__}:" in refusal.value.problem
        assert "test_the_refusal_names_where_it_was_opened" in refusal.value.problem

    def test_their_tracker_goes_on_and_ours_works_after_it(self, engine, tmp_path):
        """A refusal leaves no trace: no file, no broken Tracker."""
        with memray.Tracker(tmp_path / "theirs.bin"):
            with pytest.raises(WindowRefused):
                engine.open(CHEAP._replace(capture=tmp_path / "ours.bin"))
            block = bytearray(5_000_000)
        assert len(block) <= memray.FileReader(tmp_path / "theirs.bin").metadata.peak_memory
        assert not (tmp_path / "ours.bin").exists()
        assert measure(engine, CHEAP, busy).usage.peak >= 3_000_000

    def test_memray_run_is_named(self, tmp_path):
        """Whoever runs pytest under ``memray run`` reads that, and not a riddle."""
        script = tmp_path / "script.py"
        script.write_text(
            "from pytest_memory.engines.base import WindowRequest\n"
            "from pytest_memory.engines.memray import MemrayEngine\n"
            "from pytest_memory.errors import WindowRefused\n"
            "try: MemrayEngine().open(WindowRequest())\n"
            "except WindowRefused as refusal: print(refusal)\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "memray", "run", "-o", str(tmp_path / "out.bin"), str(script)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "`memray run`" in done.stdout, done.stderr


def test_a_capture_that_cannot_be_written_refuses_the_window(engine, tmp_path):
    """The test runs unmeasured, with the reason."""
    with pytest.raises(WindowRefused, match="cannot write its capture"):
        engine.open(CHEAP._replace(capture=tmp_path / "missing" / "dump.bin"))


def test_a_profiler_of_the_user_is_put_back(engine):
    """A Tracker takes the profile hook; when the window closes, the user's own is back."""

    def profiler(*_):
        return None

    sys.setprofile(profiler)
    try:
        measure(engine, CHEAP, lambda: None)
        found = sys.getprofile()
    finally:
        sys.setprofile(None)
    assert found is profiler


def test_it_says_how_to_get_memray(monkeypatch):
    """An engine asked for by name and not to be had ends in a usage error: it says what to install."""
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(EngineUnavailable, match=r"memray.*pip install 'pytest-memory\[memray\]'"):
        MemrayEngine()


def test_windows_has_no_memray(monkeypatch):
    """The reason is stated, and another engine named."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EngineUnavailable, match=r"does not exist for Windows.*tracemalloc"):
        MemrayEngine()


def test_a_stripped_interpreter_is_noted_where_native_frames_were_wanted(engine, monkeypatch):
    """memray then shows Python frames alone; the report says why."""
    from memray._memray import SymbolicSupport

    monkeypatch.setattr("memray._memray.get_symbolic_support", lambda: SymbolicSupport.NONE)
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    measure(engine, CHEAP, busy)
    assert engine.notes() == ()
    measure(engine, CHEAP._replace(native_frames=True), busy)
    assert "stripped of its symbols" in engine.notes()[0]


def test_python_312_is_warned_of_a_known_crash(engine, monkeypatch):
    """memray 1.20 can crash there when tracking stops: the report says so."""
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(engine, "_version", "1.20.0")
    assert "crash" in engine.notes()[0]
    monkeypatch.setattr(engine, "_version", "1.20.1")
    assert engine.notes() == ()
